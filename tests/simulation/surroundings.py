"""What may happen around the operator from a phase of a rollout on, for some seconds: to Prometheus, watches, pods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.runtime.fake_api import Json
from tests.simulation.elsewhere import Trouble as SourceTrouble
from tests.simulation.faults import Do, Fault, Host
from tests.simulation.fronts import COMES_WITHIN
from tests.simulation.gates import Trouble as GateTrouble
from tests.simulation.objects import is_ready, labels_of
from tests.simulation.prometheus import LASTING, PASSING, Trouble
from tests.simulation.registry import AWAY, EVERY
from tests.simulation.registry import Trouble as RegistryTrouble
from tests.simulation.server import ref_of
from tests.simulation.wire import Call, Wire, Work
from verdigris.children.names import COLOR_LABEL, MODEL_LABEL, REVISION_LABEL
from verdigris.core.steps.source import LOOK_EVERY

LASTS = 20.0
"""Seconds that it goes on."""
LATE = 5.0
"""Seconds by which events are late."""
SLICES_LATE = timedelta(seconds=20)
"""How late EndpointSlices are: as where their controller has many Services to go through."""
RELISTS_AFTER = 40.0
"""Seconds after which a late watch begins anew."""

Happens = Callable[[Host], None]


def _beside_the_call(happens: Happens) -> Do:
    async def do(host: Host, wire: Wire, _: Call, work: Work) -> Any:
        happens(host)
        return await work(wire.server)

    return do


def _later(seconds: float, work: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, work)


def _trouble(trouble: Trouble, *, passes: bool) -> Fault:
    def happens(host: Host) -> None:
        host.prometheus.fall_ill(trouble)
        if passes:
            _later(LASTS, host.prometheus.recover)

    return Fault(
        f"Prometheus {trouble.name}",
        _beside_the_call(happens),
        lasting=not passes,
        # A clock that is set back takes in nothing until it has got to where it was.
        takes=LASTS + abs(trouble.ahead) if passes else 0.0,
        begins="phase",
        tells=trouble.tells,
    )


PROMETHEUS = (*(_trouble(one, passes=True) for one in PASSING), *(_trouble(one, passes=False) for one in LASTING))


def _events_late(host: Host) -> None:
    for watch in host.watches:
        watch.late = LATE
        _later(LASTS, lambda watch=watch: setattr(watch, "late", 0.0))  # type: ignore[misc]


def _gone(host: Host) -> None:
    for watch in host.watches:
        watch.list()


def _lost(seconds: float) -> Happens:
    def happens(host: Host) -> None:
        for watch in host.watches:
            watch.deaf = True
            _later(seconds, watch.list)

    return happens


def _told_again(host: Host) -> None:
    for watch in host.watches:
        watch.tell_again()


WATCHES = (
    Fault("watches: events late", _beside_the_call(_events_late), takes=LASTS + LATE, begins="phase"),
    Fault("watches: 410 Gone", _beside_the_call(_gone), begins="phase"),
    Fault("watches: events lost", _beside_the_call(_lost(LATE)), takes=LATE, begins="phase"),
    Fault("watches: a late relist", _beside_the_call(_lost(RELISTS_AFTER)), takes=RELISTS_AFTER, begins="phase"),
    Fault("watches: events told again", _beside_the_call(_told_again), begins="phase"),
)


def _slices_late(host: Host) -> None:
    host.controllers.slices_late = SLICES_LATE
    _later(2 * LASTS, lambda: setattr(host.controllers, "slices_late", timedelta()))


SLICES = (
    Fault(
        "EndpointSlices follow late",
        _beside_the_call(_slices_late),
        takes=2 * LASTS + SLICES_LATE.total_seconds(),
        begins="phase",
    ),
)
"""Of what brings clients to pods."""


def _snapshots_deleted(host: Host) -> None:
    """Those of what has the clients: one that is idle, or about to be, is gone for good."""
    endpoints = (("Pod", "clinic", name) for name in host.fronts.endpoints("clinic", "diabetes"))
    runs = {labels_of(host.server.objects[ref]).get(REVISION_LABEL) for ref in endpoints if ref in host.server.objects}
    for raw in host.server.of("ControllerRevision"):
        if MODEL_LABEL in labels_of(raw) and labels_of(raw)[REVISION_LABEL] in runs:
            host.server.end(ref_of(raw))


LOST = (Fault("snapshots are deleted", _beside_the_call(_snapshots_deleted), begins="phase"),)
"""Of what people remove."""


def _files_late(host: Host) -> None:
    host.fronts.delay = LATE
    _later(LASTS, lambda: setattr(host.fronts, "delay", COMES_WITHIN))


def _files_stay(host: Host) -> None:
    host.fronts.delay = None


def _one_file_stays(host: Host) -> None:
    """Two pods in front pass different shares on."""
    host.fronts.stuck.update(pod["metadata"]["uid"] for pod in _pods(host, in_front=True)[:1])


def _killed(number: int | None, *, in_front: bool) -> Happens:
    def happens(host: Host) -> None:
        for pod in _pods(host, in_front=in_front)[:number]:
            host.server.remove(ref_of(pod))

    return happens


def _pods(host: Host, *, in_front: bool) -> list[Json]:
    """The ready pods of the version on trial, or of the other one."""
    color = (host.rollout or {}).get("color")
    pods = [pod for pod in host.server.of("Pod") if MODEL_LABEL in labels_of(pod) and is_ready(pod)]
    return [pod for pod in pods if (labels_of(pod)[COLOR_LABEL] != color) is in_front]


def _on_trial(call: Call) -> bool:
    return call.asked > 0


_ASKED_TOO_LITTLE = ("TooFewRequests", "NoSamples", "NotPassedOn", "NotCompared", "none of them counts any")
FRONTS = (
    Fault("files come late", _beside_the_call(_files_late), takes=LASTS + LATE, begins="phase"),
    Fault("files never change", _beside_the_call(_files_stay), lasting=True, begins="phase", tells=_ASKED_TOO_LITTLE),
    Fault("a file never changes", _beside_the_call(_one_file_stays), lasting=True, begins="phase"),
    Fault("a pod in front is killed", _beside_the_call(_killed(1, in_front=True)), _on_trial, begins="phase"),
    Fault("a pod on trial is killed", _beside_the_call(_killed(1, in_front=False)), _on_trial, begins="phase"),
    Fault(
        "all pods on trial are killed",
        _beside_the_call(_killed(None, in_front=False)),
        _on_trial,
        begins="phase",
        leaves=("lastRollback", "RolledBack"),
    ),
)
"""Of a version behind the shield."""


def _ill(trouble: GateTrouble, *, passes: bool) -> Happens:
    def recovers(host: Host) -> None:
        host.gates.trouble = "none"
        if trouble == "answers for another revision":
            # As the operator says: delete the Job, and it is run again.
            host.gates.delete_all()

    def happens(host: Host) -> None:
        host.gates.trouble = trouble
        if passes:
            _later(LASTS, lambda: recovers(host))

    return happens


def _at_gate(trouble: GateTrouble) -> Fault:
    return Fault(f"a gate {trouble}", _beside_the_call(_ill(trouble, passes=True)), takes=LASTS, begins="often")


_NO_GATE_STARTS = Fault(
    "no gate starts any more",
    _beside_the_call(_ill("does not start", passes=False)),
    lasting=True,
    begins="phase",
    tells=("gate has no answer", "gate runs as Job"),
)
GATES = (
    *map(_at_gate, ("does not start", "crashes first", "answers twice", "answers for another revision")),
    Fault("a gate's Job is deleted", _beside_the_call(lambda host: host.gates.delete_all()), begins="often"),
    _NO_GATE_STARTS,
)
"""Of the Jobs of gates, from a call of a rollout on that is at one."""


def _source(trouble: SourceTrouble) -> Fault:
    def happens(host: Host) -> None:
        host.elsewhere.fall_into(trouble)
        _later(LASTS, lambda: host.elsewhere.fall_into("none"))

    return Fault(f"the source {trouble}", _beside_the_call(happens), takes=LASTS + LOOKS_EVERY, begins="often")


def _source_for_ever(trouble: SourceTrouble, *tells: str) -> Fault:
    do = _beside_the_call(lambda host: host.elsewhere.fall_into(trouble))
    return Fault(f"the source {trouble} for ever", do, lasting=True, begins="phase", tells=tells)


LOOKS_EVERY = LOOK_EVERY.total_seconds()
SOURCE = (
    *map(_source, ("is deleted", "serves other bytes", "is ill", "is not looked at", "has not agreed")),
    _source_for_ever("is deleted", "SourceMissing"),
    _source_for_ever("has not agreed", "SourceNotAllowed"),
)
"""Of the environment that a step asks."""


def _registry(trouble: RegistryTrouble) -> Fault:
    def happens(host: Host) -> None:
        host.registry.trouble = trouble
        _later(LASTS, lambda: setattr(host.registry, "trouble", "none"))

    return Fault(f"the registry {trouble}", _beside_the_call(happens), takes=LASTS + EVERY, begins="often")


def _away_for_ever(host: Host) -> None:
    host.registry.trouble = "is away"


REGISTRY = (
    *map(_registry, ("is away", "does not answer", "has no such alias", "has no checksum")),
    Fault(
        "the registry is away for ever", _beside_the_call(_away_for_ever), lasting=True, begins="phase", tells=(AWAY,)
    ),
)
"""Of the registry whose alias is followed."""
