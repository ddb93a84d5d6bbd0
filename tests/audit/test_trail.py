"""The running operator's trail: nothing waits for it, and nothing is lost while the log is away."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.audit.logs import NOW, SIGNER
from tests.rollout.parts import spec
from tests.rollout.small import over, until
from tests.rollout.world import World, serving
from verdigris.adapters.audit.folder import FolderError, read
from verdigris.adapters.audit.log import Log
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import NotFound, Unreachable
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.adapters.kube.writing.spool import Spool
from verdigris.api.status import ModelDeploymentStatus
from verdigris.app.audit import OpenLog, Trail
from verdigris.app.audit_notes import Event
from verdigris.app.statuses import Statuses
from verdigris.audit.check import Sound, check
from verdigris.audit.event import WHAT, read_line

KEY, UID = Key("clinic", "diabetes"), "uid-1"


class ConfigMaps:
    """An API server that has one ConfigMap, or is away."""

    def __init__(self) -> None:
        self.data: dict[str, str] = {}
        self.away = False

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        self._asked(resource, namespace, name)
        return {"data": dict(self.data)}

    async def patch(self, resource: Resource, namespace: str, name: str, body: Any) -> dict[str, Any]:
        self._asked(resource, namespace, name)
        for key, text in body["data"].items():
            self.data.pop(key, None)
            if text is not None:
                self.data[key] = text
        return {}

    def _asked(self, resource: Resource, namespace: str, name: str) -> None:
        if self.away:
            raise Unreachable("the API server cannot be reached")
        if (resource, namespace, name) != (kinds.CONFIG_MAP, "system", "spool"):
            raise NotFound(f"{namespace}/{name}")


class Volume:
    """Where the log is: a folder that can be taken away, or hang."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.away, self.left = folder, False, 0
        self.hangs = threading.Event()
        self.hangs.set()

    def open(self) -> OpenLog:
        self.hangs.wait()
        if self.away:
            raise FolderError("the volume is away")
        log = Log.open(self.folder, SIGNER, lambda: NOW)
        volume = self

        class Mounted:
            mended = log.mended
            size = property(lambda _: log.size)
            has = staticmethod(log.has)

            def close(self) -> None:
                volume.hangs.wait()
                log.close()
                volume.left += 1

            def append(self, events: Sequence[Event]) -> int:
                volume.hangs.wait()
                if volume.away:
                    raise OSError("the volume is away")
                return log.append(events)

        return Mounted()

    @property
    def told(self) -> list[tuple[str, str]]:
        """What the log says, entry by entry: what of which version."""
        copy = read(self.folder)
        assert isinstance(check(copy.lines, copy.checkpoints, SIGNER.verifier), Sound)
        events = [read_line(line) or {} for line in copy.lines]
        return [(WHAT[event["type"]], event["data"]["customData"].get("version", "")) for event in events]


class Gauges:
    def __init__(self) -> None:
        self.up: list[bool] = []
        self.entries: int | None = None
        self.spooled = self.lost = 0

    def log_is(self, *, up: bool, entries: int | None = None) -> None:
        self.up.append(up)
        self.entries = entries

    def waiting(self, spooled: int) -> None:
        self.spooled = spooled

    def dropped(self, count: int) -> None:
        self.lost += count


class Operator:
    """A trail, what it writes to, and the task that runs it."""

    def __init__(self, folder: Path, bound: int = 900_000, patience: float = 60.0) -> None:
        self.volume, self.maps, self.gauges = Volume(folder), ConfigMaps(), Gauges()
        self._bound, self._patience = bound, patience
        self.restarted("operator-1")

    def restarted(self, identity: str) -> None:
        """Another process leads."""
        self.models = Statuses()
        self.trail = Trail(
            statuses=self.models,
            opener=self.volume.open,
            spool=Spool(self.maps, "system", "spool", self._bound),
            told=self.gauges,
            identity=identity,
            version="1.2.3",
            now=lambda: datetime.now(UTC),
            patience=self._patience,
            retry=0.01,
        )
        self.models.follow(self.trail.notes)

    def __enter__(self) -> Operator:
        self.task = asyncio.create_task(self.trail.run())
        return self

    def __exit__(self, *_: object) -> None:
        self.task.cancel()

    async def when(self, holds: Any) -> None:
        """Wait until this is so. The tests' own time limit ends a wait for ever."""
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def promoted() -> World:
    """A world in which 1.1.0 was promoted after 1.0.0."""
    return until(serving().apply(spec("1.1.0")).run(1), over)


