"""What is done about stuck pods, and what is told of it.

The gates decide whether: `gates` what would be unsafe, `limits` what would be too much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from verdigris.api.status import ModelDeploymentStatus, RemovedPod, StuckPod
from verdigris.core.actions import RemovePod
from verdigris.core.facts.observed import PodView
from verdigris.core.pods.diagnosis.chain import diagnoses
from verdigris.core.pods.diagnosis.check import Diagnosis, Role
from verdigris.core.pods.remedies.flapping import remember_flapping
from verdigris.core.pods.remedies.gates import ENDED, SAFETY, Case, Gate, Held, rehearsed
from verdigris.core.pods.remedies.limits import LIMITS
from verdigris.core.turn import Turn, evolve
from verdigris.core.words import clip

GATES: tuple[Gate, ...] = (*SAFETY, *LIMITS, rehearsed)
"""In this order: what forbids it, what it has to wait for, and last whether it is only rehearsed."""

UNREADY_LOOK = timedelta(seconds=10)
"""How often to look while a pod is not ready or on its way out: pods are not watched, only what is made of them."""
TOLD = 20
"""Stuck pods in the status."""
REMEMBERED = 100
"""Removals in the status: as many as the largest budget, so that leftovers alone can be crowded out."""

Found = tuple[PodView, Role, Diagnosis]


@dataclass(frozen=True)
class Verdict:
    """What the gates said about a ripe diagnosis; `held` is None when its remedy is used, or it has none."""

    pod: PodView
    found: Diagnosis
    held: Held | None


def clean_up(turn: Turn) -> Turn:
    """The turn with the stuck pods told and those to be removed chosen (law 10)."""
    turn = remember_flapping(turn)
    return settle(turn, diagnoses(turn))


def settle(turn: Turn, found: Iterable[Found]) -> Turn:
    """The same for diagnoses that were made: those that are ripe go through the gates, one after the other."""
    found = tuple(found)
    verdicts: list[Verdict] = []
    taken: tuple[RemovePod, ...] = ()
    for pod, role, diagnosis in found:
        if turn.now < diagnosis.ripe_at:
            continue
        case = Case(turn, pod, role, diagnosis, taken)
        held = _first_held(case)
        if held is None:
            taken += _removal(pod, diagnosis)
        verdicts.append(Verdict(pod, diagnosis, held))
    look_at = min((time for time in (turn.look_at, *_times(turn, found, verdicts)) if time is not None), default=None)
    return replace(_tell(turn, verdicts), removals=taken, look_at=look_at)


def _first_held(case: Case) -> Held | None:
    if case.found.remedy == "None":
        return None
    return next((held for gate in GATES if (held := gate(case)) is not None), None)


def _removal(pod: PodView, found: Diagnosis) -> tuple[RemovePod, ...]:
    if found.remedy == "None":
        return ()
    return (RemovePod(pod.name, pod.uid, pod.color, pod.node, found.kind, found.remedy, clip(found.message)),)


def _times(turn: Turn, found: Iterable[Found], verdicts: Iterable[Verdict]) -> Iterable[datetime]:
    """When something may have changed without anybody telling us."""
    yield from (diagnosis.ripe_at for _, _, diagnosis in found if diagnosis.ripe_at > turn.now)
    yield from (verdict.held.until for verdict in verdicts if verdict.held and verdict.held.until)
    if any((not pod.ready or pod.terminating) and pod.phase not in ENDED for pod in turn.observed.pods):
        yield turn.now + UNREADY_LOOK


def _tell(turn: Turn, verdicts: Iterable[Verdict]) -> Turn:
    """`status.stuck`, and an Event for each that was not in it."""
    before = {(entry.pod, entry.kind, entry.reason): entry for entry in turn.status.stuck}
    entries = tuple(_entry(verdict) for verdict in verdicts)[:TOLD]
    for entry in entries:
        if (entry.pod, entry.kind, entry.reason) not in before:
            turn = turn.note("Warning", "StuckPod", _sentence(entry))
    kept = (before.get((entry.pod, entry.kind, entry.reason)) for entry in entries)
    # It began when it was first told to have begun: a condition that is renewed is no news.
    steady = tuple(
        evolve(entry, since=known.since) if known else entry for entry, known in zip(entries, kept, strict=True)
    )
    return turn if steady == turn.status.stuck else turn.change(stuck=steady)


def _entry(verdict: Verdict) -> StuckPod:
    found = verdict.found
    return StuckPod(
        pod=verdict.pod.name,
        kind=found.kind,
        reason=found.reason,
        message=found.message,
        remedy=found.remedy,
        held=verdict.held.why if verdict.held else "",
        since=found.since,
    )


def _sentence(entry: StuckPod) -> str:
    held = f" Nothing is done: {entry.held}" if entry.held else ""
    return f"Pod {entry.pod}: {entry.message}{held}"


def record(status: ModelDeploymentStatus, entry: RemovedPod, window: timedelta) -> ModelDeploymentStatus:
    """The status after a pod was removed; what is older than the window (`spec.cleanup.window`) is forgotten."""
    fresh = tuple(earlier for earlier in status.removed if earlier.at > entry.at - window)
    return evolve(status, removed=bounded((*fresh, entry)))


def removed(action: RemovePod, at: datetime) -> RemovedPod:
    """What is remembered of a removal."""
    return RemovedPod(
        pod=action.pod,
        uid=action.uid,
        color=action.color,
        node=action.node,
        kind=action.kind,
        remedy=action.remedy,
        message=action.message,
        at=at,
    )


def bounded(entries: tuple[RemovedPod, ...]) -> tuple[RemovedPod, ...]:
    """As many as the status holds, oldest first: leftovers are forgotten first, because no budget rests on them."""
    surplus = len(entries) - REMEMBERED
    if surplus <= 0:
        return entries
    order = sorted(range(len(entries)), key=lambda index: (entries[index].kind != "Leftover", index))
    forgotten = frozenset(order[:surplus])
    return tuple(entry for index, entry in enumerate(entries) if index not in forgotten)


def refuse(status: ModelDeploymentStatus, action: RemovePod, words: str) -> ModelDeploymentStatus:
    """The status after a removal was refused: the API server's words hold it. It is tried again at the next look."""
    stuck = tuple(
        evolve(entry, held=clip(words)) if (entry.pod, entry.kind) == (action.pod, action.kind) else entry
        for entry in status.stuck
    )
    return evolve(status, stuck=stuck)
