"""Telling the registry who serves: beside the looks, only what differs, and taken away of who is gone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.fake_fields import json_copy
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from tests.runtime.tagging import REFUSED, TAG, FakeTags, asks, led_anew, serving
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, Unreachable
from verdigris.app.aliases import NONE_CONFIGURED
from verdigris.app.tags import LAST_TRIES, RETRY
from verdigris.core.facts.served import Edit


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
    first.tags.held["diabetes", TAG]["7"] = "1.2.0 since then: its process ended before it took this away"
    second = led_anew(first)
    await second.look(3)
    assert second.tags.written == [*before, ("diabetes", Edit("7", None))]
    await second.desk.close()


async def test_another_leader_writes_no_status_when_nothing_has_changed() -> None:
    first = await serving()
    await first.desk.close()
    second = led_anew(first)
    await second.look(4)
    assert second.stage.condition("Reported") == ("True", "Reported")
    assert (second.tags.asked, second.stage.api.writes) == (2, [])
    await second.desk.close()


@pytest.mark.parametrize("error", [Forbidden("may not list controllerrevisions"), Unreachable("slow")])
async def test_a_snapshot_that_cannot_be_read_untags_nobody(error: ApiError) -> None:
    scene = await serving()
    raw = scene.stage.api.at("ModelDeployment", *KEY)
    # With a version to go back to, a look goes on without what it cannot read.
    raw["status"]["warm"] = {
        "version": "0.9.0",
        "revision": "v1-0000000000",
        "color": "green",
        "until": "2026-11-23T11:00:00Z",
        "left": "2026-11-23T10:00:00Z",
        "replicas": 1,
    }
    scene.stage.api.put(raw)
    scene.stage.memory.forget(KEY)
    scene.stage.api.fault = lambda verb, kind, _: error if (verb, kind) == ("list", "ControllerRevision") else None
    await scene.look(3)
    assert (scene.tags.numbers(), len(scene.tags.written)) == (["1"], 1)
    assert scene.stage.condition("Reported") == ("True", "Reported")
    await scene.desk.close()


async def test_a_spec_that_cannot_be_read_untags_nobody() -> None:
    scene = await serving()
    raw = scene.stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"]["follow"]["report"] = "by a word of a later operator"
    scene.stage.api.put(raw)
    await scene.look(3)
    assert (scene.tags.numbers(), len(scene.tags.written)) == (["1"], 1)
    assert scene.stage.condition("Reported") == ("True", "Reported")
    await scene.desk.close()


async def test_a_status_that_was_lost_untags_nobody() -> None:
    scene = await serving()
    raw = scene.stage.api.at("ModelDeployment", *KEY)
    del raw["status"]
    scene.stage.api.put(raw)
    await scene.look(1)
    assert (scene.tags.numbers(), len(scene.tags.written)) == (["1"], 1)
    await scene.look(3)
    assert scene.tags.numbers() == ["1"]
    await scene.desk.close()


async def test_another_object_of_the_name_that_serves_nobody_yet_loses_the_tag_of_the_first() -> None:
    scene = await serving()
    raw = json_copy(scene.stage.api.at("ModelDeployment", *KEY))
    del raw["status"]
    raw["metadata"]["uid"] = "another"
    scene.stage.api.objects.clear()
    scene.stage.api.put(raw)
    await scene.look(3)
    assert scene.tags.numbers() == []
    scene.tags.held["diabetes", TAG] = {"9": "by hand"}
    await scene.end_pauses(2)
    assert scene.tags.numbers() == ["9"], "nobody tells any more"
    await scene.desk.close()


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


async def test_all_registered_models_before_lose_the_tag_once_the_registry_is_back() -> None:
    scene = await serving()
    scene.tags.refuses = REFUSED
    for uri in ("models:/risk/4", "models:/third/4"):
        asks(scene.stage, uri=uri)
        await scene.look(3)
    scene.tags.refuses = None
    await scene.end_pauses(2)
    assert scene.tags.numbers() == []
    await scene.desk.close()


async def test_a_registered_model_before_loses_the_tag_although_another_leader_finds_the_new_spec() -> None:
    scene = await serving()
    await scene.desk.close()
    asks(scene.stage, uri="models:/risk/4")
    second = led_anew(scene)
    await second.look(3)
    assert second.tags.numbers() == []
    await second.desk.close()


async def test_what_a_registered_model_before_refuses_is_told_and_tried_again_soon() -> None:
    scene = await serving()
    asks(scene.stage, uri="models:/risk/4")
    scene.tags.hides = "diabetes"
    await scene.look(3)
    assert scene.stage.condition("Reported") == ("False", "RegistryRefused")
    assert "a version of models:/diabetes may have it still" in scene.stage.message("Reported")
    assert scene.pauses.waits[-1] == RETRY
    scene.tags.hides = ""
    await scene.end_pauses(2)
    assert scene.tags.numbers() == []
    assert scene.stage.condition("Reported") == ("False", "NumberUnknown")
    await scene.desk.close()


async def test_the_end_of_telling_waits_for_the_registered_model_before_and_says_what_may_stay(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = await serving()
    asks(scene.stage, uri="models:/risk/4")
    scene.tags.hides = "diabetes"
    await scene.look(3)
    asks(scene.stage, report=False, uri="models:/risk/4")
    await scene.look()
    await scene.end_pauses(LAST_TRIES)
    assert f"the tag {TAG} may stay at versions of models:/diabetes" in caplog.text
    asked = scene.tags.asked
    await scene.end_pauses(2)
    assert scene.tags.asked == asked, "the tries are over"


async def test_a_leader_that_stops_before_the_last_try_says_what_may_stay(caplog: pytest.LogCaptureFixture) -> None:
    scene = await serving()
    await led_anew(scene).desk.close()
    assert not caplog.records, "who serves keeps the tag"
    scene.tags.refuses = REFUSED
    scene.stage.api.objects.pop(("ModelDeployment", *KEY))
    await scene.look()
    await scene.desk.close()
    assert f"the tag {TAG} may stay at versions of models:/diabetes: this operator stops telling" in caplog.text


async def test_a_shorter_time_counts_at_once() -> None:
    scene = await serving()
    raw = scene.stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"]["follow"]["every"] = "10s"
    scene.stage.api.put(raw)
    await scene.look()
    assert scene.pauses.waits == [300.0, 10.0]
    await scene.desk.close()


async def test_who_undoes_the_tag_again_and_again_is_told_of() -> None:
    """As the same namespace and name in another cluster does, when neither has a name."""
    scene = await serving()
    seen = []
    for undone in (True, True, True, False):
        if undone:
            scene.tags.held["diabetes", TAG] = {"2": "1.1.0 since then"}
        await scene.pauses.end()
        await scene.look(1)
        seen.append(scene.stage.condition("Reported")[1])
        assert scene.tags.numbers() == ["1"]
        if seen[-1] == "TagDisputed":
            assert "set registry.cluster" in scene.stage.message("Reported")
    assert seen == ["Reported", "TagDisputed", "TagDisputed", "Reported"]
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
    if report:
        assert stage.message("Reported") == NONE_CONFIGURED.problem.message, "nothing is tried again"
