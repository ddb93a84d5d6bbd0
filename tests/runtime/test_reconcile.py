"""A whole reconcile against the fake API, with the real plan: converges, goes silent, survives what it meets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.runtime.raws import KEY, owned
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.transport.errors import (
    ApiError,
    Conflict,
    Invalid,
    NamespaceTerminating,
    NotFound,
    QuotaExceeded,
    Transient,
)
from verdigris.app import reconcile as module
from verdigris.app.reconcile import Result
from verdigris.core.actions import Plan


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_first_version_becomes_active_with_all_its_children(stage: Stage) -> None:
    await settled(stage)
    kinds = {kind for kind, _, _ in stage.api.objects}
    assert kinds >= {
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "ServiceMonitor",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "ServiceAccount",
        "ControllerRevision",
    }
    assert stage.api.at("Service", *KEY)["spec"]["selector"]["verdigris.dev/color"] == "blue"


async def test_steady_means_silent(stage: Stage) -> None:
    """Law 8: nothing changed, nothing written."""
    await settled(stage)
    stage.api.calls.clear()
    result = await stage.reconcile(5)
    assert stage.api.writes == []
    assert result.requeue_after is None


async def test_what_changed_something_looks_once_more(stage: Stage) -> None:
    await settled(stage)
    stage.api.at("Service", *KEY)["spec"]["sessionAffinity"] = "ClientIP"
    assert (await stage.reconcile()).requeue_after == module.LOOK_AGAIN
    assert (await stage.reconcile()).requeue_after is None


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy", "HorizontalPodAutoscaler", "ServiceMonitor"])
async def test_a_deleted_child_is_put_back(stage: Stage, kind: str) -> None:
    await settled(stage)
    ref = next(ref for ref in stage.api.objects if ref[0] == kind)
    del stage.api.objects[ref]
    await stage.reconcile(2)
    assert ref in stage.api.objects


async def test_a_deleted_model_is_left_to_the_garbage_collector(stage: Stage) -> None:
    await settled(stage)
    del stage.api.objects["ModelDeployment", *KEY]
    stage.api.calls.clear()
    assert await stage.reconcile() == Result()
    assert stage.api.writes == []


async def test_a_cluster_without_service_monitors_says_so_and_nothing_else_breaks(stage: Stage) -> None:
    stage.api.unknown.add("ServiceMonitor")
    await settled(stage)
    assert stage.condition("Monitored") == ("False", "ServiceMonitorMissing")


ALERTED = {"prometheusRule": {"enabled": True}}


async def test_alerts_are_made_when_they_are_asked_for_and_go_when_they_are_not(stage: Stage) -> None:
    await settled(stage)
    assert ("PrometheusRule", *KEY) not in stage.api.objects
    stage.api.at("ModelDeployment", *KEY)["spec"]["monitoring"] = ALERTED
    await stage.reconcile(2)
    (group,) = stage.api.at("PrometheusRule", *KEY)["spec"]["groups"]
    assert "VerdigrisModelDown" in {rule["alert"] for rule in group["rules"]}
    stage.api.calls.clear()
    await stage.reconcile(2)
    assert stage.api.writes == [], "nothing changed, nothing written"
    del stage.api.at("ModelDeployment", *KEY)["spec"]["monitoring"]
    await stage.reconcile(2)
    assert ("PrometheusRule", *KEY) not in stage.api.objects


async def test_a_cluster_without_prometheus_rules_says_so_and_nothing_else_breaks(stage: Stage) -> None:
    stage.api.unknown.add("PrometheusRule")
    stage.api.at("ModelDeployment", *KEY)["spec"]["monitoring"] = ALERTED
    await settled(stage)
    assert stage.condition("Monitored") == ("False", "PrometheusRuleMissing")
    assert stage.condition("Available")[0] == "True"


async def test_a_prometheus_rule_of_somebody_else_is_told_and_left_alone(stage: Stage) -> None:
    theirs = {"metadata": {"name": KEY.name, "namespace": KEY.namespace, "uid": "x"}, "spec": {"groups": []}}
    made = stage.api.put({"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", **theirs})
    stage.api.at("ModelDeployment", *KEY)["spec"]["monitoring"] = ALERTED
    await stage.reconcile(2)
    assert stage.condition("Stalled") == ("True", "NameTaken")
    assert stage.condition("Monitored") == ("False", "NameTaken")
    assert stage.api.at("PrometheusRule", *KEY) == made


async def test_thresholds_that_cannot_be_read_leave_the_alerts_as_they_are(stage: Stage) -> None:
    stage.api.at("ModelDeployment", *KEY)["spec"]["monitoring"] = ALERTED
    await settled(stage)
    before = stage.api.at("PrometheusRule", *KEY)
    stage.api.at("ModelDeployment", *KEY)["spec"]["monitoring"] = {"prometheusRule": {"latency": {"p95": 5}}}
    await stage.reconcile(2)
    assert stage.api.at("PrometheusRule", *KEY) == before


async def test_a_malformed_object_is_told_what_is_wrong_with_it_and_keeps_its_children(stage: Stage) -> None:
    await settled(stage)
    stage.api.at("ModelDeployment", *KEY)["spec"]["model"]["version"] = 7
    stage.api.calls.clear()
    result = await stage.reconcile(3)
    assert result == Result()
    assert stage.condition("Stalled") == ("True", "InvalidSpec")
    assert "spec.model.version" in stage.message("Ready")
    assert "InvalidSpec" in stage.told
    assert {kind for _, kind, _ in stage.api.writes} == {"Event", "ModelDeployment/status"}
    assert len(stage.api.writes) == 2


async def test_a_malformed_object_that_takes_no_status_either_still_gets_its_event(stage: Stage) -> None:
    stage.api.at("ModelDeployment", *KEY)["spec"]["model"]["version"] = 7
    stage.refuse("ModelDeployment/status", Invalid("spec.model.version must be a string"))
    assert await stage.reconcile() == Result()
    assert stage.told == {"InvalidSpec"}


async def test_a_malformed_object_that_is_corrected_goes_on(stage: Stage) -> None:
    good = stage.api.at("ModelDeployment", *KEY)["spec"]["model"]["version"]
    stage.api.at("ModelDeployment", *KEY)["spec"]["model"]["version"] = 7
    await stage.reconcile()
    stage.api.at("ModelDeployment", *KEY)["spec"]["model"]["version"] = good
    await settled(stage)
    assert stage.condition("Stalled")[0] == "False"


@pytest.mark.parametrize(
    ("error", "reason", "advice"),
    [
        (Invalid("metrics[0] is wrong"), "Invalid", "Correct the part of the spec"),
        (QuotaExceeded("exceeded quota: small"), "QuotaExceeded", "Raise the namespace's quota"),
    ],
)
async def test_a_refused_child_is_told_on_the_model_while_the_rollout_goes_on(
    stage: Stage, error: ApiError, reason: str, advice: str
) -> None:
    stage.refuse("HorizontalPodAutoscaler", error)
    await stage.reconcile()
    stage.let_pods_start()
    result = await stage.reconcile(6)
    assert result.failure is error
    assert stage.condition("Stalled") == ("True", reason)
    assert str(error) in stage.message("Stalled")
    assert advice in stage.message("Stalled")
    assert reason in stage.told
    assert stage.condition("Ready") == ("True", "Active")


async def test_a_refused_deployment_still_meets_its_deadline(stage: Stage) -> None:
    """The rollout's clock must run although nothing could be made."""
    stage.refuse("Deployment", QuotaExceeded("exceeded quota: small"))
    await stage.reconcile()
    stage.now += timedelta(minutes=11)
    await stage.reconcile(3)
    assert stage.api.at("ModelDeployment", *KEY)["status"]["history"][0]["outcome"] == "Failed"


