"""One reconcile: observe, judge, plan, apply, status. Level-triggered: it never asks why it was called.

What was read lately may say that there is nothing to do. Whatever is done is done of live reads.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from verdigris.adapters.kube.reading.admission import Guard
from verdigris.adapters.kube.reading.gates import jobs_of_gates, look_at_gates
from verdigris.adapters.kube.reading.memory import LiveReads, Memory, Remembered, Unremembered
from verdigris.adapters.kube.reading.observe import Picture, observe
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.reading.source import look_at_source
from verdigris.adapters.kube.reading.survey import Surveyor, goes_further
from verdigris.adapters.kube.reading.understand import Malformed
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, Invalid, NamespaceTerminating, NotFound
from verdigris.adapters.kube.writing.apply import Outcome, apply
from verdigris.adapters.kube.writing.events import Recorder
from verdigris.adapters.kube.writing.restores import RestoreBackoff
from verdigris.adapters.prometheus.port import EvidenceSource, UsageSource
from verdigris.api.status import ModelDeploymentStatus
from verdigris.app import logs
from verdigris.app.aliases import AliasDesk
from verdigris.app.evidence import NOT_YET, PATIENCE
from verdigris.app.ledger import Ledger
from verdigris.app.metrics import Metrics
from verdigris.app.report import Reporter, Saw
from verdigris.app.tags import TagDesk
from verdigris.app.unwritten import Unwritten
from verdigris.app.usage import UsageSchedule
from verdigris.app.writes import Writes
from verdigris.children.names import Defaults
from verdigris.core.actions import Plan
from verdigris.core.engine.plan import plan, question
from verdigris.core.facts.evidence import NOT_ASKED, Evidence, Question
from verdigris.core.facts.observed import LastLook, Observed
from verdigris.core.facts.source import asked_source
from verdigris.core.facts.telling import only_tells
from verdigris.core.facts.urgency import Urgency, urgency_of
from verdigris.core.judges.crashes import server_ends

log = logging.getLogger(__name__)

LOOK_AGAIN = 0.25
"""Seconds after which a reconcile that changed something, and has no time of its own to come back, looks once more."""


@dataclass(frozen=True)
class Result:
    """What the queue is to do. `requeue_after` in seconds; None: nothing but events and the resync.

    `failure` is set when the reconcile could not be finished: come back after the backoff, but not later than
    `requeue_after`. With `paced` what failed has a backoff of its own, which `requeue_after` allows for already.
    `urgency` None: as urgent as before.
    """

    requeue_after: float | None = None
    failure: ApiError | None = None
    paced: bool = False
    urgency: Urgency | None = Urgency.STEADY


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
        memory: Memory,
        surveyor: Surveyor,
        guard: Guard,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
        grace: timedelta = timedelta(),
        aliases: AliasDesk | None = None,
        tags: TagDesk | None = None,
        on_gone: Callable[[Key], None] = lambda _: None,
        saw: Saw | None = None,
    ) -> None:
        self._client = client
        self._evidence = evidence
        self._usage = UsageSchedule(usage)
        self._metrics = metrics
        self._defaults = defaults
        self._memory = memory
        self._surveyor = surveyor
        self._guard = guard
        self._now = now
        self._ledger = Ledger()
        self._unwritten = Unwritten()
        self._reporter = Reporter(
            client=client,
            recorder=recorder,
            metrics=metrics,
            ledger=self._ledger,
            unwritten=self._unwritten,
            now=now,
            saw=saw,
        )
        self._restores: dict[Key, RestoreBackoff] = {}
        self._writes = Writes(client, lambda: now().timestamp(), chance)
        self._intervals: dict[Key, float] = {}
        self._unjudged: dict[Key, str] = {}
        self._last_looks: dict[Key, LastLook] = {}
        self._grace = grace
        self._aliases = aliases or AliasDesk(None, lambda _: None)
        self._tags = tags or TagDesk(None, lambda _: None)
        self._on_gone = on_gone

    async def close(self) -> None:
        """End the writes that are still on their way."""
        await self._writes.close()

    async def reconcile(self, key: Key) -> Result:
        """Never raises for what the API server or a person did wrong; a bug in the code does come out."""
        started = time.monotonic()
        token = logs.context.set({"key": str(key)})
        try:
            result = await self._attempt(key)
        except ApiError as error:
            result = Result(failure=error, requeue_after=self._intervals.get(key), urgency=None)
        except BaseException:
            self._metrics.reconciled("error", time.monotonic() - started)
            raise
        finally:
            logs.context.reset(token)
        self._metrics.reconciled(_label(result), time.monotonic() - started)
        return result

    async def _attempt(self, key: Key) -> Result:
        desk = _OneAnswer(self._evidence)
        known = self._memory.recall(key)
        if known is not None and (result := await self._look_back(key, known, desk)) is not None:
            self._metrics.looked("memory")
            return result
        self._metrics.looked("live")
        return await self._look(key, self._memory.look(key), desk)

    async def _look_back(self, key: Key, known: Remembered, desk: _OneAnswer) -> Result | None:
        """A look at what was read lately. None, and nothing done: there is, or may be, something to do but telling."""
        now = self._now()
        try:
            picture = await observe(known, key, self._defaults, now)
        except (Unremembered, Malformed):
            return None
        if picture is None:
            return None
        observed = replace(picture.observed, seen_at=known.seen_at)
        # Jobs of gates, and other environments, are not watched, so what was read of them says nothing.
        unwatched = bool(jobs_of_gates(observed.status)) or asked_source(observed.spec, observed.status) is not None
        further = goes_further(observed, now) or unwatched
        if picture.has_open_decisions or further or self._usage.is_due(observed, now):
            return None
        planned = await self._plan(key, observed, desk, use=False)
        if planned is None or not _only_tells(picture, planned, known):
            return None
        logs.context.set({"key": str(key), **_revision(planned.status)})
        try:
            written = await self._reporter.report_progress(key, picture, planned.status)
        except (Conflict, NotFound, Invalid):
            return None
        except ApiError:
            self._memory.forget(key)
            raise
        if written is not None:
            known.wrote(key, written)
        self._note_interval(key, planned)
        return Result(requeue_after=_requeue(planned, written is not None), urgency=urgency_of(planned.status))

    async def _look(self, key: Key, reads: LiveReads, desk: _OneAnswer) -> Result:
        seen_at = self._now()
        try:
            picture = await observe(reads, key, self._defaults, seen_at)
        except Malformed as fault:
            await self._reporter.report_malformed(fault)
            return Result()
        if picture is None:
            # Deleted: its children go with it, by their owner references.
            return self._gone(key)
        picture = await look_at_source(self._client, await look_at_gates(reads, picture))
        known = replace(self._unwritten.fill_in(key, picture.observed), last_look=self._last_looks.get(key))
        observed = await self._guard.vouch(await self._surveyor.look_further(known, seen_at))
        planned = await self._plan(key, observed, desk)
        if planned is None:
            return Result(requeue_after=PATIENCE, urgency=None)
        logs.context.set({"key": str(key), **_revision(planned.status)})
        self._note_interval(key, planned)
        writer = self._writes.look(key)
        restores = self._restores.setdefault(key, RestoreBackoff(lambda: self._now().timestamp()))
        looked_at, uid = replace(picture, observed=observed), observed.owner.uid
        read_again = partial(self._client.get, kinds.MODEL_DEPLOYMENT, *key)
        outcome = await apply(
            writer,
            looked_at,
            planned.actions,
            restores,
            has_ended=lambda: uid in reads.ended,
            read_again=read_again,
        )
        outcome.problems.extend(picture.unseen.values())
        try:
            parent, written = await self._reporter.report(key, picture, observed, planned, outcome)
        except NotFound:
            # Deleted since it was read.
            return self._gone(key)
        # Only what is in the status is known: what a look saw that could not write it is seen anew.
        self._last_looks[key] = LastLook(seen_at, {pod.uid: server_ends(pod) for pod in observed.pods})
        # What stands in the way may be nobody's whom we watch: it is looked at itself, until it is gone.
        if outcome == Outcome() and not (observed.taken or observed.scalers):
            kept = self._memory.keep(key, reads, seen_at, planned.actions)
            if kept is not None and parent is not None:
                kept.wrote(key, parent)
        return _result(planned, written, outcome, writer.waits)

    def _gone(self, key: Key) -> Result:
        self._metrics.gone(key)
        self._memory.forget(key)
        self._usage.forget(key)
        self._aliases.forget(key)
        self._tags.leave(key)
        self._writes.forget(key)
        self._unwritten.forget(key)
        self._intervals.pop(key, None)
        self._unjudged.pop(key, None)
        self._last_looks.pop(key, None)
        self._restores.pop(key, None)
        self._on_gone(key)
        return Result()

    def _note_interval(self, key: Key, planned: Plan) -> None:
        """How long a rollout's next look may be away, whatever fails until then."""
        if planned.status.rollout is not None and planned.requeue_after is not None:
            self._intervals[key] = planned.requeue_after.total_seconds()
        else:
            self._intervals.pop(key, None)

    async def _plan(self, key: Key, observed: Observed, desk: _OneAnswer, *, use: bool = True) -> Plan | None:
        """None when Prometheus has only just been asked what nobody knows yet: the answer brings the next look.

        With `use` it is also asked what the model uses, when that is due: such an answer is given once.
        """
        observed = replace(observed, registry=self._aliases.look(key, observed), told=self._tags.look(key, observed))
        asked = question(observed, self._now())
        evidence = NOT_ASKED if asked is None else await desk.gather(asked)
        if evidence is NOT_YET:
            return None
        if use:
            evidence = replace(evidence, usage=await self._usage.look(observed, self._now()))
        now = self._now()
        planned = self._planned(key, self._ledger.fill_in(key, observed, now), evidence, now)
        if asked is None or planned.requeue_after is None:
            return planned
        # The answer to the next question brings the next look; this one is for when it does not come.
        return replace(planned, requeue_after=planned.requeue_after + self._grace)

    def _planned(self, key: Key, observed: Observed, evidence: Evidence, now: datetime) -> Plan:
        """As `plan`. A bug in judging is a problem with the evidence: what is decided, and repair, go on."""
        try:
            planned = plan(observed, evidence, now)
        except Exception as bug:  # whatever it is: without a plan nobody could be taken back
            name = type(bug).__name__
            if self._unjudged.get(key) != name:
                log.exception("a bug in the operator: the evidence could not be judged. Please report it")
            self._unjudged[key] = name
            unjudged = f"The evidence could not be judged: a bug in the operator ({name}). Please report it."
            return plan(observed, Evidence(problem=unjudged, usage=evidence.usage), now)
        self._unjudged.pop(key, None)
        return planned


