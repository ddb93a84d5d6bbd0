"""What another version may have written, read and patched: what is not understood is named and kept."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.api.generated import ODD_VALUES, SPEC, spoilt
from tests.api.manifests import SHA256, good_spec
from tests.api.test_status import conforming, schema_of
from verdigris.api.schema import crd
from verdigris.api.schema.carry import status_patch
from verdigris.api.schema.reading import Path, read, write_path
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus

Json = dict[str, Any]
STATUS = conforming(schema_of(crd.MODEL_DEPLOYMENT))
STAND_IN = {"model": {"version": "1.0.0", "uri": "file:///m", "sha256": SHA256}, "cleanup": {"enabled": False}}
# Not shrunk: a whole status has too many parts to be made smaller in a reasonable time.
asked = settings(max_examples=60, derandomize=True, deadline=None, database=None, phases=[Phase.generate])


def applied(old: Json, patch: Json) -> Json:
    """RFC 7386, section 2."""
    result = dict(old)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = applied(result[key] if isinstance(result.get(key), dict) else {}, value)
        else:
            result[key] = value
    return result


def at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def objects(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every object inside this one."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from objects(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from objects(inner, (*path, place))


@given(spec=SPEC)
@asked
def test_what_is_right_is_read_as_it_is(spec: Json) -> None:
    try:
        wanted = ModelDeploymentSpec.parse(spec)
    except ValidationError:
        return
    found = read(ModelDeploymentSpec, spec, stand_in=STAND_IN)
    assert (found.value, found.unknown, found.faults) == (wanted, (), ())


@given(spec=spoilt())
@asked
def test_whatever_is_wrong_with_a_spec_the_rest_is_read_and_the_fault_is_named(spec: Json) -> None:
    found = read(ModelDeploymentSpec, spec, stand_in=STAND_IN)
    try:
        assert found.value == ModelDeploymentSpec.parse(spec)
    except ValidationError as error:
        assert found.faults or found.unknown
        blamed = {fault["loc"][0] for fault in error.errors() if fault["loc"] and fault["loc"][0] in spec}
        named = {path[0] for path in (*found.unknown, *(fault.path for fault in found.faults)) if path}
        assert blamed <= named
    if all(fault.path for fault in found.faults):
        right = set(spec) - {fault.path[0] for fault in found.faults}
        alone = read(ModelDeploymentSpec, {key: spec[key] for key in right}, stand_in=STAND_IN).value.dump()
        assert all(found.value.dump().get(key) == alone.get(key) for key in right), "a fault costs no other section"


@given(status=STATUS, data=st.data())
@asked
def test_unknown_fields_of_a_status_are_left_out_and_kept_by_every_patch(status: Json, data: st.DataObject) -> None:
    plain = read(ModelDeploymentStatus, status)
    raw = copy.deepcopy(status)
    # A policy is handed on as it is: nothing in it is unknown here.
    places = [path for path in objects(raw) if path[:2] not in (("rollout", "policy"), ("warm", "policy"))]
    chosen = data.draw(st.lists(st.sampled_from(places), max_size=4, unique=True))
    for path in chosen:
        at(raw, path)["newer"] = data.draw(ODD_VALUES.filter(lambda value: value is not None))
    found = read(ModelDeploymentStatus, raw)
    assert (found.value, found.faults, set(found.unknown)) == (plain.value, (), {(*path, "newer") for path in chosen})
    known = found.value.dump()
    assert status_patch(ModelDeploymentStatus, raw, known, known) == {}
    changed = found.value.model_copy(update={"observed_generation": 7, "stuck": (), "history": found.value.history[1:]})
    after = applied(raw, status_patch(ModelDeploymentStatus, raw, known, changed.dump()))
    assert read(ModelDeploymentStatus, after).value == changed
    for path in chosen:
        if path[:1] not in {("stuck",), ("history",)}:
            assert repr(at(after, path)["newer"]) == repr(at(raw, path)["newer"])


@given(old=STATUS, new=STATUS)
@asked
def test_the_patch_leads_from_the_old_to_the_new(old: Json, new: Json) -> None:
    before, wanted = ModelDeploymentStatus.parse(old), ModelDeploymentStatus.parse(new)
    after = applied(old, status_patch(ModelDeploymentStatus, old, before.dump(), wanted.dump()))
    assert ModelDeploymentStatus.parse(after) == wanted


def test_a_value_is_replaced_by_the_stand_in_and_its_neighbours_stay() -> None:
    spec = {**good_spec(), "cleanup": {"enabled": 7, "budget": 3}, "rollout": {"bake": "soon", "keepWarm": "1m"}}
    found = read(ModelDeploymentSpec, spec, stand_in=STAND_IN)
    assert (found.value.cleanup.enabled, found.value.cleanup.budget) == (False, 3)
    assert (found.value.rollout.bake, found.value.rollout.keep_warm) == ("5m", "1m")
    assert {write_path("spec", fault.path) for fault in found.faults} == {"spec.cleanup.enabled", "spec.rollout.bake"}


def test_what_belongs_together_is_replaced_together() -> None:
    spec = {**good_spec(), "cleanup": {"enabled": True, "budget": "many"}}
    found = read(ModelDeploymentSpec, spec, stand_in=STAND_IN, whole=[("cleanup",)])
    assert not found.value.cleanup.enabled


def test_without_anything_to_stand_in_the_fault_itself_is_raised() -> None:
    with pytest.raises(ValidationError, match="model"):
        read(ModelDeploymentSpec, {"rollout": {}})


def test_a_list_keeps_the_entries_that_can_be_read() -> None:
    good = {"type": "Ready", "status": "True", "reason": "Active", "lastTransitionTime": "2026-11-23T09:00:00Z"}
    found = read(ModelDeploymentStatus, {"conditions": [None, good, {"type": 7}, "x"], "stuck": "none"})
    assert [condition.type for condition in found.value.conditions] == ["Ready"]
    assert {fault.path[0] for fault in found.faults} == {"conditions", "stuck"}


def test_another_rollout_has_nothing_of_the_one_before() -> None:
    at = "2026-11-23T09:00:00.000Z"
    role = {"version": "1", "color": "green", "stage": "Baking", "startedAt": at, "since": at}
    stored: Json = {**role, "revision": "v1-a", "policy": {"rollout": {"bake": "1h"}}, "evidence": {"newer": {"a": 1}}}
    new = ModelDeploymentStatus.parse({"rollout": {**role, "revision": "v1-b", "policy": {"rollout": {}}}})
    old = read(ModelDeploymentStatus, {"rollout": stored}).value
    after = applied(
        {"rollout": stored}, status_patch(ModelDeploymentStatus, {"rollout": stored}, old.dump(), new.dump())
    )
    assert after["rollout"] == new.dump()["rollout"]


def test_of_a_full_list_the_oldest_entries_go() -> None:
    entry = {"revision": "v1-0", "version": "1", "reason": "r", "message": "m", "at": "2026-11-23T09:00:00.000Z"}
    stored: list[Json] = [{**entry, "revision": f"v1-{number}"} for number in range(20)]
    status = ModelDeploymentStatus.parse({"rejected": stored})
    stored[3]["odd"] = {"a": 1}
    newest = status.rejected[0].model_copy(update={"revision": "v1-20"})
    wanted = status.model_copy(update={"rejected": (*status.rejected[1:], newest)})
    patch = status_patch(ModelDeploymentStatus, {"rejected": stored}, status.dump(), wanted.dump())
    assert [item["revision"] for item in patch["rejected"]] == [f"v1-{number}" for number in range(1, 21)]
    assert patch["rejected"][2]["odd"] == {"a": 1}
