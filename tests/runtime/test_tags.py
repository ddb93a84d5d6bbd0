"""Telling the registry who serves: beside the looks, only what differs, and taken away of who is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from tests.runtime.test_aliases import Pauses, settle
from verdigris.adapters.kube.reading.port import Key
from verdigris.api.status import Failure
from verdigris.app.tags import LAST_TRIES, RETRY, TagDesk
from verdigris.core.facts.served import Edit

TAG = "verdigris.serving.clinic.diabetes"
REFUSED = Failure(reason="RegistryRefused", message="The registry at x lets the operator change no tag (403).")


@dataclass
class FakeTags:
    """Versions of registered models with one tag, and what was written."""

    held: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    written: list[tuple[str, Edit]] = field(default_factory=list)
    refuses: Failure | None = None
    asked: int = 0

    async def tagged(self, model: str, tag: str) -> Mapping[str, str] | Failure:
        self.asked += 1
        return dict(self.held.get((model, tag), {}))

    async def edit(self, model: str, tag: str, edit: Edit) -> Failure | None:
        if self.refuses is not None:
            return self.refuses
        self.written.append((model, edit))
        held = self.held.setdefault((model, tag), {})
        held.pop(edit.number, None)
        if edit.value is not None:
            held[edit.number] = edit.value
        return None

    def numbers(self, model: str = "diabetes") -> list[str]:
        return sorted(self.held.get((model, TAG), {}))


def asks(stage: Stage, *, report: bool = True, uri: str = "models:/diabetes/1") -> None:
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"] |= {"uri": uri, "follow": {"alias": "champion", "every": "5m", "report": report}}
    stage.api.put(raw)


@dataclass
class Scene:
    """A model whose number 1 serves, and the desk that tells of it."""

    tags: FakeTags
    pauses: Pauses
    desk: TagDesk
    stage: Stage
    woken: list[Key]

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            await self.stage.reconcile()
            await settle()


async def serving(tags: FakeTags | None = None) -> Scene:
    tags, pauses, woken = tags or FakeTags(), Pauses(), list[Key]()
    desk = TagDesk(tags, woken.append, pause=pauses)
    stage = Stage(tags=desk)
    asks(stage)
    await settled(stage)
    scene = Scene(tags, pauses, desk, stage, woken)
    await scene.look(20)
    return scene


async def test_who_serves_has_the_tag_and_nothing_is_written_twice() -> None:
    scene = await serving()
    assert [(model, edit.number) for model, edit in scene.tags.written] == [("diabetes", "1")]
    assert scene.stage.condition("Reported") == ("True", "Reported")
    assert (scene.woken, scene.pauses.waits) == ([KEY], [300.0])
    await scene.pauses.end()
    assert (scene.tags.asked, len(scene.tags.written), scene.woken) == (2, 1, [KEY])
    await scene.desk.close()


async def test_another_process_that_tells_the_same_writes_nothing_and_what_was_left_is_put_right() -> None:
    first = await serving()
    await first.desk.close()
    before = list(first.tags.written)
    second = TagDesk(first.tags, lambda _: None, pause=Pauses())
    first.tags.held["diabetes", TAG]["7"] = "1.2.0 since then: its process ended before it took this away"
    stage, first.stage = first.stage, Stage(tags=second)
    first.stage.api.objects.update(stage.api.objects)
    await first.look(3)
    assert first.tags.written == [*before, ("diabetes", Edit("7", None))]
    await second.close()


async def test_a_registry_that_refuses_is_told_and_tried_again() -> None:
    scene = await serving(FakeTags(refuses=REFUSED))
    assert scene.stage.condition("Reported") == ("False", "RegistryRefused")
    assert scene.stage.message("Reported").startswith(REFUSED.message)
    assert scene.stage.condition("Ready") == ("True", "Active"), "nothing waits for it"
    assert scene.pauses.waits == [RETRY]
    scene.tags.refuses = None
    await scene.pauses.end()
    await scene.look()
    assert scene.tags.numbers() == ["1"]
    assert scene.stage.condition("Reported") == ("True", "Reported")
    await scene.desk.close()


async def test_who_asks_for_it_no_more_loses_the_tag() -> None:
    scene = await serving()
    asks(scene.stage, report=False)
    await scene.look()
    assert scene.tags.numbers() == []
    assert scene.stage.condition("Reported") == ("False", "NotReported")
    asks(scene.stage)
    await scene.look()
    assert scene.tags.numbers() == ["1"]
    await scene.desk.close()


async def test_who_is_deleted_loses_it_by_a_bounded_number_of_tries() -> None:
    scene = await serving()
    scene.tags.refuses = REFUSED
    scene.stage.api.objects.pop(("ModelDeployment", *KEY))
    await scene.look()
    for _ in range(LAST_TRIES + 2):
        await scene.pauses.end()
    assert scene.tags.asked == 1 + LAST_TRIES
    again = await serving()
    again.stage.api.objects.pop(("ModelDeployment", *KEY))
    await again.look()
    assert again.tags.numbers() == []
    await again.desk.close()


async def test_another_registered_model_takes_the_tag_from_the_one_before() -> None:
    scene = await serving()
    asks(scene.stage, uri="models:/risk/4")
    await scene.look(3)
    assert scene.tags.numbers() == [], "what is active is no version of risk"
    assert scene.stage.condition("Reported")[1] in ("NumberUnknown", "RegistryAsked")
    await scene.desk.close()


async def test_a_bug_in_telling_is_told_and_ends_no_look() -> None:
    class Broken(FakeTags):
        async def tagged(self, model: str, tag: str) -> Any:
            raise ZeroDivisionError(model, tag)

    scene = await serving(Broken())
    assert scene.stage.condition("Reported") == ("False", "RegistryUnreachable")
    assert "a bug in the operator (ZeroDivisionError)" in scene.stage.message("Reported")
    await scene.desk.close()


@pytest.mark.parametrize("report", [True, False])
async def test_without_a_registry_that_is_told(report: bool) -> None:
    stage = Stage()
    asks(stage, report=report)
    await settled(stage)
    await stage.reconcile(3)
    conditions = {one["type"]: one["reason"] for one in stage.api.at("ModelDeployment", *KEY)["status"]["conditions"]}
    assert conditions.get("Reported") == ("RegistryUnknown" if report else None)