class _OneAnswer:
    """The evidence for one reconcile: what is asked twice in the same words is answered once."""

    def __init__(self, source: EvidenceSource) -> None:
        self._source = source
        self._asked: Question | None = None
        self._answer = NOT_ASKED

    async def gather(self, asked: Question) -> Evidence:
        """As `EvidenceSource.gather`."""
        if asked != self._asked:
            self._asked, self._answer = asked, await self._source.gather(asked)
        return self._answer


def _only_tells(picture: Picture, planned: Plan, known: Remembered) -> bool:
    """Whether carrying out the plan would write nothing but a status that only tells how things stand."""
    done = planned.actions == known.idle and not planned.notes and not planned.answered
    return done and only_tells(picture.observed.status, planned.status)


def _result(planned: Plan, written: bool, outcome: Outcome, waits: Mapping[ApiError, float]) -> Result:
    """When to look again, and why. What was refused beside the traffic has its own time and slows no rollout."""
    wait, urgency = _requeue(planned, written), urgency_of(planned.status)
    if not outcome.problems:
        return Result(requeue_after=wait, urgency=urgency)
    if not all(problem in waits for problem in outcome.problems):
        return Result(requeue_after=wait, failure=outcome.problems[0], urgency=urgency)
    again = min(waits.values())
    return Result(
        requeue_after=again if wait is None else min(wait, again),
        failure=outcome.problems[0],
        paced=True,
        urgency=urgency,
    )


def _requeue(planned: Plan, written: bool) -> float | None:
    """Seconds, or None. What was changed is looked at once more: that look finds nothing to do, or goes on."""
    if planned.requeue_after is not None:
        return planned.requeue_after.total_seconds()
    return LOOK_AGAIN if written else None


def _revision(status: ModelDeploymentStatus) -> dict[str, str]:
    ref = status.rollout or status.active
    return {"revision": ref.revision} if ref is not None else {}


def _label(result: Result) -> str:
    if result.failure is not None:
        # A namespace that is being deleted takes the model along: nothing has failed that anybody should be told of.
        return "requeue" if isinstance(result.failure, (Conflict, NamespaceTerminating)) else "error"
    return "success" if result.requeue_after is None else "requeue_after"
