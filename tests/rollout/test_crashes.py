"""A version is judged on itself: how often its servers end, by container and cause, beside the active version's."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollout.parts import spec
from tests.rollout.test_rollout import bake
from tests.rollout.trial_cases import (
    EXPOSED,
    FETCHED,
    HOUR,
    MINUTE,
    REVISIONS,
    SECOND,
    START,
    ended,
    nodes,
    pod,
    rebooted,
    trial,
)
from tests.rollout.world import serving
from verdigris.api.status import ModelDeploymentStatus, WarmStatus
from verdigris.core.facts.observed import ContainerView, Exit, PodEvent, PodView
from verdigris.core.judges.crashes import PER_CONTAINER, PER_REVISION, TOGETHER, crashing, remember_exits
from verdigris.core.pods.diagnosis.chain import wants_nodes
from verdigris.core.turn import Turn

AT = EXPOSED + MINUTE


def looks(*seen: tuple[datetime, tuple[PodView, ...]], **rest: object) -> Turn:
    """One look after the other, each with the status that the last one left, as the API server gives it back."""
    turn: Turn | None = None
    for now, pods in seen:
        if turn is not None:
            kept = ModelDeploymentStatus.parse(turn.status.dump())
            turn = replace(turn, status=kept, observed=replace(turn.observed, status=kept))
        turn = trial(*pods, now=now, before=turn, **rest)
    assert turn is not None
    return turn


# What counts


@pytest.mark.parametrize(("code", "reason"), [(1, "Error"), (139, "Error"), (137, "OOMKilled"), (127, "StartError")])
def test_two_faults_of_its_own_within_the_window_are_a_crash_of_the_version_in_whichever_pods(
    code: int, reason: str
) -> None:
    one = ended(pod("g0"), AT, code, reason)
    assert crashing(trial(one, pod("g1"))) is None, "one end is an accident"
    two = looks((AT, (one, pod("g1"))), (AT + MINUTE, (one, ended(pod("g1", node="n3"), AT + MINUTE, code, reason))))
    failure = crashing(two)
    assert failure is not None
    assert failure.reason == "CandidateCrashing"
    assert "Servers of version 1.1.0 ended 2 times within 10 minutes, those of 1.0.0 never" in failure.message
    assert "in pod g1 on node n3" in failure.message
    assert "keeps" not in failure.message, "neither of them ended twice"


@pytest.mark.parametrize("code", [0, 137, 143, 1])
def test_a_server_that_ends_twice_within_the_window_is_no_accident_whatever_ended_it(code: int) -> None:
    once = ended(pod(), AT, code)
    assert crashing(looks((AT, (once,)), (AT + MINUTE, (ended(once, AT + MINUTE, code),)))) is not None


@pytest.mark.parametrize("apart", [11 * MINUTE, HOUR, 12 * HOUR])
@pytest.mark.parametrize("same", [True, False], ids=["of one pod", "of two pods"])
def test_ends_that_are_far_apart_are_not_added_up(apart: object, same: bool) -> None:
    later = AT + apart  # type: ignore[operator]
    first = ended(pod("g0"), AT)
    second = (ended(first, later), pod("g1")) if same else (first, ended(pod("g1"), later))
    assert crashing(looks((AT, (first, pod("g1"))), (later, second))) is None


def test_the_end_of_each_server_once_by_a_signal_is_somebody_s_doing() -> None:
    """Everything on a node is killed: by a person, by its runtime, by whatever."""
    assert crashing(trial(*(ended(pod(f"g{n}"), AT, 137) for n in range(5)))) is None


# Whoever replaced the pod


def test_ends_of_pods_that_are_gone_count() -> None:
    first, second = ended(pod("g0"), AT), ended(pod("g1"), AT + MINUTE)
    turn = looks((AT, (first,)), (AT + 30 * SECOND, (pod("g1"),)), (AT + MINUTE, (second,)))
    assert crashing(turn) is not None
    assert crashing(looks((AT + 2 * MINUTE, (pod("g2"),)))) is None
    gone = trial(pod("g2"), now=AT + 2 * MINUTE, before=turn)
    assert crashing(gone) is not None


def test_ends_that_nobody_saw_between_two_looks_are_counted() -> None:
    once = ended(pod(), AT)
    often = ended(ended(once, AT), AT + MINUTE)
    turn = looks((AT, (once,)), (AT + MINUTE, (often,)))
    assert [(entry.ends, entry.count) for entry in turn.rollout.exits] == [(1, 1), (3, 2)]


def test_restarts_from_before_anybody_looked_are_not_taken_for_fresh_ones() -> None:
    """An operator that was upgraded in the middle of a long bake knows only of the last end when it was."""
    server = ContainerView("server", restarts=7, running_since=AT + SECOND, exit=ended(pod(), AT).containers[-1].exit)
    old = replace(pod(created=AT - 24 * HOUR), containers=(server,))
    assert crashing(trial(old)) is None
    young = replace(old, created=AT - MINUTE)
    assert crashing(trial(young)) is not None


# Its surroundings


@pytest.mark.parametrize("code", [255, 137, 143, 0, 1])
def test_a_node_that_reboots_is_not_held_against_the_version(code: int) -> None:
    turn = trial(*(rebooted(pod(f"g{n}"), AT, code, "Error") for n in range(4)))
    assert crashing(turn) is None
    assert {entry.cause for entry in turn.rollout.exits} == {"SandboxChanged"}


def test_a_node_that_reboots_again_and_again_is_not_either() -> None:
    view, seen = pod(), []
    for number in range(5):
        view = rebooted(view, AT + number * MINUTE, 1, "Error")
        seen.append((AT + number * MINUTE + 10 * SECOND, (view,)))
    assert crashing(looks(*seen)) is None


def test_a_server_that_ends_in_the_very_second_of_its_init_step_has_crashed() -> None:
    """Kubernetes cuts its times off to seconds."""
    assert FETCHED.exit is not None
    assert FETCHED.exit.at is not None
    assert [entry.cause for entry in trial(ended(pod(), FETCHED.exit.at)).rollout.exits] == ["Crashed"]


def test_a_server_that_waits_for_its_init_steps_again_has_a_new_sandbox() -> None:
    def waits(view: PodView) -> PodView:
        *others, server = view.containers
        return replace(view, containers=(*others, replace(server, waiting="PodInitializing", running_since=None)))

    again = [waits(ended(pod(f"g{n}"), AT)) for n in range(2)]
    assert {entry.cause for entry in trial(*again).rollout.exits} == {"SandboxChanged"}


@pytest.mark.parametrize(
    "around",
    [
        pytest.param(nodes("n1"), id="it does not report"),
        pytest.param(nodes(since=AT + MINUTE), id="it was away and is back"),
        pytest.param(nodes()[1:], id="it is gone"),
    ],
)
def test_ends_on_a_node_that_was_down_are_its(around: object) -> None:
    often = ended(ended(pod(), AT), AT)
    assert crashing(trial(often, nodes=around)) is None
    assert crashing(trial(often)) is not None, "control"


def test_what_comes_out_later_about_an_end_still_counts() -> None:
    """A node counts as lost only after 40 s."""
    often = ended(ended(pod(), AT), AT)
    before = trial(often)
    assert crashing(before) is not None
    after = trial(often, before=before, now=AT + MINUTE, nodes=nodes("n1"))
    assert crashing(after) is None
    assert crashing(trial(often, before=after, now=AT + 2 * MINUTE)) is None, "it stays so"


def test_a_node_whose_clock_is_ahead_brings_ends_that_are_far_apart_no_closer() -> None:
    first = ended(pod(), AT + HOUR)
    assert crashing(looks((AT, (first,)), (AT + 40 * MINUTE, (ended(first, AT + HOUR + 40 * MINUTE),)))) is None
    loop = ended(first, AT + HOUR + MINUTE)
    assert crashing(looks((AT, (first,)), (AT + MINUTE, (loop,)))) is not None, "and hides no crash loop"


def test_a_node_whose_clock_is_behind_hides_no_crash_loop_of_a_new_pod() -> None:
    fetched = replace(FETCHED, exit=Exit(0, "Completed", at=START - HOUR))
    first = ended(pod(containers=(fetched, pod().containers[-1])), EXPOSED - HOUR)
    second = ended(first, EXPOSED - HOUR + MINUTE)
    early = EXPOSED + 5 * SECOND
    assert crashing(looks((early, (first,)), (early + MINUTE, (second,)))) is not None


def test_a_node_whose_clock_is_behind_hides_no_crash_loop_of_an_old_pod() -> None:
    """Each end is new at its look, whatever the kubelet says of when it was."""
    begin, view = EXPOSED + 30 * MINUTE, pod()
    seen: list[tuple[datetime, tuple[PodView, ...]]] = [(begin, (view,))]
    for number in (1, 2):
        now = begin + number * MINUTE
        view = ended(view, now - 15 * MINUTE)
        seen.append((now, (view,)))
    assert crashing(looks(*seen)) is not None
    first, late = seen[1][1][0], begin + 30 * MINUTE
    again = (late, (first,)), (late + MINUTE, (ended(first, late - 14 * MINUTE),))
    assert crashing(looks(*seen[:2], *again)) is None, "those that are far apart stay so"


@pytest.mark.parametrize("reason", ["Unknown", "ContainerStatusUnknown"])
def test_an_end_that_the_kubelet_did_not_see_is_the_node_s(reason: str) -> None:
    assert crashing(trial(ended(ended(pod(), AT, 137, reason), AT, 137, reason))) is None


@pytest.mark.parametrize("gone", [{"terminating": True}, {"phase": "Failed", "reason": "Terminated"}])
def test_a_server_that_ends_with_its_pod_has_not_crashed(gone: dict[str, object]) -> None:
    leaving = [replace(ended(pod(f"g{n}"), AT, 143), **gone) for n in range(3)]  # type: ignore[arg-type]
    assert trial(*leaving).rollout.exits == ()


def test_a_pod_that_fills_its_own_disk_ends_by_its_own_fault_and_one_that_is_evicted_for_its_node_does_not() -> None:
    full = {"phase": "Failed", "reason": "Evicted", "ready": False}
    own = [pod(f"g{n}", message='Usage of EmptyDir volume "tmp" exceeds the limit "64Mi".', **full) for n in range(2)]
    assert crashing(trial(*own)) is not None
    others = [pod(f"g{n}", message="The node was low on resource: memory.", **full) for n in range(2)]
    assert crashing(trial(*others)) is None


def test_the_nodes_are_looked_at_for_as_long_as_they_may_explain_an_end() -> None:
    turn = trial(ended(pod(), AT), now=AT + SECOND)
    shortly, later = (replace(turn.observed, status=turn.status, seen_at=AT + after) for after in (SECOND, 10 * MINUTE))
    assert wants_nodes(shortly)
    assert not wants_nodes(later)
    exits = {"exits": turn.rollout.exits, "until": AT + HOUR}
    warm = WarmStatus(version="1.0.0", revision=REVISIONS["blue"], color="blue", **exits)
    assert wants_nodes(replace(shortly, status=turn.status.model_copy(update={"rollout": None, "warm": warm})))


# Beside the active version's pods


def test_what_ends_servers_of_both_versions_on_a_node_at_once_is_the_node() -> None:
    both = [ended(pod(f"g{n}", node="n1"), AT) for n in range(3)]
    beside = ended(pod("b0", "blue", node="n1"), AT + 20 * SECOND)
    assert crashing(trial(*both, beside)) is None
    well = pod("b1", "blue", node="n3")
    assert crashing(trial(*both, well, replace(beside, node="n2"))) is not None, "on another node it proves nothing"
    assert crashing(trial(*both, well, ended(pod("b0", "blue", node="n1"), AT - 5 * MINUTE))) is not None, "nor before"


@pytest.mark.parametrize(("pods", "crashes"), [(1, True), (2, False)])
def test_of_more_pods_more_faults_are_no_more(pods: int, crashes: bool) -> None:
    """Two faults, one in a pod that is gone by now, of so many pods, beside one in the active version's only pod."""
    gone = looks((AT, (ended(pod("g9"), AT), ended(pod("b0", "blue", node="n3"), AT))))
    ours = [ended(pod(f"g{n}"), AT) if n == 0 else pod(f"g{n}") for n in range(pods)]
    theirs = ended(pod("b0", "blue", node="n3"), AT)
    assert (crashing(trial(*ours, theirs, before=gone)) is not None) is crashes


