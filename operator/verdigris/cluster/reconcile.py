"""One reconcile: observe, judge, plan, apply, status. Level-triggered: it never asks why it was called."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from verdigris.api.fields import parse_duration
from verdigris.api.status import ModelDeploymentStatus
from verdigris.cluster import logs, views
from verdigris.cluster.apply import NotOurs, Outcome, apply
from verdigris.cluster.client import Client
from verdigris.cluster.errors import ApiError, Conflict, Forbidden, Invalid, NotFound
from verdigris.cluster.events import Recorder
from verdigris.cluster.ledger import Ledger
from verdigris.cluster.metrics import Metrics
from verdigris.cluster.observe import Key, Malformed, Picture, observe
from verdigris.cluster.status import (
    raw_conditions,
    refuse_malformed,
    stalled,
    write_conditions,
    write_decisions,
    write_status,
)
from verdigris.cluster.survey import Surveyor
from verdigris.cluster.usage import UsageRota
from verdigris.evidence.port import EvidenceSource, UsageSource
from verdigris.resources.names import Defaults
from verdigris.rollout.actions import Note, Plan
from verdigris.rollout.cleanup import record, refuse, removed
from verdigris.rollout.cleanup_gates import DONE
from verdigris.rollout.evidence import NOT_ASKED
from verdigris.rollout.plan import plan, question

log = logging.getLogger(__name__)

LOOK_AGAIN = 0.25
"""Seconds after which a reconcile that changed something, and has no time of its own to come back, looks once more."""


@dataclass(frozen=True)
class Result:
    """What the queue is to do. `requeue_after` in seconds; None: nothing but events and the resync."""

    requeue_after: float | None = None
    failure: ApiError | None = None
    """Set when the reconcile could not be finished: come back after the backoff."""


class Reconciler:
    """Brings one ModelDeployment, and what belongs to it, one step towards its spec."""

    def __init__(
        self,
        *,
        client: Client,
        evidence: EvidenceSource,
        usage: UsageSource,
        recorder: Recorder,
        metrics: Metrics,
        defaults: Defaults,
        surveyor: Surveyor,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._evidence = evidence
        self._usage = UsageRota(usage)
        self._recorder = recorder
        self._metrics = metrics
        self._defaults = defaults
        self._surveyor = surveyor
        self._now = now
        self._ledger = Ledger()

    async def reconcile(self, key: Key) -> Result:
        """Never raises for what the API server or a person did wrong; a bug in the code does come out."""
        started = time.monotonic()
        token = logs.context.set({"key": str(key)})
        try:
            result = await self._attempt(key)
        except ApiError as error:
            result = Result(failure=error)
        except BaseException:
            self._metrics.reconciled("error", time.monotonic() - started)
            raise
        finally:
            logs.context.reset(token)
        self._metrics.reconciled(_label(result), time.monotonic() - started)
        return result

    async def _attempt(self, key: Key) -> Result:
        seen_at = self._now()
        try:
            picture = await observe(self._client, key, self._defaults)
        except Malformed as fault:
            return await self._complain(fault)
        if picture is None:
            # Deleted: its children go with it, by their owner references.
            self._metrics.gone(key)
            self._usage.forget(key)
            return Result()
        picture = replace(picture, observed=await self._surveyor.look_further(picture.observed, seen_at))
        planned = await self._plan(key, picture)
        logs.context.set({"key": str(key), **_revision(planned.status)})
        outcome = await apply(self._client, picture, planned.actions)
        try:
            written = await self._report(key, picture, planned, outcome)
        except NotFound:
            # Deleted since it was read.
            self._metrics.gone(key)
            return Result()
        if outcome.problems:
            return Result(failure=outcome.problems[0])
        return Result(requeue_after=_requeue(planned, written))

    async def _plan(self, key: Key, picture: Picture) -> Plan:
        asked = question(picture.observed, self._now())
        evidence = NOT_ASKED if asked is None else await self._evidence.gather(asked)
        evidence = replace(evidence, usage=await self._usage.look(picture.observed, self._now()))
        now = self._now()
        return plan(self._ledger.told(key, picture.observed, now), evidence, now)

    async def _report(self, key: Key, picture: Picture, planned: Plan, outcome: Outcome) -> bool:
        """Status, decisions, Events. Returns whether anything in the cluster was changed by this reconcile."""
        before = picture.observed.status
        status, notes, answered = planned.status, planned.notes, planned.answered
        if outcome.traffic_failed and not _goes_back(status):
            # The plan's status would claim a switch that did not happen, and its bake would run without traffic.
            # A decision to go back is kept, whatever comes: the next reconcile then needs no evidence for it again.
            status, notes, answered = before, (), ()
        status, done = self._with_removals(key, picture, status, outcome)
        # What was done to pods is done, also when the status cannot be written now.
        await self._tell(picture, done)
        status, notes = self._with_problems(picture, status, notes, outcome.problems)
        written = await write_status(self._client, picture, status)
        self._metrics.status_changed(key, before, status)
        written |= await write_decisions(self._client, picture, (*status.decisions, *answered)) > 0
        written |= await refuse_malformed(self._client, picture, self._now()) > 0
        await self._tell(picture, notes)
        return written or outcome.written > 0

    async def _tell(self, picture: Picture, notes: tuple[Note, ...]) -> None:
        for note in notes:
            log.log(logging.WARNING if note.type == "Warning" else logging.INFO, "%s: %s", note.reason, note.message)
        await self._recorder.record(picture.parent, notes)

    def _with_removals(
        self, key: Key, picture: Picture, status: ModelDeploymentStatus, outcome: Outcome
    ) -> tuple[ModelDeploymentStatus, tuple[Note, ...]]:
        """With what was done about stuck pods, and what the API server said when it refused to (told once)."""
        notes: list[Note] = []
        window = parse_duration(picture.observed.spec.cleanup.window)
        for action in outcome.removed:
            entry = removed(action, self._now())
            status = record(status, entry, window)
            self._ledger.add(key, picture.observed.owner.uid, entry)
            self._metrics.stuck(action.kind, action.remedy)
            message = f"Pod {action.pod} was {DONE[action.remedy]}. {action.message}"
            notes.append(Note("Normal", "StuckPodRemoved", message[:1024]))
        known = {(entry.pod, entry.held) for entry in picture.observed.status.stuck}
        for action, refusal in outcome.refused:
            status = refuse(status, action, _advice(refusal))
            self._metrics.stuck(action.kind, "Refuse")
            if (action.pod, _advice(refusal)) not in known:
                message = f"Pod {action.pod} could not be {DONE[action.remedy]}: {_advice(refusal)}"
                notes.append(Note("Warning", "StuckPodNotRemoved", message[:1024]))
        return status, tuple(notes)

    def _with_problems(
        self, picture: Picture, status: ModelDeploymentStatus, notes: tuple[Note, ...], problems: list[ApiError]
    ) -> tuple[ModelDeploymentStatus, tuple[Note, ...]]:
        """With the first refusal that a person has to do something about. What may pass by itself is only retried."""
        told = [problem for problem in problems if isinstance(problem, (Invalid, Forbidden, NotOurs))]
        if not told:
            return status, notes
        reason, message = told[0].reason, _advice(told[0])
        generation, serves = picture.observed.generation, status.active is not None
        conditions = stalled(status.conditions, reason, message, generation, self._now(), ready=serves)
        return status.model_copy(update={"conditions": conditions}), (*notes, Note("Warning", reason, message))

    async def _complain(self, fault: Malformed) -> Result:
        """Say on the object itself what is wrong with it, and leave everything of it as it is."""
        log.warning("%s: %s", fault.reason, fault)
        await self._recorder.record(fault.parent, [Note("Warning", fault.reason, str(fault)[:1024])])
        generation = views.metadata(fault.parent).get("generation", 0)
        conditions = stalled(
            raw_conditions(fault.parent), fault.reason, str(fault), generation, self._now(), ready=False
        )
        try:
            await write_conditions(self._client, fault.parent, conditions)
        except Invalid as error:
            # The API server will not take a status for an object that its present schema refuses. The Event stands.
            log.warning("its condition could not be written: %s", error)
        except NotFound:
            return Result()
        return Result()


def _requeue(planned: Plan, written: bool) -> float | None:
    """Seconds, or None. What was changed is looked at once more: that look finds nothing to do, or goes on."""
    if planned.requeue_after is not None:
        return planned.requeue_after.total_seconds()
    return LOOK_AGAIN if written else None


def _goes_back(status: ModelDeploymentStatus) -> bool:
    return status.rollout is not None and status.rollout.stage == "RollingBack"


def _revision(status: ModelDeploymentStatus) -> dict[str, str]:
    ref = status.rollout or status.active
    return {"revision": ref.revision} if ref is not None else {}


def _label(result: Result) -> str:
    if result.failure is not None:
        return "requeue" if isinstance(result.failure, Conflict) else "error"
    return "success" if result.requeue_after is None else "requeue_after"


_ADVICE = {
    "QuotaExceeded": "Raise the namespace's quota or free some of it.",
    "Forbidden": "Give the operator's ClusterRole this right (upgrade its chart), or look at the admission policies.",
    "Invalid": "Correct the part of the spec that it names.",
}


def _advice(problem: ApiError) -> str:
    return f"{problem}. {_ADVICE.get(problem.reason, '')}".strip()[:1024]
