"""The Job of the gate under way, and what its pod has left: read while a rollout is at a gate, and at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from pydantic import ValidationError

from verdigris.adapters.kube.reading import unseen, views
from verdigris.adapters.kube.reading.observe import Picture, Reader
from verdigris.adapters.kube.reading.unseen import TolerantReads
from verdigris.adapters.kube.transport import kinds
from verdigris.api.status import Failure, GateCheck, GateStatus, ModelDeploymentStatus
from verdigris.children.names import GATE_CONTAINER, Owner
from verdigris.children.ownership import whose
from verdigris.core.facts.observed import GateJob, Observed
from verdigris.core.words import clip, plain

Raw = Mapping[str, Any]

_MOST_DIGITS = 15
_PODS_OF_JOB = "batch.kubernetes.io/job-name"


def jobs_of_gates(status: ModelDeploymentStatus) -> tuple[str, ...]:
    """The Jobs that the rollout under way may still have to read, make or end."""
    steps = status.rollout.steps if status.rollout is not None else ()
    return tuple(step.gate.job for step in steps if step.gate is not None and step.gate.verdict not in ("Pass", "Fail"))


async def look_at_gates(reader: Reader, picture: Picture) -> Picture:
    """The picture with the gates' Jobs, where the rollout has any.

    Where they cannot be read that kind is unseen: nothing goes forward, and a version can be taken back all the same.
    """
    observed, rollout = picture.observed, picture.observed.status.rollout
    tolerant = TolerantReads(unseen.PATIENCE)
    none: dict[str, _Found] = {}
    jobs = await tolerant.read(kinds.JOB, partial(_jobs, reader, observed), none)
    step = rollout.steps[rollout.step] if rollout is not None and rollout.kind is not None else None
    found = jobs.get(step.gate.job) if step is not None and step.gate is not None else None
    gate = gate_view(found.job, found.pods, observed.owner) if found is not None else None
    return replace(
        picture,
        observed=replace(observed, gate=gate, unseen=observed.unseen | frozenset(tolerant.unseen)),
        live={**picture.live, **{(kinds.JOB.kind, name): one.job for name, one in jobs.items()}},
        unseen={**picture.unseen, **tolerant.unseen},
    )


class _Found(NamedTuple):
    job: Raw
    pods: list[dict[str, Any]]


async def _jobs(reader: Reader, observed: Observed) -> dict[str, _Found]:
    """The Jobs that are there, by name, each with what calls itself its pod."""
    space, found = observed.owner.namespace, {}
    for name in jobs_of_gates(observed.status):
        for job in await reader.list(kinds.JOB, space, fields=f"metadata.name={name}"):
            found[name] = _Found(job, await reader.list(kinds.POD, space, f"{_PODS_OF_JOB}={name}"))
    return found


def gate_view(job: Raw, pods: Iterable[Raw], owner: Owner) -> GateJob:
    """The Job with what its newest pods tell. Pods that are not its own say nothing."""
    meta = views.metadata(job)
    if whose(job, owner) != "Ours":
        return GateJob(meta["name"], foreign=True)
    own = [pod for pod in pods if any(one.get("uid") == meta["uid"] for one in _owners(pod))]
    own.sort(key=lambda pod: views.metadata(pod)["creationTimestamp"])
    answers = [answer for pod in own if (answer := _answer(pod, meta["name"])) is not None]
    return GateJob(
        meta["name"],
        answer=answers[-1] if answers else None,
        over=_over(job),
        pod=views.gate_pod(own[-1]) if own else None,
    )


def _owners(raw: Raw) -> Iterable[Raw]:
    owners: Iterable[Raw] = views.metadata(raw).get("ownerReferences") or ()
    return owners


def _over(job: Raw) -> Failure | None:
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            reason = condition.get("reason") or condition["type"]
            return Failure(reason=reason, message=clip(plain(condition.get("message") or "")))
    return None


def _answer(pod: Raw, job: str) -> GateStatus | None:
    """The document that the gate left in its termination message; None for a pod without one that can be read."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated")
        if container.get("name") == GATE_CONTAINER and ended:
            return parse_answer(ended.get("message") or "", job)
    return None


def parse_answer(text: str, job: str) -> GateStatus | None:
    """A gate's answer (docs/gates.md) as the status keeps it; None for what is none."""
    try:
        told = json.loads(text, parse_int=_whole)
        found = GateStatus.parse({**_renamed(told), "job": job})
    except (ValueError, ValidationError, TypeError, AttributeError, KeyError):
        return None
    return found if found.verdict is not None else None


_MOST_OF_A_NAME = 64
"""Characters of the name of a check or a group."""


def _whole(digits: str) -> int:
    """Raises ValueError for more than the API server can keep: it would refuse the whole status."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"{digits} is no count")
    return int(digits)


def _renamed(told: Mapping[str, Any]) -> dict[str, Any]:
    data, active = told.get("data") or {}, told.get("active") or {}
    return {
        "asked": told["asked"],
        "verdict": told["verdict"],
        "reason": told["reason"],
        "message": clip(_sentence(plain(told["message"]))),
        "tookSeconds": told.get("tookSeconds", 0.0),
        "dataSha256": data.get("sha256", ""),
        "rows": data.get("rows", 0),
        "active": active.get("version", ""),
        "checks": [_check(one) for one in told.get("checks") or ()][: _most(GateStatus, "checks")],
        "groups": [_group(one) for one in told.get("groups") or ()][: _most(GateStatus, "groups")],
    }


def _check(told: Mapping[str, Any]) -> dict[str, Any]:
    low, high = told.get("interval") or (None, None)
    kept = {name: told[name] for name in GateCheck.model_fields if name in told}
    return {
        **_counted({**kept, "n": told.get("n", 0)}),
        "name": told["name"][:_MOST_OF_A_NAME],
        "low": low,
        "high": high,
    }


def _group(told: Mapping[str, Any]) -> dict[str, Any]:
    names = {field: told[field][:_MOST_OF_A_NAME] for field in ("attribute", "group")}
    return {**_counted(told), **names}


def _sentence(text: str) -> str:
    """Capital letters are the gate's; the full stop is ours, as other sentences follow."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _counted(told: Mapping[str, Any]) -> dict[str, Any]:
    """With `n` under its whole name: in YAML, an n alone is a no."""
    return {name: value for name, value in told.items() if name != "n"} | {"count": told["n"]}


def _most(model: type[GateStatus], field: str) -> int:
    most: int = next(one.max_length for one in model.model_fields[field].metadata if hasattr(one, "max_length"))
    return most