@pytest.mark.parametrize(("apart", "node"), [(TOGETHER, True), (-TOGETHER, True), (TOGETHER + SECOND, False)])
def test_what_ends_together_ends_for_one_cause(apart: timedelta, node: bool) -> None:
    at = AT + 3 * MINUTE
    ours = [ended(pod("g0"), at), ended(pod("g1"), at)]
    beside = [ended(pod("b0", "blue", node="n1"), at + apart), pod("b1", "blue", node="n3")]
    assert (crashing(trial(*ours, *beside, now=at + 3 * MINUTE)) is None) is node


def test_one_end_of_the_active_version_excuses_no_crash_loop() -> None:
    beside = ended(pod("b0", "blue", node="n1"), AT)
    loop = ended(pod(node="n1"), AT)
    seen = [(AT, (loop, beside))]
    for number in range(1, 4):
        loop = ended(loop, AT + number * 10 * SECOND)
        seen.append((AT + number * 10 * SECOND, (loop, beside)))
    assert crashing(looks(*seen)) is not None


def test_a_version_that_crashes_no_more_than_the_active_one_is_not_rejected_for_it() -> None:
    """Whatever ends both (a dependency, a limit that is too low for either) is not what is new in it."""
    active = ended(ended(pod("b0", "blue", node="n3"), AT - MINUTE), AT)
    assert crashing(trial(ended(ended(pod(), AT - 3 * MINUTE), AT), active)) is None
    worse = ended(ended(ended(pod(), AT - 3 * MINUTE), AT - 3 * MINUTE), AT)
    assert crashing(trial(worse, active)) is not None


