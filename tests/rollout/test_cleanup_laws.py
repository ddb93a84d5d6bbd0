"""Law 10: cleanup cannot cause an outage. Whatever is diagnosed, of whichever pods, on whichever nodes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from tests.rollout.stuck_cases import START, diagnosis, nodes, pod, seen
from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Color, Remedy, RemovedPod, RolloutStatus, StuckKind
from verdigris.core.actions import RemovePod
from verdigris.core.facts.observed import PodView
from verdigris.core.facts.survey import Removal
from verdigris.core.pods.diagnosis.check import Role
from verdigris.core.pods.remedies.cleanup import Found, record, removed, settle
from verdigris.core.pods.remedies.gates import has_clients
from verdigris.core.turn import Turn

WALK = settings(max_examples=70, deadline=None)
KINDS = get_args(StuckKind)
LEAVING: list[Remedy] = ["Force", "Force", "Evict", "None"]
"""Of a pod on its way out, which alone may be forced, that is said more often than chance would have it."""
TRYING = RolloutStatus(
    color="green", version="1.1.0", revision="v1-new", stage="Starting", started_at=START, since=START
)


@st.composite
def pods(draw: st.DrawFn, start: int = 0) -> tuple[PodView, ...]:
    """Any pods of both colours on four nodes, in any state."""
    return tuple(
        pod(
            f"p{start + number}",
            draw(st.sampled_from(["blue", "blue", "green"])),
            ready=draw(st.booleans()),
            terminating=draw(st.sampled_from([False, False, True])),
            phase=draw(st.sampled_from(["Running", "Running", "Pending", "Failed"])),
            node=draw(st.sampled_from(["n1", "n2", "n3", "n4", ""])),
            finalizers=draw(st.sampled_from([(), (), ("example.com/hold",)])),
        )
        for number in range(draw(st.integers(1, 8)))
    )


@st.composite
def diagnosed(draw: st.DrawFn, views: tuple[PodView, ...]) -> list[Found]:
    """Anything said of any of them, sensible or not."""
    roles: st.SearchStrategy[Role] = st.sampled_from(["active", "candidate", "warm", "orphan"])
    return [
        (
            view,
            draw(roles),
            diagnosis(
                draw(st.sampled_from(KINDS)),
                draw(st.sampled_from(LEAVING if view.terminating else ["None", "Evict", "Delete", "Force"])),
                hopeless=draw(st.booleans()),
            ),
        )
        for view in views
        if draw(st.sampled_from([True, True, False]))
    ]


@st.composite
def scenes(draw: st.DrawFn, **fixed: Any) -> tuple[Turn, list[Found]]:
    """Pods, nodes, endpoints that agree with the pods or lag behind, a policy, and diagnoses."""
    views = draw(pods())
    ready = {color: sum(view.ready and view.color == color for view in views) for color in ("blue", "green")}
    lag = draw(st.sampled_from([0, 0, 0, -1, 1]))
    given: dict[str, Any] = {
        "endpoints": {color: max(0, count + lag) for color, count in ready.items()},
        "selected": draw(st.sampled_from(["blue", "green", None])),
        "survey": draw(
            # Mostly a cluster in which something may be done at all: one node is out of service, n4 is no more.
            st.one_of(
                st.just(nodes(None, True, True)),
                st.just(nodes(None, True, True)),
                st.lists(st.sampled_from([True, False, None]), max_size=4).map(lambda states: nodes(*states)),
                st.none(),
            )
        ),
        "deployments": {},
        "status": {"rollout": draw(st.sampled_from([None, TRYING]))},
        "cleanup": {
            "budget": draw(st.sampled_from([0, 1, 2, 4])),
            "nodeBudget": draw(st.integers(0, 3)),
            "backoff": draw(st.sampled_from(["1s", "30s"])),
            "window": draw(st.sampled_from(["1m", "10m"])),
        },
    }
    turn = seen(*views, **(given | fixed))
    return turn, draw(diagnosed(views))


def left(turn: Turn, actions: tuple[RemovePod, ...], color: Color) -> int:
    """Ready pods of a colour once these are gone."""
    gone = {action.uid for action in actions}
    return sum(
        view.ready and not view.terminating and view.color == color and view.uid not in gone
        for view in turn.observed.pods
    )


@WALK
@given(scenes())
def test_the_last_ready_pod_that_clients_may_reach_is_never_taken(scene: tuple[Turn, list[Found]]) -> None:
    turn, found = scene
    actions = settle(turn, found).removals
    colors: tuple[Color, Color] = ("blue", "green")
    for color in colors:
        if has_clients(turn, color) and left(turn, (), color) > 0:
            assert left(turn, actions, color) > 0


def with_a_lost_node() -> st.SearchStrategy[tuple[Turn, list[Found]]]:
    """Scenes in which what may be forced is often there."""
    return scenes(survey=nodes(None, True, True), cleanup={"budget": 5, "nodeBudget": 5}, status={"rollout": None})


@WALK
@given(st.one_of(scenes(), with_a_lost_node()))
def test_a_pod_is_forced_only_when_its_node_was_seen_to_be_gone(scene: tuple[Turn, list[Found]]) -> None:
    turn, found = scene
    forced = [action for action in settle(turn, found).removals if action.remedy == "Force"]
    survey = turn.observed.survey
    may_run = {node.name for node in survey.nodes if node.ready or not node.taints} if survey else set()
    for action in forced:
        assert survey is not None
        assert survey.nodes
        assert action.node not in may_run


@WALK
@given(scenes(), st.sampled_from(["disabled", "rehearsed", "stale", "unseen", "broken cluster"]))
def test_nothing_is_removed_when_nothing_may_be(scene: tuple[Turn, list[Found]], why: str) -> None:
    turn, found = scene
    observed = turn.observed
    cleanup = observed.spec.cleanup
    match why:
        case "disabled":
            cleanup = cleanup.model_copy(update={"enabled": False})
        case "rehearsed":
            cleanup = cleanup.model_copy(update={"dry_run": True})
        case "stale":
            observed = replace(observed, seen_at=START - timedelta(seconds=16))
        case "unseen":
            observed = replace(observed, seen_at=None)
        case "broken cluster":
            observed = replace(observed, survey=nodes(False, False, False, True))
    observed = replace(observed, spec=observed.spec.model_copy(update={"cleanup": cleanup}))
    assert settle(replace(turn, observed=observed), found).removals == ()


@WALK
@given(scenes())
def test_a_healthy_cluster_is_left_alone(scene: tuple[Turn, list[Found]]) -> None:
    after = settle(scene[0], [])
    assert (after.removals, after.notes, after.status) == ((), (), scene[0].status)


@WALK
@given(scenes())
def test_the_same_is_decided_and_nothing_told_again_when_nothing_has_changed(scene: tuple[Turn, list[Found]]) -> None:
    turn, found = scene
    first = settle(turn, found)
    again = settle(replace(turn, status=first.status), found)
    assert again.removals == first.removals
    assert (again.status, again.notes) == (first.status, ())


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_over_many_plans_no_budget_is_exceeded_and_no_pod_is_acted_upon_twice(data: st.DataObject) -> None:
    """Each plan's removals are done and recorded; removed pods vanish or linger, new ones come, time passes."""
    turn, found = data.draw(scenes(survey=nodes(None, True, True, True)))
    done: list[RemovedPod] = []
    for _ in range(data.draw(st.integers(2, 12))):
        after = settle(turn, found)
        status = after.status
        for action in after.removals:
            done.append(removed(action, turn.now))
            status = record(status, done[-1], parse_duration(turn.observed.spec.cleanup.window))
        check(turn, done)
        views = data.draw(pods(start=len(done) * 10 + 100))
        lingering = tuple(
            replace(view, terminating=view.terminating or view.uid in {action.uid for action in after.removals})
            for view in turn.observed.pods
            if data.draw(st.booleans())
        )
        now = turn.now + timedelta(seconds=data.draw(st.sampled_from([1, 5, 31, 61])))
        turn = next_turn(turn, now, (*lingering, *views), done, status)
        found = data.draw(diagnosed(turn.observed.pods))


