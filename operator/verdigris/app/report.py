"""What a look came to, told: status, decisions, Events, log, metrics. It decides nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.observe import Picture
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.reading.understand import Malformed
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.errors import ApiError, Invalid, NotFound
from verdigris.adapters.kube.writing.apply import Outcome
from verdigris.adapters.kube.writing.events import Recorder
from verdigris.adapters.kube.writing.status import (
    raw_conditions,
    refuse_malformed,
    stalled,
    write_conditions,
    write_decisions,
    write_progress,
    write_status,
)
from verdigris.api.schema.fields import parse_duration
from verdigris.api.schema.reading import read
from verdigris.api.status import ModelDeploymentStatus
from verdigris.app.ledger import Ledger
from verdigris.app.metrics import Metrics
from verdigris.app.problems import advice, refused_answers, refused_status, with_problems
from verdigris.app.unwritten import Unwritten
from verdigris.core.actions import Note, Plan
from verdigris.core.facts.observed import Observed
from verdigris.core.pods.remedies.cleanup import record, refuse, removed
from verdigris.core.pods.remedies.gates import DONE

Raw = Mapping[str, Any]
Saw = Callable[[Key, str, ModelDeploymentStatus], None]

log = logging.getLogger(__name__)


class Reporter:
    """Tells of looks at all models. `ledger` and `unwritten` are what later looks go on from."""

    def __init__(
        self,
        *,
        client: Client,
        recorder: Recorder,
        metrics: Metrics,
        ledger: Ledger,
        unwritten: Unwritten,
        now: Callable[[], datetime],
        saw: Saw | None = None,
    ) -> None:
        """`saw` is told each status that stands in the cluster, with the model's UID."""
        self._client = client
        self._recorder = recorder
        self._metrics = metrics
        self._ledger = ledger
        self._unwritten = unwritten
        self._now = now
        self._saw = saw
        self._unmarked: dict[Key, set[str]] = {}

    async def report(
        self, key: Key, picture: Picture, observed: Observed, planned: Plan, outcome: Outcome
    ) -> tuple[Raw | None, bool]:
        """Status, decisions, Events. Returns the ModelDeployment if its status was written, and whether anything was.

        `picture` is as it stands in the cluster, `observed` what was planned from. Raises ApiError when the status
        could not be written.
        """
        before = picture.observed.status
        status, notes, answered = planned.status, planned.notes, planned.answered
        status, done = self._with_removals(key, observed, status, outcome)
        # What was done to pods is done, also when the status cannot be written now.
        await self._tell(picture, done)
        status, told = with_problems(before, status, outcome.problems, observed.generation, self._now())
        notes = (*notes, *told)
        written = await self._write_status(key, picture, status, notes)
        self._metrics.seen(key, observed)
        self._note_status(key, picture, written)
        self._metrics.status_changed(key, before, status)
        answers = await write_decisions(self._client, picture, (*status.decisions, *answered))
        malformed = await refuse_malformed(self._client, picture, self._now())
        await self._tell(picture, (*notes, *self._not_marked(key, {**answers.refused, **malformed.refused})))
        return written, written is not None or answers.written + malformed.written > 0 or outcome.written > 0

    def _not_marked(self, key: Key, refused: Mapping[str, ApiError]) -> tuple[Note, ...]:
        """Told once by each process: it is tried again at every look."""
        if not refused:
            self._unmarked.pop(key, None)
            return ()
        told = self._unmarked.setdefault(key, set())
        new = {name: error for name, error in refused.items() if name not in told}
        told |= new.keys()
        return refused_answers(new)

    async def report_progress(self, key: Key, picture: Picture, status: ModelDeploymentStatus) -> Raw | None:
        """A status that only tells, against the very object that it goes on from. Raises Conflict, NotFound, Invalid.

        Returns the ModelDeployment if its status was written.
        """
        written = await write_progress(self._client, picture, status)
        self._metrics.seen(key, picture.observed)
        self._note_status(key, picture, written)
        self._metrics.status_changed(key, picture.observed.status, status)
        return written

    async def _write_status(
        self, key: Key, picture: Picture, status: ModelDeploymentStatus, notes: tuple[Note, ...]
    ) -> Raw | None:
        try:
            written = await write_status(self._client, picture, status, self._now())
        except NotFound:
            raise
        except ApiError as error:
            await self._recorder.record(picture.parent, refused_status(error))
            if self._unwritten.keep(key, picture.observed, status):
                log.warning("the clients are taken back, but the status that says so cannot be written: %s", error)
                # The next look goes on from here, and has nothing of this to tell any more.
                await self._tell(picture, notes)
            raise
        self._unwritten.forget(key)
        return written

    def _note_status(self, key: Key, picture: Picture, written: Raw | None) -> None:
        """What stands in the cluster, which may be less than what was wished: some of it may have been refused."""
        if self._saw is None:
            return
        stands = picture.observed.status
        if written is not None:
            try:
                stands = read(ModelDeploymentStatus, written.get("status") or {}).value
            except ValidationError:
                # Somebody has changed it on the way. The next look says what it stands for.
                return
        self._saw(key, picture.observed.owner.uid, stands)

    async def _tell(self, picture: Picture, notes: tuple[Note, ...]) -> None:
        for note in notes:
            log.log(logging.WARNING if note.type == "Warning" else logging.INFO, "%s: %s", note.reason, note.message)
        await self._recorder.record(picture.parent, notes)

    def _with_removals(
        self, key: Key, observed: Observed, status: ModelDeploymentStatus, outcome: Outcome
    ) -> tuple[ModelDeploymentStatus, tuple[Note, ...]]:
        """With what was done about stuck pods, and what the API server said when it refused to (told once)."""
        notes: list[Note] = []
        window = parse_duration(observed.spec.cleanup.window)
        for action in outcome.removed:
            entry = removed(action, self._now())
            status = record(status, entry, window)
            self._ledger.add(key, observed.owner.uid, entry)
            self._metrics.stuck(action.kind, action.remedy)
            message = f"Pod {action.pod} was {DONE[action.remedy]}. {action.message}"
            notes.append(Note("Normal", "StuckPodRemoved", message[:1024]))
        known = {(entry.pod, entry.held) for entry in observed.status.stuck}
        for action, refusal in outcome.refused:
            status = refuse(status, action, advice(refusal))
            self._metrics.stuck(action.kind, "Refuse")
            if (action.pod, advice(refusal)) not in known:
                message = f"Pod {action.pod} could not be {DONE[action.remedy]}: {advice(refusal)}"
                notes.append(Note("Warning", "StuckPodNotRemoved", message[:1024]))
        return status, tuple(notes)

    async def report_malformed(self, fault: Malformed) -> None:
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
            return
