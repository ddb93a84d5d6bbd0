"""What of an event matters: whose it is, and whether a reconcile would see anything new."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.runtime.raws import KEY, owned, parent, pod
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.reading.watches import Filter, fingerprint, key_of, urgency_by
from verdigris.children.names import SHIELD_ANNOTATION, TRAFFIC_ANNOTATION
from verdigris.core.facts.urgency import Urgency

DEPLOYMENT = owned(
    "Deployment",
    "apps/v1",
    "diabetes-blue",
    spec={"replicas": 3},
    status={"readyReplicas": 1, "conditions": [{"type": "Progressing", "status": "True", "lastUpdateTime": "10:00"}]},
)
HPA = owned("HorizontalPodAutoscaler", "autoscaling/v2", "diabetes-blue", spec={"minReplicas": 3}, status={"x": 1})
ENDPOINTS = owned("EndpointSlice", "discovery.k8s.io/v1", "diabetes-blue-x", endpoints=[{"conditions": {}}])
DECISION = owned("RolloutDecision", "verdigris.dev/v1alpha1", "d", spec={"modelDeployment": "other"})


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (parent(), KEY),
        (DEPLOYMENT, KEY),
        (ENDPOINTS, KEY),
        (DECISION, Key("clinic", "other")),
        (owned("Service", "v1", "x", metadata={"labels": {}}), None),
        (owned("RolloutDecision", "verdigris.dev/v1alpha1", "d", spec={}), None),
        (owned("RolloutDecision", "verdigris.dev/v1alpha1", "d"), None),
    ],
)
def test_an_event_is_about_one_model(raw: dict[str, Any], key: Key | None) -> None:
    assert key_of(raw) == key


def changed(raw: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copied = copy.deepcopy(raw)
    *parents, last = path.split(".")
    at = copied
    for part in parents:
        at = at.setdefault(part, {})
    at[last] = value
    return copied


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (HPA, "status.currentMetrics"),
        (HPA, "metadata.resourceVersion"),
        (HPA, "metadata.managedFields"),
        ({**parent(), "status": {"rollout": {"step": 1}}}, "status.rollout.step"),
        ({**parent(), "status": {"warm": {"evidence": {"looks": 1}}}}, "status.warm.evidence.looks"),
        (parent(), "metadata.managedFields"),
        (DECISION, "status.outcome"),
        (DEPLOYMENT, "status.observedGeneration"),
        (DEPLOYMENT, "metadata.annotations.deployment#kubernetes#io/revision"),
    ],
)
def test_what_only_ticks_over_wakes_nobody(raw: dict[str, Any], path: str) -> None:
    after = changed(raw, path, "new")
    after["metadata"]["annotations"] = {
        key.replace("#", "."): value for key, value in (after["metadata"].get("annotations") or {}).items()
    }
    before = changed(raw, "metadata.annotations", {})
    assert fingerprint(after) == fingerprint(before)


def test_a_condition_that_is_merely_confirmed_wakes_nobody() -> None:
    later = [{"type": "Progressing", "status": "True", "lastUpdateTime": "10:05"}]
    assert fingerprint(changed(DEPLOYMENT, "status.conditions", later)) == fingerprint(DEPLOYMENT)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (HPA, "spec.minReplicas"),
        (HPA, "metadata.labels"),
        (HPA, "metadata.ownerReferences"),
        (HPA, "metadata.deletionTimestamp"),
        (parent(), "spec.paused"),
        (parent(), "metadata.annotations"),
        (DEPLOYMENT, "spec.replicas"),
        (DEPLOYMENT, "status.readyReplicas"),
        (DEPLOYMENT, "status.conditions"),
        (ENDPOINTS, "endpoints"),
    ],
)
def test_what_a_reconcile_looks_at_wakes_it(raw: dict[str, Any], path: str) -> None:
    assert fingerprint(changed(raw, path, [{"type": "new"}])) != fingerprint(raw)


def test_the_same_state_is_passed_on_once_but_always_by_a_new_listing() -> None:
    heard: list[Key] = []
    events = Filter(lambda key, _: heard.append(key))
    events.take("ADDED", HPA)
    events.take("MODIFIED", changed(HPA, "status.x", 2))
    assert heard == [KEY]
    events.take(None, HPA)
    assert heard == [KEY, KEY]


def test_a_deletion_is_passed_on_and_forgotten() -> None:
    heard: list[Key] = []
    events = Filter(lambda key, _: heard.append(key))
    events.take("ADDED", HPA)
    events.take("DELETED", HPA)
    events.take("ADDED", HPA)
    assert heard == [KEY, KEY, KEY]


def test_what_belongs_to_no_model_wakes_nobody() -> None:
    heard: list[Key] = []
    Filter(lambda key, _: heard.append(key)).take("ADDED", owned("Service", "v1", "x", metadata={"labels": {}}))
    assert heard == []


def decision(verb: str = "approve", **rest: Any) -> dict[str, Any]:
    return owned(
        "RolloutDecision", "verdigris.dev/v1alpha1", "d", spec={"modelDeployment": KEY.name, "verb": verb}, **rest
    )


def test_a_decision_that_was_answered_is_history_and_wakes_nobody() -> None:
    heard: list[Key] = []
    events = Filter(lambda key, _: heard.append(key))
    events.take(None, decision(status={"outcome": "Accepted"}))
    assert heard == []
    events.take("ADDED", decision())
    events.take("MODIFIED", decision(status={"outcome": "Accepted"}))
    assert heard == [KEY]
    assert not events._last, "nor is it remembered"


def model(generation: int = 1, **status: Any) -> dict[str, Any]:
    raw = parent()
    return {**raw, "metadata": {**raw["metadata"], "generation": generation}, "status": status}


@pytest.mark.parametrize(
    ("raw", "urgency"),
    [
        (HPA, Urgency.STEADY),
        (model(observedGeneration=1), Urgency.STEADY),
        (model(2, observedGeneration=1), Urgency.ROLLOUT),
        (model(), Urgency.ROLLOUT),
        (model(observedGeneration=1, rollout={"stage": "Baking"}), Urgency.ROLLOUT),
        (model(observedGeneration=1, rollout={"weight": 100}), Urgency.ROLLOUT),
        (model(observedGeneration=1, rollout={"weight": 100}, active={"color": "blue"}), Urgency.EXPOSED),
        (model(observedGeneration=1, rollout={"stage": "RollingBack"}), Urgency.ROLLBACK),
        (model(observedGeneration=1, rollout={"evidence": {"verdict": "Fail"}}), Urgency.ROLLBACK),
        (decision("approve"), Urgency.ROLLOUT),
        (decision("abort"), Urgency.ROLLBACK),
        (decision("rollback"), Urgency.ROLLBACK),
    ],
)
def test_an_event_says_how_soon_it_has_to_be_looked_at(raw: dict[str, Any], urgency: Urgency) -> None:
    assert urgency_by(raw) is urgency


def test_two_autoscalers_on_one_deployment_wake_the_operator() -> None:
    seen: list[Key] = []
    events = Filter(lambda key, _: seen.append(key))
    for reason in ("ValidMetricFound", "AmbiguousSelector", "AmbiguousSelector"):
        events.take("MODIFIED", {**HPA, "status": {"conditions": [{"type": "ScalingActive", "reason": reason}]}})
    assert len(seen) == 2


@pytest.mark.parametrize("annotation", [TRAFFIC_ANNOTATION, SHIELD_ANNOTATION])
def test_what_a_pod_is_told_brings_a_look_when_it_changes(annotation: str) -> None:
    """Found by the simulation: *bad release, late at the patch of a pod*, and it stayed told to send clients away."""
    queued: list[Key] = []
    events = Filter(lambda key, _: queued.append(key))
    first = pod("p")
    events.take("ADDED", first)
    told = changed(first, "metadata.annotations", {annotation: "off"})
    events.take("MODIFIED", changed(told, "status.phase", "Failed"))
    assert queued == [KEY]
    events.take("MODIFIED", told)
    events.take("DELETED", told)
    assert queued == [KEY]


def test_what_a_pod_goes_through_brings_no_look() -> None:
    queued: list[Key] = []
    events = Filter(lambda key, _: queued.append(key))
    for event, phase in (("ADDED", "Pending"), ("MODIFIED", "Running"), ("MODIFIED", "Failed"), ("DELETED", "Failed")):
        events.take(event, changed(pod("p"), "status.phase", phase))
    assert queued == []


def test_a_status_that_changes_while_nothing_goes_on_brings_a_look() -> None:
    """Found by the simulation: *edited by hand, late at the patch of the status*, which stayed as it was before."""
    queued: list[Key] = []
    events = Filter(lambda key, _: queued.append(key))
    for ready in ("True", "True", "False"):
        events.take("MODIFIED", {**parent(), "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    assert queued == [KEY, KEY]
