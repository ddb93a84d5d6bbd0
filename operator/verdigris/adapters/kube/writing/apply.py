"""Carries out a plan's actions, in order. What fails stops only what it would be harmful to do then."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.observe import Picture
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Conflict
from verdigris.adapters.kube.writing.contested import Contested, added_to
from verdigris.adapters.kube.writing.executor import Executor, NotOurs
from verdigris.adapters.kube.writing.restores import RestoreBackoff
from verdigris.adapters.kube.writing.writer import Writer
from verdigris.children.names import REVISION_LABEL, color_name
from verdigris.core.actions import (
    Action,
    Adopt,
    Keep,
    MoveRoute,
    MoveTraffic,
    Remove,
    RemovePod,
    Scale,
    SetOrder,
    SetTraffic,
)

__all__ = ["Contested", "NotOurs", "Outcome", "Writer", "apply"]


ReadAgain = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass
class Outcome:
    """What came of the actions. `problems` are the failures in order; `traffic_failed`: clients were not moved.

    Each problem tells in `about` which object it was. `removed` are the stuck pods that are gone or on their way now;
    `refused` those that the API server did not let go, for example because of a PodDisruptionBudget. A refusal is no
    problem of the reconcile.
    """

    written: int = 0
    problems: list[ApiError] = field(default_factory=list)
    traffic_failed: bool = False
    removed: list[RemovePod] = field(default_factory=list)
    refused: list[tuple[RemovePod, ApiError]] = field(default_factory=list)


async def apply(
    writer: Writer,
    picture: Picture,
    actions: Iterable[Action],
    backoff: RestoreBackoff | None = None,
    *,
    has_ended: Callable[[], bool] = lambda: False,
    read_again: ReadAgain | None = None,
) -> Outcome:
    """Do the actions in order. Raises nothing of the API's: failures are in the outcome.

    Once the ModelDeployment `has_ended` nothing more is written: a child that the garbage collector was told to leave
    behind would get its owner reference back, and be collected after all.

    Before a colour's pods are taken away the ModelDeployment is `read_again`: whoever was held up since it was read, or
    does not lead any more, may not know yet that they have the clients by now.

    A failure never ends it. `_Caution` says what is left out after which failure (laws 1, 2 and 7).
    Neighbouring `SetTraffic`s are done at once: all pods of a colour are to drain together. So are stuck pods, which
    come last: a webhook that keeps each removal waiting must not add up before the next look. And so are moves of
    clients, by the Service and by a gateway, together with what pods are told to pass on: each may be a rollback, and
    none waits for another.
    """
    executor, caution, outcome = Executor(writer, picture, backoff), _Caution(picture), Outcome()
    for batch in _batches(actions):
        if has_ended():
            break
        allowed = [action for action in batch if not caution.forbids(action)]
        done = (_done(executor, action, picture, read_again) for action in allowed)
        results = await asyncio.gather(*done, return_exceptions=True)
        for action, result in zip(allowed, results, strict=True):
            if isinstance(result, ApiError):
                caution.failed(action)
            _account(outcome, action, result)
    outcome.traffic_failed = not caution.moved
    return outcome


async def _done(executor: Executor, action: Action, picture: Picture, read_again: ReadAgain | None) -> bool:
    """As `Executor.do`. Raises Conflict when pods would be taken away by what is not so any more."""
    if read_again is not None and isinstance(action, Remove) and action.kind == kinds.DEPLOYMENT.kind:
        now, then = (views.metadata(raw).get("resourceVersion") for raw in (await read_again(), picture.parent))
        if now != then:
            raise Conflict(
                f"Deployment {action.name} is not removed: the ModelDeployment has changed since it was read"
            )
    return await executor.do(action)


def _batches(actions: Iterable[Action]) -> Iterator[Sequence[Action]]:
    for kind, run in itertools.groupby(actions, key=lambda action: _AT_ONCE.get(type(action))):
        batch = list(run)
        yield from [batch] if kind is not None else [[action] for action in batch]


_AT_ONCE: Mapping[type[Action], str] = {
    MoveTraffic: "clients",
    MoveRoute: "clients",
    SetOrder: "clients",
    SetTraffic: "connections",
    RemovePod: "stuck pods",
    Adopt: "orphans",
}
"""Neighbours that are done at once, by what they have in common."""


def _account(outcome: Outcome, action: Action, result: bool | BaseException) -> None:
    """Count what was written and keep what failed. Raises what is a bug."""
    if isinstance(result, ApiError):
        if isinstance(action, RemovePod):
            outcome.refused.append((action, result))
            return
        result.about = _about(action)
        outcome.problems.append(result)
    elif isinstance(result, BaseException):
        raise result
    else:
        outcome.written += result
        if isinstance(action, RemovePod) and result:
            outcome.removed.append(action)


def _about(action: Action) -> str:
    """The object that an action is about, by kind and name, in the model's namespace."""
    match action:
        case MoveTraffic(manifest) | Keep(manifest):
            return f"{manifest['kind']} {manifest['metadata']['name']}"
        case MoveRoute(name):
            return f"{kinds.HTTP_ROUTE.kind} {name}"
        case Adopt(_, kind, name) | Remove(_, kind, name):
            return f"{kind} {name}"
        case Scale(color):
            return f"Deployment of {color}"
        case SetTraffic(pod) | SetOrder(pod) | RemovePod(pod):
            return f"Pod {pod}"


