"""How raw objects read: what is ready, what is a fault for good, what is trouble that may pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.runtime.raws import container, ended, endpoint_slice, owned, pod, waiting
from verdigris.cluster import views

NOT_READY = {"type": "Ready", "status": "False"}


def said(reason: str, message: str = "…") -> str:
    return json.dumps({"reason": reason, "message": message})


def test_a_pod_is_ready_by_its_condition() -> None:
    view = views.pod_view(pod())
    assert view is not None
    assert (view.ready, view.color, view.revision, view.terminating, view.traffic) == (
        True,
        "blue",
        "v1-0",
        False,
        "trial",
    )


def test_a_terminating_pod_is_not_ready_though_its_condition_still_says_so() -> None:
    view = views.pod_view(pod(metadata={"deletionTimestamp": "2026-11-23T10:00:00Z"}))
    assert view is not None
    assert view.terminating
    assert not view.ready


def test_a_pod_without_a_color_is_none_of_ours() -> None:
    assert views.pod_view(pod(color="red")) is None


@pytest.mark.parametrize(("annotation", "word"), [("off", "off"), ("on", "on"), ("", "trial"), ("trial", "trial")])
def test_a_pod_that_was_told_nothing_is_on_trial(annotation: str, word: str) -> None:
    view = views.pod_view(pod(metadata={"annotations": {"verdigris.dev/traffic": annotation}}))
    assert view is not None
    assert view.traffic == word


@pytest.mark.parametrize("reason", sorted(views.DEFINITE_FAULTS))
@pytest.mark.parametrize("state", ["state", "lastState"])
@pytest.mark.parametrize("statuses", ["initContainerStatuses", "containerStatuses"])
def test_what_init_step_or_server_report_for_good_is_a_fault(statuses: str, state: str, reason: str) -> None:
    report: dict[str, Any] = {state: ended(1, said(reason, "told"))}
    view = views.pod_view(pod(status={statuses: [container(**report)]}))
    assert view is not None
    assert view.fault is not None
    assert (view.fault.reason, view.fault.message) == (reason, "told")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"initContainerStatuses": [container(state=ended(0, said("Verified")))]}, "it went well"),
        ({"containerStatuses": [container(lastState=ended(0, said("ChecksumMismatch")))]}, "exit code 0"),
        ({"containerStatuses": [container(lastState=ended(1, "Traceback: …"))]}, "no JSON"),
        ({"containerStatuses": [container(lastState=ended(1, '["ChecksumMismatch"]'))]}, "no object"),
        ({"containerStatuses": [container(lastState=ended(1, '{"reason": 7}'))]}, "reason is no text"),
        ({"containerStatuses": [container(lastState=ended(1, said("SomethingNew")))]}, "a reason we do not know"),
        ({}, "no container has started"),
    ],
)
def test_nothing_else_is_a_fault(status: dict[str, Any], why: str) -> None:
    view = views.pod_view(pod(status=status))
    assert view is not None
    assert view.fault is None, why


@pytest.mark.parametrize(
    ("status", "reason", "fragment"),
    [
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"}]},
            "Unschedulable",
            "0/1",
        ),
        (
            {"initContainerStatuses": [container("fetch", state=waiting("ErrImagePull", "no such"))]},
            "ErrImagePull",
            "fetch: no such",
        ),
        ({"containerStatuses": [container(state=waiting("ImagePullBackOff", "b"))]}, "ImagePullBackOff", "server: b"),
        ({"containerStatuses": [container(state=waiting("InvalidImageName", "b"))]}, "InvalidImageName", "server: b"),
        (
            {"containerStatuses": [container(state=waiting("CreateContainerConfigError", "no configmap"))]},
            "CreateContainerConfigError",
            "no configmap",
        ),
        (
            {"containerStatuses": [container(state=waiting("CrashLoopBackOff"), lastState=ended(3, "boom"))]},
            "CrashLoopBackOff",
            "code 3. It said: boom",
        ),
        (
            {
                "containerStatuses": [
                    container(state=waiting("CrashLoopBackOff"), lastState=ended(137, reason="OOMKilled"))
                ]
            },
            "CrashLoopBackOff",
            "raise spec.serving.resources.limits.memory",
        ),
        (
            {"initContainerStatuses": [container("fetch", lastState=ended(1, said("ArtifactUnreachable", "refused")))]},
            "ArtifactUnreachable",
            "refused",
        ),
    ],
)
def test_what_may_heal_is_trouble(status: dict[str, Any], reason: str, fragment: str) -> None:
    view = views.pod_view(pod(status={"conditions": [NOT_READY], **status} | status))
    assert view is not None
    assert view.fault is None
    assert view.trouble is not None
    assert view.trouble.reason == reason
    assert fragment in view.trouble.message


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", ""])
def test_a_normal_start_is_no_trouble(reason: str) -> None:
    view = views.pod_view(pod(status={"containerStatuses": [container(state=waiting(reason))]}))
    assert view is not None
    assert view.trouble is None


def test_a_fault_from_before_a_restart_that_went_well_is_history() -> None:
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "initContainerStatuses": [container(state=ended(0), lastState=ended(1, said("ChecksumMismatch")))],
    }
    view = views.pod_view(pod(status=status))
    assert view is not None
    assert view.fault is None


def test_restarts_are_counted_over_all_containers() -> None:
    status = {
        "initContainerStatuses": [container("fetch", restartCount=2)],
        "containerStatuses": [container(restartCount=3)],
    }
    view = views.pod_view(pod(status=status))
    assert view is not None
    assert view.restarts == 5


def test_a_long_message_is_cut_to_what_a_condition_takes() -> None:
    status = {"containerStatuses": [container(state=waiting("ErrImagePull", "x" * 5000))]}
    view = views.pod_view(pod(status=status))
    assert view is not None
    assert view.trouble is not None
    assert len(view.trouble.message) == views.MAX_MESSAGE


def deployment(**status: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"verdigris.dev/revision": "v1-0"}}}
    return owned("Deployment", "apps/v1", "diabetes-blue", spec={"replicas": 3, "template": template}, status=status)


def test_a_deployment_tells_size_and_revision() -> None:
    view = views.deployment_view(deployment())
    assert (view.replicas, view.revision, view.trouble) == (3, "v1-0", None)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('pods "x" is forbidden: exceeded quota: small, requested: pods=1', "QuotaExceeded"),
        ('pods "x" is forbidden: violates PodSecurity', "FailedCreate"),
    ],
)
def test_pods_that_cannot_be_created_are_the_deployments_trouble(message: str, reason: str) -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    view = views.deployment_view(deployment(conditions=[condition]))
    assert view.trouble is not None
    assert (view.trouble.reason, view.trouble.message) == (reason, message)


def test_a_replica_failure_that_is_over_is_no_trouble() -> None:
    condition = {"type": "ReplicaFailure", "status": "False", "reason": "FailedCreate", "message": "old"}
    assert views.deployment_view(deployment(conditions=[condition])).trouble is None


@pytest.mark.parametrize(
    ("slices", "counts"),
    [
        ([], {"blue": 0, "green": 0}),
        ([endpoint_slice("diabetes-blue", True, False, None)], {"blue": 2, "green": 0}),
        (
            [endpoint_slice("diabetes-blue", True), endpoint_slice("diabetes-green", True, True)],
            {"blue": 1, "green": 2},
        ),
        (
            [endpoint_slice("diabetes-blue", True), endpoint_slice("diabetes-blue", True, start=1)],
            {"blue": 2, "green": 0},
        ),
        ([endpoint_slice("diabetes-blue", True), endpoint_slice("diabetes-blue", True)], {"blue": 1, "green": 0}),
        ([endpoint_slice("other-blue", True)], {"blue": 0, "green": 0}),
        (
            [{"metadata": {"labels": {"kubernetes.io/service-name": "diabetes-blue"}}, "endpoints": None}],
            {"blue": 0, "green": 0},
        ),
    ],
    ids=["none", "not ready ones", "two colors", "two slices", "dual stack", "a stranger's", "empty"],
)
def test_endpoints_are_counted_by_color_each_pod_once(slices: list[dict[str, Any]], counts: dict[str, int]) -> None:
    assert views.ready_endpoints(slices, "diabetes") == counts


@pytest.mark.parametrize(
    ("service", "color"),
    [
        (None, None),
        ({"spec": {"selector": {"verdigris.dev/color": "green"}}}, "green"),
        ({"spec": {"selector": {"verdigris.dev/color": "pink"}}}, None),
        ({"spec": {"selector": {}}}, None),
        ({"spec": {}}, None),
    ],
)
def test_the_selected_color_is_what_the_service_really_selects(service: Any, color: str | None) -> None:
    assert views.selected_color(service) == color
