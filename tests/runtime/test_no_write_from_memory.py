"""Whatever happens, with or without its event: nothing is done of memory but telling. A random walk over a bake."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.runtime.baking import Sees, bakes
from tests.runtime.raws import KEY, owned
from tests.runtime.stage import Stage
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, Forbidden, Transient

CHILDREN = [kind.kind for kind in kinds.CHILDREN]
SEEN_FIRST = {("get", "ModelDeployment")} | {("list", resource.kind) for resource in (*kinds.CHILDREN, kinds.POD)}
"""What a live look has read before it writes."""
TELLS = {"looks", "at", "sealed", "sealedAt", "seen", "clockAhead", "pods", "breaches", "activeValues"}
TELLS |= {"candidate", "score", "scores", "threshold", "message"}

Do = Callable[[Stage, Sees, int], None]


def edit(stage: Stage, _: Sees, lot: int) -> None:
    refs = [ref for ref in stage.api.objects if ref[0] in CHILDREN]
    stage.api.objects[refs[lot % len(refs)]]["metadata"].setdefault("labels", {})["verdigris.dev/color"] = f"c{lot}"


def delete(stage: Stage, _: Sees, lot: int) -> None:
    refs = [ref for ref in stage.api.objects if ref[0] in (*CHILDREN, "Pod", "EndpointSlice")]
    del stage.api.objects[refs[lot % len(refs)]]


def move_clients(stage: Stage, _: Sees, lot: int) -> None:
    service = stage.api.objects.get(("Service", *KEY))
    if service is not None:
        service["spec"]["selector"]["verdigris.dev/color"] = ("blue", "green")[lot % 2]


def unready(stage: Stage, _: Sees, lot: int) -> None:
    pods = [raw for ref, raw in stage.api.objects.items() if ref[0] == "Pod"]
    for raw in pods[: lot % 4]:
        raw["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}


def ask_for_another(stage: Stage, _: Sees, lot: int) -> None:
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"] |= {"paused": True} if lot % 3 == 0 else {"paused": False}
    raw["spec"]["model"]["version"] = f"{1 + lot % 3}.0.0"
    raw["metadata"]["generation"] += 1


def decide(stage: Stage, _: Sees, lot: int) -> None:
    rollout = stage.api.at("ModelDeployment", *KEY)["status"].get("rollout") or {}
    verb = ("abort", "promote", "retry", "rollback")[lot % 4]
    said = {"modelDeployment": KEY.name, "revision": rollout.get("revision", "v1-0"), "verb": verb, "reason": "x"}
    spec = {**said, "requestedBy": "alice"}
    stage.api.put({**owned("RolloutDecision", "verdigris.dev/v1alpha1", f"d{lot}", spec=spec)})


def write_status(stage: Stage, _: Sees, lot: int) -> None:
    rollout = stage.api.at("ModelDeployment", *KEY)["status"].get("rollout")
    if rollout is not None:
        rollout["readyHighWater"] = lot


def refuse(stage: Stage, _: Sees, lot: int) -> None:
    kind = (*CHILDREN, "ModelDeployment/status", "Pod")[lot % 10]
    error = (Transient("busy"), Forbidden("no"), Conflict("changed"))[lot % 3]
    stage.refuse(kind, error)


def accept(stage: Stage, _: Sees, __: int) -> None:
    stage.api.fault = lambda *_: None


def fail(_: Stage, prometheus: Sees, lot: int) -> None:
    prometheus.failing = lot % 2 == 0


def lose_prometheus(_: Stage, prometheus: Sees, lot: int) -> None:
    prometheus.away = lot % 2 == 0


def lose_events(stage: Stage, _: Sees, lot: int) -> None:
    stage.memory.deaf = lot % 2 == 0


def wait(stage: Stage, _: Sees, lot: int) -> None:
    stage.now += timedelta(seconds=lot)


EVENTS = [edit, delete, move_clients, unready, ask_for_another, decide, write_status, refuse, accept]
EVENTS += [fail, lose_prometheus, lose_events, wait]


@dataclass
class Witness:
    """Sees every call, and the model's status before it."""

    stage: Stage
    seen: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)

    async def look(self) -> None:
        """Let one reconcile be made, and see that all that it did was done after live reads, but telling."""
        self.seen.clear()
        stage, refuses = self.stage, self.stage.api.fault

        def watch(verb: str, kind: str, name: str) -> ApiError | None:
            self.seen.append((verb, kind, self.status()))
            return refuses(verb, kind, name)

        stage.api.fault = watch
        await stage.reconcile()
        stage.api.fault = refuses
        self.seen.append(("get", "the end", self.status()))
        self.judge()

    def status(self) -> Mapping[str, Any]:
        return copy.deepcopy(self.stage.api.at("ModelDeployment", *KEY).get("status") or {})

    def judge(self) -> None:
        read: set[tuple[str, str]] = set()
        for (verb, kind, before), (_, _, after) in zip(self.seen, self.seen[1:], strict=False):
            if verb in ("get", "list"):
                read.add((verb, kind))
            elif not read >= SEEN_FIRST:
                assert kind == "ModelDeployment/status", f"{verb} {kind} of memory"
                decides = [path for path in changed(before, after) if not tells(path)]
                assert decides == [], "written of memory"


def changed(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths at which two statuses differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before.keys() | after.keys():
            yield from changed(before.get(key), after.get(key), (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after) and path == ("conditions",):
        for old, new in zip(before, after, strict=True):
            yield from changed(old, new, (*path, "each"))
    elif before != after:
        yield path


def tells(path: tuple[str, ...]) -> bool:
    return path in {("conditions", "each", "message"), ("rollout", "message")} or (
        path[:2] == ("rollout", "evidence") and len(path) > 2 and path[2] in TELLS
    )


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 11)), min_size=3, max_size=8))
@example([(lose_prometheus, 0), (lose_prometheus, 1), (accept, 0)])
def test_whatever_happens_nothing_is_written_from_memory_but_what_tells(events: list[tuple[Do, int]]) -> None:
    async def walk() -> None:
        stage = Stage()
        prometheus = await bakes(stage)
        witness = Witness(stage)
        for event, lot in events:
            event(stage, prometheus, lot)
            for _ in range(2):
                await witness.look()

    asyncio.run(walk())