# What it counts by


def test_only_the_model_s_own_server_counts() -> None:
    agent = ContainerView("log-shipper", restarts=50, exit=ended(pod(), AT).containers[-1].exit)
    beside = [replace(pod(f"g{n}"), containers=(*pod().containers, agent)) for n in range(2)]
    native = [replace(view, containers=(replace(agent, init=True, sidecar=True), *pod().containers)) for view in beside]
    assert trial(*beside).rollout.exits == ()
    assert trial(*native).rollout.exits == ()


def test_a_server_that_the_kubelet_ended_for_its_probe_ended_by_its_own_fault() -> None:
    words = PodEvent("Unhealthy", "Liveness probe failed: timeout", 3, AT)
    killed = [ended(pod(f"g{n}"), AT, 137) for n in range(2)]
    assert crashing(trial(*killed, events={view.uid: (words,) for view in killed})) is not None


def test_ends_from_before_the_rollout_do_not_count() -> None:
    early = EXPOSED - 5 * MINUTE
    assert crashing(trial(ended(ended(pod(created=early - MINUTE), early), early))) is None


# The memory


def test_nothing_new_is_nothing_to_write() -> None:
    first = trial(ended(pod(), AT), ended(pod("b0", "blue"), AT))
    again = trial(ended(pod(), AT), ended(pod("b0", "blue"), AT), before=first, now=AT + 12 * HOUR)
    assert again.status is first.status
    quiet = trial(pod())
    assert quiet.rollout.exits == ()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=40))
