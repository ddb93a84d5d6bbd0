"""What a pod takes as the scheduler counts it, and what quotas and limit ranges let in."""

from __future__ import annotations

import pytest

from tests.rollout.capacity_cases import (
    HALF,
    Json,
    amounts,
    container,
    node,
    quota,
    seen,
    template,
)
from verdigris.api.schema.quantity import amount_of
from verdigris.api.status import Failure
from verdigris.core.facts.survey import LimitRangeView
from verdigris.core.pods.room import fit as capacity
from verdigris.core.pods.room.needs import pod_need, pod_requests


@pytest.mark.parametrize(
    ("pod", "takes"),
    [
        (
            template(container({"cpu": "500m"}), container({"cpu": "1", "memory": "1Gi"})),
            {"cpu": "1.5", "memory": "1Gi"},
        ),
        (template(container({"cpu": "100m"}), init=(container({"cpu": "2"}),)), {"cpu": "2"}),
        (template(container({"cpu": "3"}), init=(container({"cpu": "2"}), container({"cpu": "2"}))), {"cpu": "3"}),
        (template(container(limits={"cpu": "250m"})), {"cpu": "250m"}),
        (template(container({"cpu": "100m"}, {"cpu": "250m"})), {"cpu": "100m"}),
        (template(container({"cpu": "0"})), {}),
        (template(container({"nvidia.com/gpu": 1})), {"nvidia.com/gpu": "1"}),
        (
            template(container({"cpu": "1"}), overhead={"cpu": "250m", "memory": "64Mi"}),
            {"cpu": "1.25", "memory": "64Mi"},
        ),
        # A sidecar adds to the containers and to each init step after it, not to the one before.
        (
            template(
                container({"cpu": "1"}),
                init=(container({"cpu": "2"}), container({"cpu": "500m"}, restartPolicy="Always")),
            ),
            {"cpu": "2"},
        ),
        (
            template(
                container({"cpu": "1"}),
                init=(container({"cpu": "500m"}, restartPolicy="Always"), container({"cpu": "2"})),
            ),
            {"cpu": "2.5"},
        ),
        (template(container({"cpu": "1"}), volumes=[{"emptyDir": {"sizeLimit": "1Gi"}}]), {"cpu": "1"}),
        (template(container({"cpu": "1"}), resources={"requests": {"cpu": "3"}}), {"cpu": "3"}),
    ],
)
def test_a_pod_takes_what_the_scheduler_counts(pod: Json, takes: Json) -> None:
    wanted = {name: amount_of(value) for name, value in takes.items()}
    assert pod_requests(pod) == {**wanted, "pods": 1}


def test_a_limit_range_fills_in_what_the_template_does_not_say() -> None:
    given = LimitRangeView("defaults", amounts(cpu="200m", memory="128Mi"), amounts(cpu="1", memory="256Mi"))
    need = pod_need(template(container({"cpu": "500m"}), container(limits={"cpu": "2"})), [given])
    assert need.requests == amounts(cpu="2.5", memory="256Mi", pods="1")
    assert need.limits == amounts(cpu="3", memory="512Mi")


@pytest.mark.parametrize(
    ("hard", "used", "refused"),
    [
        ({"requests_cpu": "2"}, {"requests_cpu": "500m"}, False),
        ({"requests_cpu": "2"}, {"requests_cpu": "501m"}, True),
        ({"cpu": "1"}, {}, True),
        ({"limits_cpu": "3"}, {"limits_cpu": "1"}, True),
        ({"memory": "192Mi"}, {}, False),
        ({"requests_memory": "100Mi"}, {}, True),
        ({"limits_memory": "100Mi"}, {}, True),
        ({"pods": "3"}, {"pods": "1"}, True),
        ({"count/pods": "3"}, {"count/pods": "1"}, True),
        ({"requests_ephemeral-storage": "2Gi"}, {}, True),
        ({"ephemeral-storage": "3Gi"}, {}, False),
        ({"requests_nvidia_com/gpu": "2"}, {}, True),
        ({"services": "0", "requests_storage": "0", "persistentvolumeclaims": "0"}, {}, False),
    ],
)
def test_every_line_of_a_quota_counts_that_pods_take_from(hard: Json, used: Json, refused: bool) -> None:
    asked = {"cpu": "500m", "memory": "64Mi", "ephemeral-storage": "1Gi", "nvidia.com/gpu": "1"}
    pods = template(container(asked, {"cpu": "1", "memory": "64Mi"}))
    observed = seen(quotas=(quota(hard=hard, used=used),))
    assert (capacity.quota_refusal(observed, pods, 3) is not None) is refused
    scoped = seen(quotas=(quota(hard=hard, used=used, scoped=True),))
    assert capacity.quota_refusal(scoped, pods, 3) is None


def test_a_quota_that_is_used_up_is_told_with_its_name_and_figures() -> None:
    observed = seen(quotas=(quota(hard={"requests_cpu": "2"}, used={"requests_cpu": "1300m"}),))
    assert capacity.quota_refusal(observed, HALF, 3) == Failure(
        reason="QuotaExceeded",
        message="In namespace clinic, quota small allows 2 requests.cpu and 1300m are used, 3 more pods need 1500m: "
        "1 fits now. Raise the quota or free some of it, or lower spec.serving.resources or "
        "spec.autoscaling.minReplicas.",
    )


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"maximum": amounts(cpu="400m")}, "container server has 500m requests.cpu, it wants at most 400m"),
        ({"minimum": amounts(cpu="1")}, "container server has 500m requests.cpu, it wants at least 1"),
        ({"maximum": amounts(cpu="4")}, "container server has no limits.cpu, it wants at most 4"),
        ({"minimum": amounts(cpu="500m")}, None),
        ({"minimum": amounts(memory="64Mi")}, "container server has no requests.memory, it wants at least 64Mi"),
        ({"maximum": amounts(cpu="4"), "default_limits": amounts(cpu="4")}, None),
    ],
)
def test_a_limit_range_that_refuses_the_pods_is_told(bounds: Json, words: str | None) -> None:
    observed = seen(node("a"), limit_ranges=(LimitRangeView("bounds", **bounds),))
    refused, found = capacity.quota_refusal(observed, HALF, 1), capacity.check(observed, HALF, 1)
    assert found is not None
    assert found.fits == (1 if words is None else 0)
    assert (refused and refused.reason) == (words and "LimitExceeded")
    assert words is None or (refused is not None and f"LimitRange bounds refuses the pods: {words}." in refused.message)
    assert words is None or f"limitRange bounds refuses the pods: {words}" in found.message


def test_a_quota_on_what_the_pods_do_not_say_is_told() -> None:
    observed = seen(quotas=(quota(hard={"limits_memory": "8Gi", "requests_cpu": "8"}),))
    refused = capacity.quota_refusal(observed, HALF, 1)
    assert refused is not None
    assert refused.reason == "ResourcesNotSet"
    assert "limits.memory" in refused.message
    assert "requests.cpu" not in refused.message


def test_what_a_runtime_takes_itself_sets_no_limit_where_there_is_none() -> None:
    pod = template(container({"cpu": "1"}, {"cpu": "2"}), overhead={"cpu": "250m", "memory": "64Mi"})
    assert pod_need(pod).limits == {"cpu": amount_of("2.25")}
