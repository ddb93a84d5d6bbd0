"""Events: counted, not repeated; bounded; and never a reason to fail."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import parent
from tests.runtime.test_queue import Clock
from verdigris.adapters.kube.transport.errors import Unreachable
from verdigris.adapters.kube.writing.events import BURST, REFILL, REPEAT, Recorder
from verdigris.core.actions import Note

PARENT = parent()
NOTE = Note("Warning", "RolledBack", "10 of 20 requests failed.")


class Stage:
    """A recorder, its clock and the API it writes to."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.clock = Clock()
        self.recorder = self.restarted()

    def restarted(self) -> Recorder:
        self.recorder = Recorder(self.api, self.clock, lambda: datetime(2026, 11, 23, 10, tzinfo=UTC), "host")
        return self.recorder

    async def tell(self, *notes: Note) -> None:
        await self.recorder.record(PARENT, notes)

    @property
    def counts(self) -> dict[str, int]:
        return {raw["reason"]: raw["count"] for raw in self.api.objects.values()}


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_an_event_names_the_model_reason_and_message(stage: Stage) -> None:
    await stage.tell(NOTE)
    (event,) = stage.api.objects.values()
    assert event["involvedObject"]["uid"] == PARENT["metadata"]["uid"]
    assert (event["type"], event["reason"], event["message"]) == (NOTE.type, NOTE.reason, NOTE.message)


async def test_the_same_again_is_counted_and_written_at_most_once_a_minute(stage: Stage) -> None:
    for _ in range(5):
        await stage.tell(NOTE)
    assert len(stage.api.writes) == 1
    stage.clock.now += REPEAT
    await stage.tell(NOTE)
    assert stage.counts == {"RolledBack": 6}


async def test_another_message_is_another_event(stage: Stage) -> None:
    await stage.tell(NOTE, Note("Warning", "RolledBack", "5 of 20 requests failed."))
    assert len(stage.api.objects) == 2


async def test_a_new_leader_counts_on(stage: Stage) -> None:
    await stage.tell(NOTE)
    stage.restarted()
    await stage.tell(NOTE)
    assert stage.counts == {"RolledBack": 2}


async def test_a_flood_is_cut_off_and_trickles_on(stage: Stage) -> None:
    await stage.tell(*(Note("Normal", f"R{number}", "m") for number in range(BURST + 10)))
    assert len(stage.api.objects) == BURST
    stage.clock.now += REFILL
    await stage.tell(Note("Normal", "Later", "m"), Note("Normal", "Later still", "m"))
    assert len(stage.api.objects) == BURST + 1


async def test_an_event_that_cannot_be_written_fails_nothing_and_is_tried_with_the_next(stage: Stage) -> None:
    stage.api.fault = lambda *_: Unreachable("no answer")
    await stage.tell(NOTE, NOTE)
    stage.api.fault = lambda *_: None
    await stage.tell(NOTE)
    assert stage.counts == {"RolledBack": 1}
