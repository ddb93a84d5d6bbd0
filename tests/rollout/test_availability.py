"""A candidate that cannot answer loses its clients at once, and is not rejected for what its surroundings did."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.test_rollout import bake
from tests.rollout.trial_cases import EXPOSED, MINUTE, REVISIONS, SECOND, START, ended, nodes, pod, rebooted, trial
from tests.rollout.world import World
from verdigris.api.status import EvidenceStatus, Failure, RemovedPod, Sizes
from verdigris.core.engine.taking_back import AGAIN
from verdigris.core.facts.observed import ContainerView, DeploymentView, PodView
from verdigris.core.judges.availability import DEBOUNCE, unavailable
from verdigris.core.judges.candidate import fault_of_candidate
from verdigris.core.turn import Turn

AT = EXPOSED + MINUTE
AGENT = ContainerView("log-shipper", running_since=START, ready=False)
UNREADY = pod(ready=False, ready_changed=AT)


def off(view: PodView, **changes: Any) -> PodView:
    """The same pod, which is not ready any more."""
    return replace(view, ready=False, ready_changed=AT, **changes)


def test_one_blip_of_the_only_pod_moves_the_clients_and_is_no_fault() -> None:
    turn = trial(UNREADY, now=AT + SECOND)
    lost = unavailable(turn)
    assert lost is not None
    assert lost.failure.reason == "CandidateUnavailable"
    assert "No pod of the candidate is ready any more" in lost.failure.message
    assert "g0" in lost.failure.message
    assert not lost.excused, "nobody knows why, so it must not happen again and again"
    assert fault_of_candidate(turn) is None


@pytest.mark.parametrize("well", [(pod(),), (UNREADY, pod("g1"))], ids=["its pod", "one of its pods"])
def test_while_one_pod_answers_it_is_available(well: tuple[PodView, ...]) -> None:
    assert unavailable(trial(*well)) is None


@pytest.mark.parametrize(
    ("pods", "around", "says"),
    [
        pytest.param(
            (off(pod(), terminating=True, evicting="EvictionByEvictionAPI"),),
            nodes(cordoned="n1"),
            "evicted from node n1",
            id="a drain",
        ),
        pytest.param(
            (off(pod(), terminating=True),),
            nodes(cordoned="n1"),
            "cordoned: it is being drained",
            id="deleted from a cordoned node",
        ),
        pytest.param(
            (off(pod(), evicting="PreemptionByScheduler"),), nodes(), "PreemptionByScheduler", id="preemption"
        ),
        pytest.param((off(pod()),), nodes("n1"), "Node n1 of pod g0 is not ready", id="its node is down"),
        pytest.param((off(pod()),), nodes()[1:], "Node n1 of pod g0 is gone", id="its node is gone"),
        pytest.param((off(pod(), terminating=True),), nodes(), "Pod g0 was deleted", id="somebody deleted it"),
        pytest.param(
            (off(pod("g9", created=AT)),),
            nodes(),
            "were removed, and the new ones",
            id="its successor is not ready yet",
        ),
        pytest.param(
            (off(pod("g9", created=EXPOSED - 0.6 * SECOND)),),
            nodes(),
            "were removed, and the new ones",
            id="its successor bears the second in which the clients came, cut off",
        ),
        pytest.param((), nodes(), "somebody has removed them", id="no pod at all"),
        pytest.param((off(rebooted(pod(), AT)),), nodes(), "started anew with its node n1", id="its node rebooted"),
        pytest.param(
            (off(pod(), containers=(*pod().containers, AGENT)),), nodes(), "log-shipper", id="an injected sidecar"
        ),
    ],
)
def test_what_its_surroundings_did_is_told_and_excused(pods: tuple[PodView, ...], around: Any, says: str) -> None:
    turn = trial(*pods, pod("b0", "blue", node="n3"), now=AT + 2 * SECOND, nodes=around)
    lost = unavailable(turn)
    assert lost is not None
    assert lost.excused
    assert says in lost.failure.message
    assert fault_of_candidate(turn) is None


@pytest.mark.parametrize("code", [1, 137, 143])
def test_a_server_that_ended_once_is_no_excuse_and_no_fault_yet(code: int) -> None:
    """K15: all servers are killed right after the switch. Clients are moved in this very look."""
    killed = [off(ended(pod(f"g{n}"), AT, code)) for n in range(1 if code == 1 else 2)]
    turn = trial(*killed, now=AT + SECOND)
    lost = unavailable(turn)
    assert lost is not None
    assert not lost.excused
    assert "keeps" not in lost.failure.message
    assert fault_of_candidate(turn) is None


def test_a_crash_loop_is_the_version_s_fault_although_no_pod_is_ready() -> None:
    loop = off(ended(ended(pod(), AT), AT + SECOND))
    failure = fault_of_candidate(trial(loop, now=AT + 2 * SECOND))
    assert failure is not None
    assert failure.reason == "CandidateCrashing"


def test_answers_that_are_wrong_are_its_fault_before_anything_else() -> None:
    turn = trial(pod())
    evidence = EvidenceStatus(verdict="Fail", reason="ErrorRateTooHigh", message="too many")
    failure = fault_of_candidate(turn.change_rollout(evidence=evidence))
    assert failure is not None
    assert (failure.reason, failure.message) == ("ErrorRateTooHigh", "too many")


@pytest.mark.parametrize(("at", "excused"), [(AT, False), (EXPOSED, False), (EXPOSED - SECOND, True)])
def test_what_the_operator_itself_evicted_as_stuck_is_no_excuse(at: datetime, excused: bool) -> None:
    turn = trial(off(pod("g9", created=AT)), now=AT + SECOND)
    removed = RemovedPod(
        pod="g0", uid="uid-g0", color="green", kind="CrashLoop", remedy="Evict", message="stuck", at=at
    )
    lost = unavailable(turn.change(removed=(removed,)))
    assert lost is not None
    assert lost.excused is excused


def test_new_pods_beside_one_that_it_had_all_along_are_no_excuse() -> None:
    lost = unavailable(trial(off(pod("g0", created=EXPOSED - MINUTE)), off(pod("g9", created=AT)), now=AT + SECOND))
    assert lost is not None
    assert not lost.excused


def test_what_keeps_its_pods_from_being_ready_is_told() -> None:
    trouble = Failure(reason="FailedCreate", message="the webhook does not answer")
    deployment = DeploymentView("uid-green", 2, REVISIONS["green"], trouble=trouble)
    lost = unavailable(trial(UNREADY, now=AT + SECOND, deployments={"green": deployment}))
    assert lost is not None
    assert lost.failure.message == "No pod of the candidate is ready any more. the webhook does not answer"


# Whom the clients would go to


def no_active(turn: Turn) -> Turn:
    """The same with no active pod that answers."""
    observed = replace(turn.observed, endpoints={"blue": 0, "green": 0})
    return replace(turn, observed=observed)


def test_clients_are_not_moved_where_nobody_would_answer_either() -> None:
    assert unavailable(no_active(trial(UNREADY))) is None


def test_where_active_pods_have_to_be_made_anew_a_blip_is_waited_for_and_a_longer_silence_is_not() -> None:
    sizes = Sizes(active=0, candidate=1)
    blip = no_active(trial(UNREADY, now=AT + DEBOUNCE - SECOND)).change_rollout(sizes=sizes)
    assert unavailable(blip) is None
    late = no_active(trial(UNREADY, now=AT + DEBOUNCE)).change_rollout(sizes=sizes)
    assert unavailable(late) is not None
    before = pod("g1", ready=False, ready_changed=AT - MINUTE)
    last = no_active(trial(before, UNREADY, now=AT + DEBOUNCE - SECOND)).change_rollout(sizes=sizes)
    assert unavailable(last) is None, "nobody has answered since the last of them ceased to"


def test_where_they_have_to_be_made_anew_a_pod_that_was_evicted_has_time_to_come_back() -> None:
    successor = pod("g9", ready=False, created=AT)
    for after, moved in ((DEBOUNCE, False), (2 * MINUTE - SECOND, False), (2 * MINUTE, True)):
        turn = no_active(trial(successor, now=AT + after)).change_rollout(sizes=Sizes(active=0, candidate=1))
        assert (unavailable(turn) is not None) is moved


# In a rollout


def one_pod(**rollout: str) -> World:
    """A model with one pod, whose version 1.1.0 has the clients."""
    size = {"minReplicas": 1, "maxReplicas": 1}
    world = World(spec("1.0.0", autoscaling=size)).run(130)
    bake(world.apply(spec("1.1.0", autoscaling=size, rollout=rollout)))
    return world.run(5)


def blip(world: World) -> World:
    """Its pod is not ready for a moment; clients are off it at the very look that sees that, and come back."""
    world.unready.add("green")
    world.run(1)
    assert world.selected == "blue"
    assert world.status.rejected == ()
    world.unready.clear()
    return has_clients_again(world)


def has_clients_again(world: World) -> World:
    """Its pod is ready and it bakes again."""
    for _ in range(40):
        world.run(1)
        if world.status.rollout is not None and world.status.rollout.stage == "Baking":
            return world
    raise AssertionError(f"never: {world.status.rollout}")


def replaced(world: World) -> World:
    """Its pod is evicted from a node that is drained, and another is made elsewhere."""
    world.pods = [simulated for simulated in world.pods if simulated.view.color != "green"]
    world.run(1)
    assert world.selected == "blue"
    return has_clients_again(world)


def test_d7_one_blip_of_a_one_pod_model_costs_a_moment_and_no_version() -> None:
    world = blip(one_pod())
    assert world.selected == "green"
    world.run(60)
    assert world.status.active is not None
    assert world.status.active.version == "1.1.0"
    assert world.status.history[-1].outcome == "Promoted"


def test_a_version_whose_pods_do_not_come_back_ends_at_its_deadline_and_not_before() -> None:
    world = one_pod(bake="24h")
    world.unready.add("green")
    world.run(55)
    assert world.selected == "blue"
    assert world.status.rejected == ()
    world.run(30)
    assert world.status.rollout is None
    assert world.status.history[-1].outcome == "Failed"


def test_a_version_that_is_unavailable_again_and_again_with_no_reason_is_taken_back() -> None:
    world = one_pod(bake="24h")
    for _ in range(AGAIN):
        blip(world)
        assert world.selected == "green"
    world.unready.add("green")
    world.run(2)
    assert world.status.last_rollback is not None
    assert world.status.last_rollback.reason == "CandidateUnavailable"
    world.run(20)
    assert world.status.rejected[-1].version == "1.1.0"


def test_k23_nodes_that_are_drained_one_after_the_other_are_not_counted() -> None:
    world = one_pod(bake="24h")
    for _ in range(2 * AGAIN):
        replaced(world)
        assert world.selected == "green"
    assert world.status.rejected == ()
    assert world.status.rollout is not None
    assert world.status.rollout.again == 0
