"""How many pods would get a place: what a pod takes, which nodes are open to it, what quotas let in, and the words."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from tests.rollout.world import START, serving, spec
from verdigris.api.status import Failure
from verdigris.resources.quantity import amount_of
from verdigris.rollout import capacity
from verdigris.rollout.capacity_needs import pod_need, pod_requests
from verdigris.rollout.capacity_nodes import closed
from verdigris.rollout.observed import (
    Amounts,
    LimitRangeView,
    NodeView,
    Observed,
    PodView,
    QuotaView,
    Survey,
    Taint,
)

Json = dict[str, Any]
REVISION = "v2-0"


def amounts(**given: str) -> Amounts:
    """`cpu="500m"`; an underscore is a dot, as in `requests_cpu`."""
    return {name.replace("_", "."): amount_of(value) for name, value in given.items()}


def container(requests: Json | None = None, limits: Json | None = None, **rest: Any) -> Json:
    return {"name": "server", "resources": {"requests": requests or {}, "limits": limits or {}}, **rest}


def template(*containers: Json, init: tuple[Json, ...] = (), **rest: Any) -> Json:
    labels = {"verdigris.dev/revision": REVISION}
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": list(containers), "initContainers": list(init), **rest},
    }


HALF = template(container({"cpu": "500m"}))


def node(name: str, cpu: str = "4", used: str = "0", **rest: Any) -> NodeView:
    can = amounts(cpu=cpu, memory="8Gi", pods="110")
    return NodeView(name, **({"allocatable": can, "requested": amounts(cpu=used, pods="0")} | rest))


@cache
def _served() -> Observed:
    return serving("1.0.0").observe()


def seen(*nodes: NodeView, **survey: Any) -> Observed:
    """A model with version 1.0.0 in service, and this survey."""
    return replace(_served(), survey=Survey(START, nodes, **survey))


def quota(name: str = "small", hard: Json | None = None, used: Json | None = None, **rest: Any) -> QuotaView:
    return QuotaView(name, amounts(**(hard or {})), amounts(**(used or {})), **rest)


def pending(name: str, revision: str = REVISION, **rest: Any) -> PodView:
    return PodView(name, name, "green", revision, START, False, phase="Pending", **rest)


# what a pod takes


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


# which nodes are open

GPU = Taint("gpu", "only", "NoSchedule")


@pytest.mark.parametrize(
    ("state", "pod", "why"),
    [
        ({}, {}, None),
        ({"ready": False}, {"tolerations": [{"operator": "Exists"}]}, "is not ready"),
        ({"cordoned": True}, {}, "is cordoned"),
        ({"cordoned": True, "taints": (Taint("node.kubernetes.io/unschedulable"),)}, {}, "is cordoned"),
        (
            {"cordoned": True, "taints": (Taint("node.kubernetes.io/unschedulable"),)},
            {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]},
            None,
        ),
        ({"taints": (GPU,)}, {}, "has the taint gpu=only:NoSchedule"),
        ({"taints": (Taint("slow", "", "NoExecute"),)}, {}, "has the taint slow:NoExecute"),
        ({"taints": (Taint("slow", "", "PreferNoSchedule"),)}, {}, None),
        ({"taints": (GPU,)}, {"tolerations": [{"key": "gpu", "value": "only"}]}, None),
        ({"taints": (GPU,)}, {"tolerations": [{"key": "gpu", "value": "other"}]}, "has the taint gpu=only:NoSchedule"),
        ({"taints": (GPU,)}, {"tolerations": [{"key": "gpu", "operator": "Exists"}]}, None),
        ({"taints": (GPU,)}, {"tolerations": [{"operator": "Exists"}]}, None),
        ({"taints": (GPU,)}, {"tolerations": [{"value": "only"}]}, "has the taint gpu=only:NoSchedule"),
        (
            {"taints": (GPU,)},
            {"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]},
            "has the taint gpu=only:NoSchedule",
        ),
        ({"labels": {"disk": "ssd"}}, {"nodeSelector": {"disk": "ssd"}}, None),
        ({"labels": {"disk": "hdd"}}, {"nodeSelector": {"disk": "ssd"}}, "does not have the labels disk=ssd"),
    ],
)
def test_a_node_is_open_or_says_why_not(state: Json, pod: Json, why: str | None) -> None:
    found = closed(node("a", **state), pod)
    assert (found and found.one) == why


@pytest.mark.parametrize(
    ("key", "operator", "values", "matches"),
    [
        ("zone", "In", ["a", "b"], True),
        ("zone", "In", ["b"], False),
        ("lost", "In", ["b"], False),
        ("zone", "NotIn", ["a"], False),
        ("lost", "NotIn", ["a"], True),
        ("zone", "Exists", [], True),
        ("lost", "Exists", [], False),
        ("zone", "DoesNotExist", [], False),
        ("lost", "DoesNotExist", [], True),
        ("cores", "Gt", ["8"], True),
        ("cores", "Gt", ["16"], False),
        ("cores", "Lt", ["17"], True),
        ("cores", "Lt", ["16"], False),
        ("zone", "Gt", ["1"], False),
        ("lost", "Lt", ["1"], False),
    ],
)
def test_node_affinity_is_obeyed(key: str, operator: str, values: list[str], matches: bool) -> None:
    demand = {"key": key, "operator": operator, "values": values}
    assert _open(demand) is matches


def _open(*demands: Json, **term: Any) -> bool:
    return _attracts({"matchExpressions": list(demands), **term})


def _attracts(*terms: Json) -> bool:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    labels = {"zone": "a", "cores": "16"}
    return closed(node("n1", labels=labels), {"affinity": {"nodeAffinity": required}}) is None


def test_one_term_of_an_affinity_is_enough_and_all_its_demands_are_needed() -> None:
    zone, no_zone = {"key": "zone", "operator": "Exists"}, {"key": "zone", "operator": "DoesNotExist"}
    assert _attracts({"matchExpressions": [no_zone]}, {"matchExpressions": [zone]})
    assert not _open(zone, no_zone)
    assert not _attracts({})
    assert not _attracts()


def test_an_affinity_may_name_its_nodes() -> None:
    for name, matches in (("n1", True), ("n2", False)):
        field = {"key": "metadata.name", "operator": "In", "values": [name]}
        assert _attracts({"matchFields": [field]}) is matches


# how many fit, in words


@pytest.mark.parametrize(
    ("observed", "count", "fits", "message"),
    [
        (
            seen(node("a", "1", "700m"), node("b", "1", "300m")),
            3,
            1,
            "needs 3 x 500m CPU; 2 nodes have 300m and 700m CPU free: 1 fits now, the next one lacks 200m CPU on a",
        ),
        (seen(node("a")), 3, 3, "needs 3 x 500m CPU: all fit now"),
        (seen(node("a")), 1, 1, "needs 1 x 500m CPU: it fits now"),
        (
            seen(node("a", "1"), node("b", cordoned=True), node("c", taints=(GPU,)), node("d", taints=(GPU,))),
            3,
            2,
            "needs 3 x 500m CPU; 1 node has 1 CPU free; 2 nodes have the taint gpu=only:NoSchedule; 1 node is "
            "cordoned: 2 fit now, the next one lacks 500m CPU on a",
        ),
        (
            seen(node("a", ready=False)),
            1,
            0,
            "needs 1 x 500m CPU; no node is open to it; 1 node is not ready: none fits now",
        ),
        (
            seen(node("a", allocatable=amounts(cpu="8", pods="4"), requested=amounts(pods="3"))),
            2,
            1,
            "needs 2 x 500m CPU; 1 node has 1 pod slot free: 1 fits now, the next one lacks 1 pod slot on a",
        ),
        (
            seen(*(node(f"n{number}", "1", f"{700 + number}m") for number in range(9))),
            2,
            0,
            "needs 2 x 500m CPU; 9 nodes have at most 300m CPU free: none fits now, the next one lacks 200m CPU on n0",
        ),
        (
            seen(node("a"), quotas=(quota(hard={"requests_cpu": "2"}, used={"requests_cpu": "1300m"}),)),
            3,
            1,
            "needs 3 x 500m CPU; quota small has 1300m of 2 requests.cpu in use: 1 fits now",
        ),
        (
            seen(
                node("a"),
                quotas=(quota(hard={"requests_cpu": "1"}, used={"requests_cpu": "2"}), quota("b", {"pods": "9"})),
            ),
            1,
            0,
            "needs 1 x 500m CPU; quota small has 2 of 1 requests.cpu in use: none fits now",
        ),
        (
            seen(problem="nodes may not be read", quotas=(quota(hard={"pods": "5"}, used={"pods": "3"}),)),
            3,
            2,
            "needs 3 x 500m CPU; quota small has 3 of 5 pods in use: 2 fit now",
        ),
    ],
)
def test_the_answer_says_what_is_short_and_where(observed: Observed, count: int, fits: int, message: str) -> None:
    found = capacity.check(observed, HALF, count)
    assert found is not None
    assert (found.needed, found.fits, found.message) == (count, fits, message)


def test_several_resources_are_told_where_each_is_short() -> None:
    big = template(container({"cpu": "1", "memory": "3Gi"}))
    tight = seen(
        node("a", allocatable=amounts(cpu="4", memory="4Gi", pods="9"), requested={}),
        node("b", allocatable=amounts(cpu="500m", memory="9Gi", pods="9"), requested={}),
    )
    found = capacity.check(tight, big, 2)
    assert found is not None
    assert found.message == (
        "needs 2 x 1 CPU and 3Gi memory; 2 nodes have 500m and 4 CPU and 4Gi and 9Gi memory free: 1 fits now, "
        "the next one lacks 500m CPU on b"
    )


def test_a_pod_that_requests_nothing_needs_a_slot() -> None:
    found = capacity.check(seen(node("a", allocatable=amounts(pods="1"))), template(container()), 2)
    assert found is not None
    assert found.fits == 1
    assert found.message.startswith("needs 2 pod slots; 1 node has 1 pod slot free")


def test_nobody_has_looked() -> None:
    assert capacity.check(replace(seen(), survey=None), HALF, 3) is None
    assert capacity.check(seen(problem="nodes may not be read"), HALF, 3) is None
    assert capacity.quota_refusal(replace(seen(), survey=None), HALF, 3) is None


def test_pods_that_are_pending_already_are_not_counted_twice_in_a_quota() -> None:
    full = (quota(hard={"pods": "4"}, used={"pods": "4"}),)
    observed = seen(node("a"), quotas=full)
    observed = replace(observed, pods=(*observed.pods, pending("p1"), pending("p2")))
    found = capacity.check(observed, HALF, 2)
    assert found is not None
    assert found.fits == 2
    assert capacity.quota_refusal(observed, HALF, 2) is None
    refused = capacity.quota_refusal(observed, HALF, 3)
    assert refused is not None
    assert "1 more pod needs 1" in refused.message


# quotas and limit ranges


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


# when to look, and when to try again


def test_nodes_are_looked_at_while_candidate_pods_have_no_place() -> None:
    world = serving("1.0.0")
    assert not capacity.wants_survey(world.observe())
    world.apply(spec("2.0.0")).reconcile()
    assert capacity.wants_survey(world.observe())
    world.reconcile()
    observed = world.observe()
    rollout = observed.status.rollout
    assert rollout is not None
    checked = rollout.model_copy(update={"capacity": capacity.check(seen(node("a")), HALF, 1)})
    observed = replace(observed, status=observed.status.model_copy(update={"rollout": checked}))
    assert capacity.wants_survey(observed)
    placed = tuple(replace(pod, node="a") for pod in observed.pods)
    assert not capacity.wants_survey(replace(observed, pods=placed))
    over = tuple(replace(pod, node="a", phase="Failed") for pod in observed.pods)
    assert capacity.wants_survey(replace(observed, pods=over))


def refused_once(quotas: tuple[QuotaView, ...], reason: str = "QuotaExceeded") -> Observed:
    """The active colour's Deployment was refused a pod."""
    observed = seen(quotas=quotas)
    color = observed.status.active.color if observed.status.active else "blue"
    trouble = Failure(reason=reason, message="exceeded quota: small")
    deployments = {color: replace(observed.deployments[color], trouble=trouble)}
    return replace(observed, deployments=deployments)


@pytest.mark.parametrize(
    ("used", "reason", "again"),
    [("3", "QuotaExceeded", True), ("4", "QuotaExceeded", False), ("3", "Forbidden", False)],
)
def test_pods_are_tried_again_when_the_quota_has_room(used: str, reason: str, again: bool) -> None:
    observed = refused_once((quota(hard={"pods": "4"}, used={"pods": used}),), reason)
    assert capacity.quota_has_room_again(observed, "blue") is again
    assert capacity.retry_mark(observed, "blue") == ("small: pods 3 of 4" if again else None)
    assert not capacity.quota_has_room_again(observed, "green")


def test_a_refusal_by_a_quota_wants_another_look_and_stands_when_none_can_be_seen() -> None:
    observed = refused_once(())
    assert capacity.wants_survey(observed)
    assert not capacity.quota_has_room_again(observed, "blue")
    assert not capacity.quota_has_room_again(replace(observed, survey=None), "blue")
