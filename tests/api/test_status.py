"""Whatever status the models can hold, the API server stores and gives back unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.api_server import ApiServer
from tests.api.conftest import Kubectl
from tests.api.manifests import good_spec, model_deployment, rollout_decision
from verdigris.api.decision import RolloutDecisionStatus
from verdigris.api.schema import crd
from verdigris.api.status import ModelDeploymentStatus

pytestmark = pytest.mark.cluster

_BOUNDS = (datetime(1900, 1, 1), datetime(9000, 12, 31))  # noqa: DTZ001 - hypothesis wants them without a zone
TIMES = st.datetimes(*_BOUNDS, timezones=st.just(UTC)).map(lambda time: time.isoformat(timespec="milliseconds"))
asked = settings(max_examples=60, derandomize=True, deadline=None, database=None)


def conforming(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """JSON values that a structural schema allows, texts and lists up to their full length among them."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return st.dictionaries(
            texts(1, 8), st.dictionaries(texts(1, 8), st.booleans() | st.integers(-9, 9), max_size=2)
        )
    if schema["type"] == "object":
        members = {name: conforming(member) for name, member in schema["properties"].items()}
        required = {name: members.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=members)
    if schema["type"] == "array":
        keys = schema.get("x-kubernetes-list-map-keys", [])
        unique_by = (lambda item: tuple(item[key] for key in keys)) if keys else None
        return st.lists(conforming(schema["items"]), max_size=min(3, schema["maxItems"]), unique_by=unique_by)
    if schema["type"] == "string":
        longest = schema["maxLength"]
        return TIMES if schema.get("format") == "date-time" else texts(schema.get("minLength", 0), longest)
    return {
        "integer": st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**40)),
        "number": st.floats(schema.get("minimum", -1e9), min(1e9, schema.get("maximum", 1e9))),
        "boolean": st.booleans(),
    }[schema["type"]]


def texts(shortest: int, longest: int) -> st.SearchStrategy[str]:
    short = st.text(st.characters(exclude_categories=["Cs"]), min_size=shortest, max_size=min(longest, 8))
    return st.one_of(short, st.just("𝒜" * longest))


def schema_of(resource: crd.Resource) -> Mapping[str, Any]:
    version = crd.build(resource)["spec"]["versions"][0]
    found: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return found


@pytest.fixture(scope="module")
def objects(api_server: ApiServer, kubectl: Kubectl, user: str) -> Iterator[None]:
    """One ModelDeployment and one RolloutDecision whose status can be written."""
    assert api_server.create("modeldeployments", model_deployment(good_spec()), dry_run=False).accepted
    assert api_server.create("rolloutdecisions", rollout_decision(requestedBy=user), dry_run=False).accepted
    yield
    kubectl("delete", "-n", api_server.namespace, "mdep/diabetes", "rdec/approve-diabetes").check_returncode()


@pytest.mark.usefixtures("objects")
@asked
@given(raw=conforming(schema_of(crd.MODEL_DEPLOYMENT)))
def test_any_status_of_a_model_deployment_comes_back_as_it_was(api_server: ApiServer, raw: dict[str, Any]) -> None:
    status = ModelDeploymentStatus.parse(raw)
    answer = api_server.replace_status("modeldeployments", "diabetes", status.dump())
    assert answer.accepted, answer.message
    assert ModelDeploymentStatus.parse(answer.status) == ModelDeploymentStatus.parse(status.dump())


@pytest.mark.usefixtures("objects")
@asked
@given(raw=conforming(schema_of(crd.ROLLOUT_DECISION)))
def test_any_status_of_a_decision_comes_back_as_it_was(api_server: ApiServer, raw: dict[str, Any]) -> None:
    status = RolloutDecisionStatus.parse(raw)
    answer = api_server.replace_status("rolloutdecisions", "approve-diabetes", status.dump())
    assert answer.accepted, answer.message
    assert RolloutDecisionStatus.parse(answer.status) == status
