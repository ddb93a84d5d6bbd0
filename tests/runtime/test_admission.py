"""Who may: decisions count only while the API server checks who makes them, and the operator knows whether it does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import AT, KEY
from tests.runtime.stage import Stage
from tests.runtime.test_skew import baking, decide, live, selected, started
from verdigris.adapters.kube.reading.admission import PROOFS, Guard
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, Transient
from verdigris.app import http

Json = dict[str, Any]
NAME = "verdigris-decisions"
POLICY: Json = {
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": NAME, "creationTimestamp": AT},
    "spec": {"failurePolicy": "Fail", "validations": [{"expression": PROOFS[0]}, {"expression": f"a{PROOFS[1]}"}]},
}
BINDING: Json = {
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": NAME, "creationTimestamp": AT},
    "spec": {"policyName": NAME, "validationActions": ["Deny", "Audit"]},
}
CHART = Path(__file__).resolve().parents[2] / "charts" / "verdigris" / "templates" / "decision-policy.yaml"


def put(api: FakeApi, *manifests: Json) -> None:
    """As the API server has what lives in no namespace."""
    for manifest in manifests:
        api.objects[manifest["kind"], "", manifest["metadata"]["name"]] = copy.deepcopy(manifest)


def outcome(stage: Stage) -> tuple[str, str]:
    status = stage.api.at("RolloutDecision", KEY.namespace, "d")["status"]
    return status["outcome"], status["message"]


async def test_with_policy_and_binding_in_place_a_decision_is_followed() -> None:
    stage = Stage(policy=NAME)
    put(stage.api, POLICY, BINDING)
    revision = await started(stage)
    decide(stage, "approve", revision)
    await stage.reconcile(2)
    assert outcome(stage)[0] == "Accepted"


@pytest.mark.parametrize("verb", ["approve", "promote", "retry"])
async def test_without_the_policy_no_decision_lets_a_version_go_on(verb: str) -> None:
    stage = Stage(policy=NAME)
    revision = await started(stage)
    decide(stage, verb, revision)
    await stage.reconcile(2)
    assert outcome(stage)[0] == "Refused"
    assert "helm upgrade" in outcome(stage)[1]
    assert "approval" not in live(stage)["status"]["rollout"]
    assert "DecisionRefused" in stage.told


@pytest.mark.parametrize("verb", ["abort", "rollback"])
async def test_without_the_policy_clients_are_taken_back_all_the_same(verb: str) -> None:
    stage = Stage(policy=NAME)
    revision = await baking(stage)
    decide(stage, verb, revision)
    await stage.reconcile(2)
    assert (outcome(stage)[0], selected(stage)) == ("Accepted", "blue")


async def test_a_decision_from_before_the_policy_is_refused_once_it_is_there() -> None:
    stage = Stage(policy=NAME)
    put(stage.api, POLICY, {**BINDING, "metadata": {"name": NAME, "creationTimestamp": "2026-11-23T10:00:01Z"}})
    revision = await started(stage)
    decide(stage, "promote", revision)
    await stage.reconcile(2)
    assert outcome(stage)[0] == "Refused"
    assert "older than the admission policy, of 2026-11-23 10:00:01 UTC" in outcome(stage)[1]


async def test_while_the_api_server_cannot_tell_such_a_decision_waits_and_nothing_else() -> None:
    stage = Stage(policy=NAME)
    put(stage.api, POLICY, BINDING)
    revision = await started(stage)
    down: ApiError | None = Transient("the API server is busy")
    stage.api.fault = lambda _, kind, __: down if kind == "ValidatingAdmissionPolicy" else None
    decide(stage, "promote", revision)
    await stage.reconcile(2)
    assert "status" not in stage.api.at("RolloutDecision", KEY.namespace, "d")
    decision = stage.api.objects.pop(("RolloutDecision", KEY.namespace, "d"))
    decide(stage, "abort", revision)
    await stage.reconcile(2)
    assert outcome(stage)[0] == "Accepted"
    down = None
    stage.api.objects["RolloutDecision", KEY.namespace, "d"] = decision


async def test_an_operator_that_may_not_look_says_so_and_believes_what_it_is_told() -> None:
    stage = Stage(policy=NAME)
    refusal = Forbidden("reading: forbidden")
    stage.api.fault = lambda _, kind, __: refusal if kind == "ValidatingAdmissionPolicy" else None
    revision = await started(stage)
    decide(stage, "approve", revision)
    await stage.reconcile(2)
    assert outcome(stage)[0] == "Accepted"
    guard = Guard(stage.api, NAME, stage.seconds)
    assert "may not read" in str(await guard.check())
    assert guard.state == "Unknown"


async def test_nobody_asks_for_a_policy_that_is_not_required() -> None:
    stage = Stage()
    decide(stage, "approve", await started(stage))
    await stage.reconcile(2)
    assert outcome(stage)[0] == "Accepted"
    assert not [call for call in stage.api.calls if "Admission" in call[1]]


GAPS: dict[str, tuple[str, Json]] = {
    "no binding": ("ValidatingAdmissionPolicyBinding", {}),
    "another policy bound": ("ValidatingAdmissionPolicyBinding", {"policyName": "other"}),
    "only a warning": ("ValidatingAdmissionPolicyBinding", {"validationActions": ["Warn"]}),
    "only some namespaces": (
        "ValidatingAdmissionPolicyBinding",
        {"matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}},
    ),
    "no name is demanded": ("ValidatingAdmissionPolicy", {"validations": [{"expression": f"a{PROOFS[1]}"}]}),
    "no right is demanded": ("ValidatingAdmissionPolicy", {"validations": [{"expression": PROOFS[0]}]}),
    "errors let through": ("ValidatingAdmissionPolicy", {"failurePolicy": "Ignore"}),
    "some are skipped": ("ValidatingAdmissionPolicy", {"matchConditions": [{"name": "a", "expression": "false"}]}),
    "some namespaces are left out": (
        "ValidatingAdmissionPolicy",
        {"matchConstraints": {"namespaceSelector": {"matchLabels": {"a": "b"}}}},
    ),
}


@pytest.mark.parametrize(("kind", "change"), GAPS.values(), ids=GAPS.keys())
async def test_a_policy_with_a_gap_is_as_none(kind: str, change: Json) -> None:
    api = FakeApi()
    put(api, POLICY, BINDING)
    if change:
        api.at(kind, "", NAME)["spec"] |= change
    else:
        del api.objects[kind, "", NAME]
    guard = Guard(api, NAME, lambda: 0.0)
    assert await guard.look()
    assert guard.state == "Missing"


async def test_the_policy_is_not_read_at_every_decision_and_its_return_is_noticed() -> None:
    api, now = FakeApi(), [0.0]
    guard = Guard(api, NAME, lambda: now[0])
    assert await guard.look()
    put(api, POLICY, BINDING)
    for _ in range(3):
        await guard.look()
    assert len(api.calls) == 1
    now[0] = 20.0
    assert await guard.look() is None
    assert guard.state == "InForce"


async def test_an_address_that_a_tenant_made_up_is_never_asked_and_says_why() -> None:
    stage = Stage()
    revision = await started(stage, analysis={"prometheus": {"address": "http://169.254.169.254"}})
    await stage.reconcile(3)
    assert stage.condition("AnalysisHealthy")[0] == "Unknown"
    assert "http://169.254.169.254, which this operator may not ask" in stage.message("AnalysisHealthy")
    assert "nobody answers" not in stage.message("AnalysisHealthy"), "it was not asked"
    assert selected(stage) == "blue"
    assert live(stage)["status"]["rollout"]["revision"] == revision


async def test_an_operator_that_may_not_look_asks_seldom() -> None:
    api, now = FakeApi(), [0.0]
    api.fault = lambda _, kind, __: Forbidden(f"reading {kind}: forbidden")
    guard = Guard(api, NAME, lambda: now[0])
    for _ in range(100):
        await guard.look()
        now[0] += 5
    assert len(api.calls) == 1
    api.fault = lambda *_: None
    now[0] += 600
    assert await guard.look()


async def test_what_is_amiss_with_the_policy_is_told_where_people_look() -> None:
    guard = Guard(FakeApi(), NAME, lambda: 0.0)
    await guard.check()
    runner, port = await http.serve(0, lambda: None, lambda: None, bytes, lambda: guard.sentence)
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            said, status = await answer.text(), answer.status
    finally:
        await runner.cleanup()
    assert status == 200
    assert said.startswith("ok, but ValidatingAdmissionPolicy")
    assert "helm upgrade" in said


def test_the_charts_policy_is_what_is_looked_for() -> None:
    text = CHART.read_text(encoding="utf-8")
    plain = "".join(text.split())
    assert all("".join(proof.split()) in plain for proof in PROOFS)