SERVED = [("operator", "1.2.3"), ("deployed", "1.0.0"), ("serves", "1.1.0")]


async def test_what_a_status_tells_is_in_the_log_once(tmp_path: Path, promoted: World) -> None:
    with Operator(tmp_path) as operator:
        for _ in range(3):
            operator.models.saw(KEY, UID, promoted.status)
        await operator.when(lambda: not operator.trail.notes.waiting)
        assert operator.volume.told == SERVED
        assert operator.trail.sentence is None
        assert operator.maps.data == {}


async def test_an_operator_that_comes_after_records_nothing_again(tmp_path: Path, promoted: World) -> None:
    operator = Operator(tmp_path)
    with operator:
        operator.models.saw(KEY, UID, promoted.status)
        await operator.when(lambda: not operator.trail.notes.waiting)
    await operator.trail.close(1.0)
    operator.restarted("operator-2")
    with operator:
        operator.models.saw(KEY, UID, promoted.status)
        await operator.when(lambda: not operator.trail.notes.waiting)
    assert operator.volume.told == [*SERVED, ("operator", "1.2.3")]


async def test_a_log_that_was_left_is_free_for_who_comes_next(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    with operator:
        await operator.when(lambda: operator.gauges.up[-1:] == [True])
    await operator.trail.close(60.0)
    assert operator.volume.left == 1
    # A volume that hangs ends the wait, too.
    operator.restarted("operator-2")
    with operator:
        await operator.when(lambda: operator.gauges.up[-2:] == [True, True])
    operator.volume.hangs.clear()
    await operator.trail.close(0.05)
    assert operator.volume.left == 1
    operator.volume.hangs.set()


async def test_while_the_log_is_away_the_spool_keeps_entries_and_they_come_in_order(
    tmp_path: Path, promoted: World
) -> None:
    operator = Operator(tmp_path)
    operator.volume.away = True
    with operator:
        operator.models.saw(KEY, UID, ModelDeploymentStatus())
        operator.models.saw(KEY, UID, promoted.status)
        await operator.when(lambda: operator.gauges.spooled == 3)
        assert "The audit log cannot be written: the volume is away." in (operator.trail.sentence or "")
    # The operator is replaced in the meantime: the spool is not its memory.
    operator.restarted("operator-2")
    operator.volume.away = False
    with operator:
        await operator.when(lambda: operator.gauges.up[-1] and not operator.maps.data)
    assert operator.volume.told == [*SERVED, ("operator", "1.2.3")]


async def test_a_volume_that_hangs_holds_nothing_and_nothing_is_written_twice(tmp_path: Path, promoted: World) -> None:
    operator = Operator(tmp_path, patience=0.3)
    with operator:
        await operator.when(lambda: operator.gauges.up[-1:] == [True] and not operator.maps.data)
        operator.volume.hangs.clear()
        operator.models.saw(KEY, UID, promoted.status)
        await operator.when(lambda: operator.gauges.spooled == 2)
        assert "has not ended" in (operator.trail.sentence or "")
        operator.volume.hangs.set()
        await operator.when(lambda: not operator.maps.data and operator.trail.sentence is None)
    assert operator.volume.told == SERVED


async def test_without_log_and_api_server_entries_wait_in_memory(tmp_path: Path, promoted: World) -> None:
    operator = Operator(tmp_path)
    operator.volume.away = operator.maps.away = True
    with operator:
        operator.models.saw(KEY, UID, promoted.status)
        await operator.when(lambda: len(operator.gauges.up) > 2)
        assert operator.maps.data == {}
        operator.volume.away = operator.maps.away = False
        await operator.when(lambda: not operator.trail.notes.waiting and operator.trail.sentence is None)
    assert operator.volume.told == SERVED


async def test_a_full_spool_is_told_and_what_the_status_still_tells_is_recorded_later(
    tmp_path: Path, promoted: World
) -> None:
    operator = Operator(tmp_path, bound=1_200)
    operator.volume.away = True
    with operator:
        operator.models.saw(KEY, UID, ModelDeploymentStatus())
        operator.models.saw(KEY, UID, promoted.status)
        await operator.when(lambda: "The spool is full" in (operator.trail.sentence or ""))
        assert operator.gauges.lost == 2
        operator.volume.away = False
        await operator.when(lambda: not operator.trail.notes.waiting and operator.trail.sentence is None)
    assert operator.volume.told[0] == SERVED[0]
    assert sorted(operator.volume.told) == sorted([*SERVED, ("gap", "")])


async def test_a_start_with_more_to_tell_than_there_is_room_for_loses_nothing_and_tells_no_gap(
    tmp_path: Path, promoted: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of models are seen before a log is open: what their statuses go on telling need not wait in memory."""
    monkeypatch.setattr("verdigris.app.audit_notes.WAITING", 20)
    keys = [Key("clinic", f"model-{number}") for number in range(40)]
    operator = Operator(tmp_path)
    for identity in ("operator-1", "operator-2"):
        operator.restarted(identity)
        operator.volume.hangs.clear()
        with operator:
            for key in keys:
                operator.models.saw(key, f"uid-{key.name}", promoted.status)
            operator.models.saw(keys[0], f"uid-{keys[0].name}", promoted.status.model_copy(update={"history": ()}))
            operator.models.gone(keys[0])
            operator.volume.hangs.set()
            await operator.when(lambda: operator.gauges.up and not operator.trail.notes.waiting)
        await operator.trail.close(10.0)
    assert operator.gauges.lost == 0
    told = Counter(operator.volume.told)
    assert told == {
        ("operator", "1.2.3"): 2,
        ("deployed", "1.0.0"): 40,
        ("serves", "1.1.0"): 40,
        ("removed", "1.1.0"): 1,
    }


async def test_a_model_that_is_deleted_is_recorded_with_what_it_served(tmp_path: Path, promoted: World) -> None:
    with Operator(tmp_path) as operator:
        operator.models.saw(KEY, UID, promoted.status)
        operator.models.gone(KEY)
        operator.models.gone(KEY)
        await operator.when(lambda: not operator.trail.notes.waiting)
        assert operator.volume.told == [*SERVED, ("removed", "1.1.0")]


async def test_a_model_of_the_same_name_is_another_one(tmp_path: Path, promoted: World) -> None:
    with Operator(tmp_path) as operator:
        operator.models.saw(KEY, UID, promoted.status)
        operator.models.saw(KEY, "uid-2", promoted.status)
        await operator.when(lambda: not operator.trail.notes.waiting)
        assert operator.volume.told == [*SERVED, ("removed", "1.1.0"), *SERVED[1:]], "the first one was deleted"


async def test_an_entry_that_json_cannot_spell_keeps_no_other_from_being_written(
    tmp_path: Path, promoted: World, caplog: pytest.LogCaptureFixture
) -> None:
    last = promoted.status.history[-1].model_copy(update={"reason": "half a character: \ud800"})
    odd = promoted.status.model_copy(update={"history": (*promoted.status.history[:-1], last)})
    with Operator(tmp_path) as operator:
        operator.models.saw(KEY, UID, odd)
        await operator.when(lambda: operator.gauges.up and not operator.trail.notes.waiting)
    assert operator.volume.told == SERVED[:2]
    assert "is not recorded" in caplog.text


async def test_a_spool_that_cannot_be_emptied_is_emptied_later(tmp_path: Path, promoted: World) -> None:
    operator = Operator(tmp_path)
    operator.volume.away = True
    with operator:
        operator.models.saw(KEY, UID, ModelDeploymentStatus())
        operator.models.saw(KEY, UID, promoted.status)
        await operator.when(lambda: operator.gauges.spooled == 3)
        operator.maps.away, operator.volume.away = True, False
        await operator.when(lambda: operator.gauges.up[-1])
        operator.maps.away = False
        await operator.when(lambda: not operator.maps.data)
    assert operator.volume.told == SERVED


async def test_what_is_noted_last_is_written_as_the_operator_ends(tmp_path: Path, promoted: World) -> None:
    operator = Operator(tmp_path)
    operator.models.saw(KEY, UID, promoted.status)
    await operator.trail.close(10.0)
    assert operator.volume.told == SERVED


async def test_what_is_no_entry_is_left_in_the_spool_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    operator = Operator(tmp_path)
    operator.maps.data["note"] = "do not look here"
    with operator:
        await operator.when(lambda: operator.gauges.up == [True])
    assert operator.maps.data == {"note": "do not look here"}
    assert "1 keys of the spool are no entries" in caplog.text