async def test_a_switch_that_failed_is_not_claimed_in_the_status(stage: Stage) -> None:
    await stage.reconcile()
    stage.let_pods_start()
    stage.refuse("Service", Transient("busy"))
    result = await stage.reconcile(3)
    assert isinstance(result.failure, Transient)
    assert stage.condition("Ready") == ("False", "NotSelected")
    assert stage.condition("Available")[0] == "False"
    assert stage.api.at("ModelDeployment", *KEY)["status"]["traffic"][0]["weight"] == 0
    stage.api.fault = lambda *_: None
    await stage.reconcile(6)
    assert stage.condition("Ready") == ("True", "Active")


async def test_a_model_that_is_deleted_meanwhile_is_no_failure(stage: Stage) -> None:
    stage.refuse("ModelDeployment/status", NotFound("gone"))
    assert await stage.reconcile() == Result()


async def test_a_decision_that_cannot_be_understood_is_told_so_once(stage: Stage) -> None:
    await settled(stage)
    spec = {"modelDeployment": KEY.name, "revision": "v1-0", "verb": "explode", "reason": "x", "requestedBy": "alice"}
    stage.api.put(owned("RolloutDecision", "verdigris.dev/v1alpha1", "d", spec=spec))
    await stage.reconcile()
    stage.api.calls.clear()
    await stage.reconcile()
    status = stage.api.at("RolloutDecision", KEY.namespace, "d")["status"]
    assert status["outcome"] == "Refused"
    assert "spec.verb" in status["message"]
    assert stage.api.writes == []


@pytest.mark.parametrize("error", [Transient("busy"), Conflict("changed")])
async def test_a_status_that_cannot_be_written_is_a_failure_to_come_back_from(stage: Stage, error: ApiError) -> None:
    stage.refuse("ModelDeployment/status", error)
    assert (await stage.reconcile()).failure is error
    stage.api.fault = lambda *_: None
    await settled(stage)


@pytest.mark.parametrize(
    ("error", "counted"), [(Transient("busy"), 1), (Conflict("changed"), 0), (NamespaceTerminating("it ends"), 0)]
)
async def test_only_what_somebody_should_be_told_of_counts_as_an_error(
    stage: Stage, error: ApiError, counted: int
) -> None:
    stage.refuse("Deployment", error)
    assert (await stage.reconcile()).failure is error
    assert stage.metrics.registry.get_sample_value("verdigris_controller_runtime_reconcile_errors_total") == counted


async def test_a_read_that_fails_writes_nothing(stage: Stage) -> None:
    """Law 11: a read error is never a difference."""
    await settled(stage)
    stage.api.fault = lambda verb, kind, _: Transient("busy") if (verb, kind) == ("list", "Pod") else None
    stage.memory.forget(KEY)
    stage.api.calls.clear()
    assert isinstance((await stage.reconcile()).failure, Transient)
    assert stage.api.writes == []


async def test_a_bug_comes_out_and_is_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Plan:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(module, "plan", broken)
    with pytest.raises(ZeroDivisionError):
        await stage.reconcile()
    assert stage.metrics.registry.get_sample_value("verdigris_controller_runtime_reconcile_errors_total") == 1
