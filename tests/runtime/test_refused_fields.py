"""The API server refuses one field of the status for ever: what decides is kept, and what was left out is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.runtime.baking import Sees, bakes, looks, selected
from tests.runtime.fake_api import merge_patch
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage
from verdigris.adapters.kube.transport.errors import from_answer
from verdigris.adapters.kube.writing.accepted import DECIDES
from verdigris.api.status import ModelDeploymentStatus
from verdigris.app.unwritten import Unwritten

Json = dict[str, Any]
Schema = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[str]]
"""Called with the status as it stands and as it would stand: the paths of what is refused."""

FIELDS = {field.alias or name: name for name, field in ModelDeploymentStatus.model_fields.items()}
BAKE = 10
"""Seconds."""
DECIDING = {alias for alias, name in FIELDS.items() if name in DECIDES}


class Refusing:
    """An API server whose CRD takes less than this operator writes; `refused` counts the writes that it refused."""

    def __init__(self, stage: Stage, schema: Schema) -> None:
        self.stage, self.schema = stage, schema
        self.refused: list[list[str]] = []
        self.written = 0
        patch = stage.api.patch

        async def validating(*args: Any, **options: Any) -> Any:
            if args[0].kind == "ModelDeployment" and options.get("subresource") == "status":
                before = status_of(stage)
                found = list(schema(before, merge_patch(before, args[3]["status"])))
                if found:
                    self.refused.append(found)
                    causes = [{"reason": "FieldValueInvalid", "message": "no", "field": field} for field in found]
                    body = {"kind": "Status", "message": f"invalid: {found}", "details": {"causes": causes}}
                    raise from_answer("writing ModelDeployment (status)", 422, body, None)
                self.written += 1
            return await patch(*args, **options)

        stage.api.patch = validating  # type: ignore[method-assign]

    def restart(self) -> None:
        """What only the operator's memory has is gone."""
        self.stage.reconciler._unwritten = Unwritten()


async def bakes_shortly(stage: Stage) -> Sees:
    """The second version has the clients, for no longer than `BAKE`."""
    stage.api.at("ModelDeployment", *KEY)["spec"]["rollout"] = {"bake": f"{BAKE}s"}
    return await bakes(stage)


async def baking() -> Stage:
    stage = Stage()
    await bakes_shortly(stage)
    return stage


def status_of(stage: Stage) -> Json:
    status: Json = stage.api.at("ModelDeployment", *KEY).get("status") or {}
    return status


def changed(field: str) -> Schema:
    """As an API server does that lets alone what was stored before its CRD changed."""

    def schema(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
        if after.get(field) and after.get(field) != before.get(field):
            yield f"status.{field}"

    return schema


def present(field: str) -> Schema:
    """As an older API server does: what is stored is held against the CRD of now, too."""

    def schema(_: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
        if after.get(field):
            yield f"status.{field}"

    return schema


def told(stage: Stage) -> list[str]:
    """Every sentence about it: of the condition, and of Events."""
    conditions = status_of(stage).get("conditions") or []
    found = [c["message"] for c in conditions if (c["type"], c["status"]) == ("StatusWritten", "False")]
    events = (raw for (kind, _, _), raw in stage.api.objects.items() if kind == "Event")
    return [*found, *(raw["message"] for raw in events if raw["reason"] == "StatusRefused")]


def revision_of_second(stage: Stage) -> str:
    raw = stage.api.at("Deployment", KEY.namespace, "diabetes-green")
    return str(raw["spec"]["template"]["metadata"]["labels"]["verdigris.dev/revision"])


STORED = ("active", "rollout", "conditions", "traffic", "target", "service", "history")


@pytest.mark.parametrize(
    ("field", "schema"), [*((field, changed) for field in FIELDS), *((field, present) for field in STORED)]
)
async def test_a_rollback_is_kept_and_what_was_left_out_of_it_is_told_once(
    field: str, schema: Callable[[str], Schema]
) -> None:
    stage = Stage()
    prometheus = await bakes_shortly(stage)
    second = revision_of_second(stage)
    refusing = Refusing(stage, schema(field))
    prometheus.failing = True
    await looks(stage, 5)
    assert selected(stage) == "blue", "law 1"
    prometheus.away = True
    await looks(stage, 20)
    blamed = bool(refusing.refused)
    if not (blamed and field in DECIDING):
        refusing.restart()
        status = status_of(stage)
        assert status["active"]["version"] == "1.0.0"
        assert [one["revision"] for one in status["rejected"]] == [second], "law 6"
        assert field == "history" or status["history"][-1]["outcome"] == "RolledBack"
    said, written = told(stage), refusing.written
    assert len(said) == blamed
    assert all(f"status.{field}" in one for one in said)
    await looks(stage, 30)
    assert selected(stage) == "blue", "the version that was taken back gets no client again"
    assert (told(stage), refusing.written) == (said, written), "told once, and steady is silent"


@pytest.mark.parametrize("field", FIELDS)
async def test_a_promotion_is_whole_or_waits_and_what_was_left_out_of_it_is_told_once(field: str) -> None:
    stage = await baking()
    refusing = Refusing(stage, changed(field))
    await looks(stage, BAKE + 10)
    refusing.restart()
    await looks(stage, 10)
    status = status_of(stage)
    assert selected(stage) == "green"
    assert ("Deployment", KEY.namespace, "diabetes-blue") in stage.api.objects, "the way back stays"
    if field in ("active", "warm"):
        assert status["active"]["version"] == "1.0.0"
        assert status["rollout"]["version"] == "2.0.0"
    else:
        assert status["active"]["version"] == "2.0.0"
        assert status["warm"]["version"] == "1.0.0"
        assert not status.get("rollout")
    said = told(stage)
    assert len(said) == bool(refusing.refused)
    assert all(f"status.{field}" in one for one in said)


async def test_one_entry_of_a_list_that_is_refused_is_left_out_and_the_others_are_written() -> None:
    stage = await baking()

    def schema(_: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
        for at, one in enumerate(after.get("conditions") or ()):
            if one["type"] == "AnalysisHealthy":
                yield f"status.conditions[{at}].reason"

    refusing = Refusing(stage, schema)
    await looks(stage, 6)
    assert refusing.refused
    assert "AnalysisHealthy" not in {one["type"] for one in status_of(stage)["conditions"]}
    assert stage.condition("Ready") == ("False", "Baking")
    assert stage.condition("StatusWritten") == ("False", "FieldsRefused")
    assert "status.conditions[].reason" in stage.message("StatusWritten")


async def test_once_the_field_is_accepted_it_is_written_and_the_condition_says_so() -> None:
    stage = await baking()
    refusing = Refusing(stage, changed("traffic"))
    await looks(stage, BAKE + 15)
    assert stage.condition("StatusWritten") == ("False", "FieldsRefused")
    refusing.schema = lambda *_: iter(())
    stage.api.patch = type(stage.api).patch.__get__(stage.api)  # type: ignore[method-assign]
    await looks(stage, 100)
    assert stage.condition("StatusWritten")[0] == "True"
    assert [(one["color"], one["weight"]) for one in status_of(stage)["traffic"]] == [("green", 100)]


async def test_a_refusal_that_names_no_field_of_the_status_leaves_nothing_out() -> None:
    stage = await baking()
    before = status_of(stage)
    for named in ("spec.model", "status", "status.unheardOf"):
        Refusing(stage, lambda *_, named=named: iter([named]))  # type: ignore[misc]
        await looks(stage, 10)
        assert status_of(stage) == before
        stage.api.patch = type(stage.api).patch.__get__(stage.api)  # type: ignore[method-assign]
