"""How many pods would get a place, in words; when to look, and when to try again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.rollout.capacity_cases import (
    GPU,
    HALF,
    amounts,
    container,
    node,
    pending,
    quota,
    seen,
    template,
)
from tests.rollout.parts import spec
from tests.rollout.world import serving
from verdigris.api.status import Failure
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.survey import QuotaView
from verdigris.core.pods.room import fit as capacity

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
    found = capacity.check(observed, HALF, 3)
    assert found is not None
    assert (found.fits, found.message) == (
        2,
        "needs 3 x 500m CPU; quota small has 4 of 4 pods in use: 2 fit now",
    )


def test_pods_on_their_way_out_wait_for_no_place() -> None:
    observed = seen(node("a"), quotas=(quota(hard={"pods": "4"}, used={"pods": "4"}),))
    gone = (pending("p1", terminating=True), replace(pending("p2"), phase="Failed"), pending("p3", revision="v1-0"))
    found = capacity.check(replace(observed, pods=(*observed.pods, *gone)), HALF, 2)
    assert found is not None
    assert found.fits == 0


# when to look, and when to try again


def test_nodes_are_looked_at_while_candidate_pods_have_no_place() -> None:
    world = serving("1.0.0")
    assert not capacity.wants_survey(world.observe())
    world.apply(spec("2.0.0")).reconcile()
    assert capacity.wants_survey(world.observe())
    world.reconcile()
    observed = world.observe()
    assert observed.status.rollout is not None
    assert observed.status.rollout.capacity is None
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
    assert not capacity.quota_has_room_again(observed, "green")


def test_a_refusal_by_a_quota_wants_another_look_and_stands_when_none_can_be_seen() -> None:
    observed = refused_once(())
    assert capacity.wants_survey(observed)
    assert not capacity.quota_has_room_again(observed, "blue")
    assert not capacity.quota_has_room_again(replace(observed, survey=None), "blue")


def test_a_refusal_by_a_quota_with_scopes_stands_whatever_room_other_quotas_have() -> None:
    quotas = (quota(hard={"pods": "1"}, scoped=True), quota("large", hard={"pods": "9"}))
    assert not capacity.quota_has_room_again(refused_once(quotas), "blue")


# what no freed place would help


@pytest.mark.parametrize(
    ("observed", "too_large"),
    [
        (seen(node("a", "1", "900m")), False),
        (seen(node("a", "400m"), node("b", "1", cordoned=True)), True),
        (seen(node("a", "400m"), node("b", "1", "1")), False),
        (seen(), False),
    ],
)
def test_a_pod_is_too_large_when_no_open_node_could_take_it_empty(observed: Observed, too_large: bool) -> None:
    assert capacity.no_node_is_large_enough(observed, HALF) is too_large