def next_turn(turn: Turn, now: datetime, views: tuple[PodView, ...], done: list[RemovedPod], status: Any) -> Turn:
    once = {entry.uid: entry for entry in done if entry.kind != "Leftover"}
    observed = replace(
        turn.observed,
        pods=tuple({view.uid: view for view in views}.values()),
        endpoints={color: sum(view.ready and view.color == color for view in views) for color in ("blue", "green")},
        seen_at=now,
        survey=nodes(None, True, True, True, at=now),
        removals=tuple(Removal("clinic/diabetes", entry.node, entry.at) for entry in once.values()),
    )
    return replace(turn, now=now, observed=observed, status=status, notes=())


def check(turn: Turn, done: list[RemovedPod]) -> None:
    policy = turn.observed.spec.cleanup
    begin = turn.now - parse_duration(policy.window)
    lately = [entry for entry in done if entry.kind != "Leftover" and entry.at > begin]
    assert len({entry.uid for entry in lately}) <= policy.budget
    for node in {entry.node for entry in lately if entry.node}:
        assert len({entry.uid for entry in lately if entry.node == node}) <= policy.node_budget
    remedies: dict[str, list[str]] = {}
    for entry in done:
        remedies.setdefault(entry.uid, []).append(entry.remedy)
    for acts in remedies.values():
        assert len(acts) == 1 or (len(acts) == 2 and acts[1] == "Force" and acts[0] != "Force")


@pytest.mark.parametrize("remedy", ["Evict", "Delete", "Force"])
def test_the_scenes_above_do_meet_removals(remedy: str) -> None:
    """Else they would prove nothing. Any one is enough: to look for the smallest takes a hundred times as long."""
    found = settings(max_examples=2000, phases=[Phase.generate], deadline=None)
    scene = with_a_lost_node() if remedy == "Force" else scenes()
    find(scene, lambda scene: any(action.remedy == remedy for action in settle(*scene).removals), settings=found)