class _Caution:
    """What is left out after what has failed.

    Clients that were not moved: nothing that takes away what they may be on is done, their pods are not told to send
    them away, and no Deployment is changed (law 2). A Deployment, its size or its snapshot that was refused: nothing is
    taken away either, and no pods are made without their snapshot (law 7). Everything else goes on after any failure: a
    refused autoscaler, policy, account, monitor or annotation of a pod is no reason to do anything later.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.moved = True
        self._firm = True
        self._unsaved: set[str] = set()
        self._unmade: set[str] = set()

    def failed(self, action: Action) -> None:
        """This one was refused, or its answer was lost."""
        if isinstance(action, MoveTraffic):
            self.moved = self.moved and self._is_there(action)
        elif isinstance(action, MoveRoute):
            self.moved = False
        elif isinstance(action, Scale):
            self._firm = False
        elif isinstance(action, Keep):
            self._keep_failed(action.manifest)

    def _is_there(self, action: MoveTraffic) -> bool:
        """Whether no client is elsewhere: then a mark was refused, or what somebody added to the selector stays."""
        live = self._picture.live.get((kinds.SERVICE.kind, action.manifest["metadata"]["name"]))
        wanted, there = action.manifest["spec"]["selector"], ((live or {}).get("spec") or {}).get("selector") or {}
        return there == wanted or added_to(wanted, there) is not None

    def _keep_failed(self, manifest: Mapping[str, Any]) -> None:
        if manifest["kind"] == kinds.DEPLOYMENT.kind:
            self._firm = False
            self._unmade.add(manifest["metadata"]["name"])
        elif manifest["kind"] == kinds.CONTROLLER_REVISION.kind:
            self._firm = False
            self._unsaved.add((manifest["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))

    def forbids(self, action: Action) -> bool:
        """Whether it must not be done now."""
        match action:
            case SetTraffic():
                return not self.moved
            case Keep(manifest):
                return manifest["kind"] == kinds.DEPLOYMENT.kind and self._forbids_deployment(manifest)
            case Scale():
                return self._forbids_size(action)
            case Remove():
                return not self.moved or (not self._firm and action.kind == kinds.DEPLOYMENT.kind)
            case RemovePod():
                return not self.moved or not self._firm
            case _:
                return False

    def _forbids_deployment(self, manifest: Mapping[str, Any]) -> bool:
        template = views.metadata(manifest["spec"].get("template") or {})
        if (template.get("labels") or {}).get(REVISION_LABEL) in self._unsaved:
            return True
        return not self.moved and self._seen(manifest["metadata"]["name"]) is not None

    def _forbids_size(self, action: Scale) -> bool:
        name = color_name(self._picture.observed.owner.name, action.color)
        seen = self._seen(name)
        if seen is None:
            return name in self._unmade or bool(self._unsaved)
        shrinks = action.replicas < (seen.get("spec") or {}).get("replicas", 1)
        return shrinks and not (self.moved and self._firm)

    def _seen(self, name: str) -> Mapping[str, Any] | None:
        return self._picture.live.get((kinds.DEPLOYMENT.kind, name))
