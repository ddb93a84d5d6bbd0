"""How raw objects read: what a pod's own words and its containers' become, and what a colour has behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.resources.samples import DEFAULTS, MINIMAL, OWNER, spec
from tests.runtime.raws import container, ended, endpoint_slice, owned, pod, waiting
from verdigris.adapters.kube.reading import endpoints, views
from verdigris.children import pod_template
from verdigris.children.names import COLORS
from verdigris.core.facts.observed import Exit, PodView

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def view_of(raw: dict[str, Any]) -> PodView:
    view = views.pod_view(raw)
    assert view is not None
    return view


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


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_has_ended_is_not_ready_though_its_condition_still_says_so(phase: str) -> None:
    assert not view_of(pod(status={"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]})).ready


def test_a_pod_without_a_color_is_none_of_ours() -> None:
    assert views.pod_view(pod(color="red")) is None


@pytest.mark.parametrize(("annotation", "word"), [("off", "off"), ("on", "on"), ("", "trial"), ("trial", "trial")])
def test_a_pod_that_was_told_nothing_is_on_trial(annotation: str, word: str) -> None:
    view = views.pod_view(pod(metadata={"annotations": {"verdigris.dev/traffic": annotation}}))
    assert view is not None
    assert view.traffic == word


def test_a_pod_tells_what_it_passes_on_and_whether_it_can() -> None:
    assert (view_of(pod()).order, view_of(pod()).forwards) == (None, False)
    made = pod_template.build(OWNER, spec(MINIMAL), "v1-0", DEFAULTS)["spec"]
    view = view_of(pod(metadata={"annotations": {"verdigris.dev/shield": "{}"}}, spec=made))
    assert (view.order, view.forwards) == ("{}", True)


def test_a_pod_keeps_its_own_words() -> None:
    status = {
        "phase": "Failed",
        "reason": "Evicted",
        "message": "The node was low on resource: memory.",
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-23T10:00:00Z"}],
    }
    view = view_of(pod(status=status, spec={"nodeName": "worker-1"}))
    assert (view.phase, view.reason, view.message) == ("Failed", "Evicted", "The node was low on resource: memory.")
    assert (view.node, view.ready_changed, view.unscheduled) == ("worker-1", AT, None)


def test_a_pod_on_its_way_out_tells_by_when_and_who_holds_it() -> None:
    metadata = {"deletionTimestamp": "2026-11-23T10:00:00Z", "finalizers": ["example.com/audit"]}
    view = view_of(pod(metadata=metadata))
    assert (view.gone_by, view.finalizers) == (AT, ("example.com/audit",))


@pytest.mark.parametrize(("controller", "controlled"), [(True, True), (False, False)])
def test_a_pod_is_controlled_when_an_owner_says_that_it_is(controller: bool, controlled: bool) -> None:
    owner = {
        "kind": "ReplicaSet",
        "name": "diabetes-blue-r",
        "uid": "u",
        "apiVersion": "apps/v1",
        "controller": controller,
    }
    assert view_of(pod(metadata={"ownerReferences": [owner]})).controlled is controlled


def test_a_pod_that_no_node_takes_has_the_schedulers_words() -> None:
    placed = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    view = view_of(pod(status={"conditions": [placed]}))
    assert view.unscheduled is not None
    assert (view.unscheduled.reason, view.unscheduled.message) == ("Unschedulable", "0/1 nodes")


def test_a_pod_that_has_a_node_has_nothing_against_it() -> None:
    assert view_of(pod(status={"conditions": [{"type": "PodScheduled", "status": "True"}]})).unscheduled is None


def test_containers_are_read_init_steps_first_with_what_the_spec_asks_for() -> None:
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    spec = {
        "initContainers": [{"name": "fetch", "image": "serving:1"}],
        "containers": [{"name": "server", "image": "serving:2", **limits}],
    }
    status = {
        "containerStatuses": [container(state=waiting("PodInitializing"), image="serving:2@sha256:0")],
        "initContainerStatuses": [container("fetch", state={"running": {"startedAt": "2026-11-23T10:00:00Z"}})],
    }
    fetch, server = view_of(pod(status=status, spec=spec)).containers
    assert (fetch.name, fetch.init, fetch.image, fetch.running_since) == ("fetch", True, "serving:1", AT)
    assert (server.name, server.init, server.image, server.memory_limit) == ("server", False, "serving:2", "64Mi")
    assert (server.waiting, server.exit) == ("PodInitializing", None)


@pytest.mark.parametrize("state", ["state", "lastState"])
@pytest.mark.parametrize("statuses", ["initContainerStatuses", "containerStatuses"])
def test_how_a_container_last_ended_is_read_of_now_or_of_before(statuses: str, state: str) -> None:
    ending = {"terminated": {**ended(3, "boom")["terminated"], "finishedAt": "2026-11-23T10:00:00Z"}}
    (view,) = view_of(pod(status={statuses: [container(**{state: ending})]})).containers
    assert view.exit == Exit(code=3, reason="Error", words="boom", at=AT)


def test_what_a_container_ended_with_now_is_newer_than_what_it_ended_with_before() -> None:
    status = {"containerStatuses": [container(state=ended(0, "well"), lastState=ended(1, "badly"))]}
    (view,) = view_of(pod(status=status)).containers
    assert view.exit is not None
    assert (view.exit.code, view.exit.words) == (0, "well")


def test_a_pod_of_which_the_kubelet_has_said_nothing_has_no_containers() -> None:
    assert view_of(pod(status={"phase": "Pending"})).containers == ()


def test_restarts_are_counted_over_all_containers() -> None:
    status = {
        "initContainerStatuses": [container("fetch", restartCount=2)],
        "containerStatuses": [container(restartCount=3)],
    }
    view = views.pod_view(pod(status=status))
    assert view is not None
    assert view.restarts == 5


def test_a_long_message_of_the_scheduler_is_cut_to_what_a_condition_takes() -> None:
    placed = {"type": "PodScheduled", "status": "False", "message": "x" * 5000}
    view = view_of(pod(status={"conditions": [placed]}))
    assert view.unscheduled is not None
    assert len(view.unscheduled.message) == views.MAX_MESSAGE


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
    assert endpoints.ready_endpoints(slices, "diabetes") == counts


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


@pytest.mark.parametrize(
    ("slices", "colors"),
    [
        ([], set()),
        ([endpoint_slice("diabetes", True)], {"blue"}),
        ([endpoint_slice("diabetes", False, True)], {"green"}),
        ([endpoint_slice("diabetes", None), endpoint_slice("diabetes", True, start=1)], {"blue", "green"}),
        ([endpoint_slice("diabetes", True, start=7)], set()),
        ([endpoint_slice("diabetes-blue", True), endpoint_slice("diabetes-green", True, start=1)], set()),
    ],
    ids=["none", "one color", "not ready ones", "both", "a stranger's pod", "the colors' own"],
)
def test_whose_pods_new_connections_reach_is_what_the_clients_slices_say(slices: Any, colors: set[str]) -> None:
    raws = (pod(color, color=color, metadata={"uid": f"pod-{number}"}) for number, color in enumerate(COLORS))
    pods = list(filter(None, map(views.pod_view, raws)))
    assert len(pods) == 2
    assert endpoints.still_behind(slices, "diabetes", pods) == colors
