"""What the models accept the API server accepts, and the reverse; and both fill in the same defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from tests.api.api_server import ApiServer
from tests.api.full import FULL_PATHS, FULL_SPEC, value_at, with_value
from tests.api.generated import ODD_NUMBERS, ODD_TEXTS, SPEC, TEXTS_LIKE_OTHER_TYPES, as_sent, decisions, spoilt
from tests.api.manifests import good_spec, model_deployment, rollout_decision
from verdigris.api.decision import RolloutDecisionSpec
from verdigris.api.schema.fields import ApiModel
from verdigris.api.spec import ModelDeploymentSpec

pytestmark = pytest.mark.cluster

# The same examples in every run; VERDIGRIS_EXAMPLES=20000 asks for others, and more of them.
WANTED = os.environ.get("VERDIGRIS_EXAMPLES")
asked = settings(
    max_examples=int(WANTED or 60),
    derandomize=WANTED is None,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def parsed(model: type[ApiModel], raw: Mapping[str, Any]) -> tuple[ApiModel | None, str]:
    """The model, or None and why not."""
    try:
        return model.parse(raw), ""
    except ValidationError as error:
        return None, str(error)


def assert_the_same(server: ApiServer, model: type[ApiModel], plural: str, manifest: Mapping[str, Any]) -> None:
    """Both accept the manifest's spec, with the same outcome, or both refuse it."""
    theirs = server.create(plural, manifest)
    ours, why = parsed(model, manifest["spec"])
    if ours is None:
        assert theirs.is_invalid, f"only the API server accepts {manifest['spec']}: {why}"
        return
    assert not theirs.is_invalid, f"only the model accepts {manifest['spec']}: {theirs.message}"
    if not theirs.accepted:
        return
    assert as_floats(model.parse(theirs.spec).dump()) == as_floats(ours.dump())
    assert within(as_floats(theirs.spec), as_floats(ours.dump()))


def within(part: Any, whole: Any) -> bool:
    """Whether all that the one says the other says too: younger fields get no default from the API server."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(within(one, other) for one, other in zip(part, whole, strict=True))
    return bool(part == whole)


def as_floats(value: Any) -> Any:
    """The JSON value with every number as the double that it is in most of the world's JSON."""
    if isinstance(value, dict):
        return {key: as_floats(member) for key, member in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_the_smallest_spec_gets_the_same_defaults_from_both(api_server: ApiServer) -> None:
    theirs = api_server.create("modeldeployments", model_deployment(good_spec()))
    assert theirs.accepted, theirs.message
    assert ModelDeploymentSpec.parse(theirs.spec) == ModelDeploymentSpec.parse(good_spec())
    assert within(theirs.spec, ModelDeploymentSpec.parse(good_spec()).dump())
    assert theirs.spec["serving"]["resources"]["limits"] == {"memory": "192Mi"}


@asked
@given(spec=SPEC)
def test_good_specs_mean_the_same_to_both(api_server: ApiServer, spec: dict[str, Any]) -> None:
    assert_the_same(api_server, ModelDeploymentSpec, "modeldeployments", model_deployment(as_sent(spec)))


@asked
@given(spec=spoilt())
def test_spoilt_specs_are_refused_by_both_or_by_none(api_server: ApiServer, spec: dict[str, Any]) -> None:
    assert_the_same(api_server, ModelDeploymentSpec, "modeldeployments", model_deployment(as_sent(spec)))


CHOICES = {
    *("format", "operator", "effect", "type", "strategy", "approval", "onInconclusive"),
    *("whenUnsatisfiable", "clients", "protocol", "selectPolicy", "externalTrafficPolicy", "ipFamilyPolicy"),
}
"""Fields that take one of a few words."""
MADE_OF_OTHERS = ("sidecars", "networkPolicy", "affinity")
"""What is made of types that other fields have, too, or is handed on as it is: few texts do."""


def odd_values(path: tuple[str, ...]) -> list[Any]:
    """All of them; but few of a type, or for a choice, that both refuse whichever it is."""
    is_amount = path[:2] == ("serving", "resources") and len(path) == 4
    is_text = isinstance(value_at(FULL_SPEC, path), str)
    has_own_type = is_text and path[-1] not in CHOICES and not any(part in path for part in MADE_OF_OTHERS)
    texts = ODD_TEXTS if is_amount or has_own_type else TEXTS_LIKE_OTHER_TYPES
    numbers = ODD_NUMBERS if is_amount or not is_text else ODD_NUMBERS[:3]
    return [None, True, False, [], {}, [None], {"a": None}, *numbers, *texts]


def some_of(values: list[Any], number: int) -> list[Any]:
    """A twelfth of them, another one for each number: all take minutes, and are tried with VERDIGRIS_EXAMPLES."""
    return values if WANTED else values[number % 12 :: 12]


@pytest.mark.parametrize(("number", "path"), enumerate(FULL_PATHS), ids=map(".".join, FULL_PATHS))
def test_an_odd_value_is_refused_by_both_or_by_none(api_server: ApiServer, number: int, path: tuple[str, ...]) -> None:
    for odd in some_of(odd_values(path), number):
        spec = as_sent(with_value(FULL_SPEC, path, odd))
        assert_the_same(api_server, ModelDeploymentSpec, "modeldeployments", model_deployment(spec))


@pytest.mark.parametrize(
    "path", ["serving.nodeSelector", "serving.service.annotations", "serving.resources.limits", "analysis"]
)
def test_an_odd_key_is_refused_by_both_or_by_none(api_server: ApiServer, path: str) -> None:
    for odd in ODD_TEXTS:
        spec = with_value(FULL_SPEC, (*path.split("."), odd), "1")
        assert_the_same(api_server, ModelDeploymentSpec, "modeldeployments", model_deployment(spec))


@asked
@given(spec=decisions())
def test_decisions_mean_the_same_to_both(api_server: ApiServer, spec: dict[str, Any]) -> None:
    manifest = {**rollout_decision(), "spec": as_sent(spec)}
    assert_the_same(api_server, RolloutDecisionSpec, "rolloutdecisions", manifest)