def test_however_many_end_however_often_the_memory_is_bounded_and_at_rest(ends: list[tuple[int, int]]) -> None:
    views = {n: pod(f"g{n}", created=AT - 30 * MINUTE) for n in range(31)}
    turn: Turn | None = None
    for moment, (number, colour) in enumerate(ends):
        views[number] = ended(views[number], AT + moment * SECOND, colour)
        turn = trial(*views.values(), now=AT + moment * SECOND, before=turn)
    if turn is not None:
        kept = turn.rollout.exits
        assert len(kept) <= PER_REVISION
        assert all(sum(other.uid == entry.uid for other in kept) <= PER_CONTAINER for entry in kept)
        assert remember_exits(turn) is turn


def test_of_a_pod_the_last_ends_are_remembered() -> None:
    view, turn = pod(created=AT - 30 * MINUTE), None
    for number in range(PER_CONTAINER + 2):
        view = ended(view, AT + number * SECOND)
        turn = trial(view, now=AT + number * SECOND, before=turn)
    assert turn is not None
    assert [entry.ends for entry in turn.rollout.exits] == list(range(3, PER_CONTAINER + 3))


# In a rollout


def test_d5_a_node_reboot_in_a_long_bake_is_no_rollback() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0", rollout={"bake": "24h"}))).run(20)
    for simulated in world.pods:
        if simulated.view.color == "green":
            simulated.view = replace(simulated.view, restarts=1)
    world.run(5)
    assert world.selected == "green"
    assert world.status.last_rollback is None


def test_d5b_two_restarts_hours_apart_are_no_rollback() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0", rollout={"bake": "24h"}))).run(5)
    first, second = [simulated for simulated in world.pods if simulated.view.color == "green"][:2]
    first.view = replace(first.view, restarts=1)
    world.run(620)
    first.view = replace(first.view, restarts=2)
    second.view = replace(second.view, restarts=1)
    world.run(5)
    assert world.selected == "green"
    assert world.status.last_rollback is None
