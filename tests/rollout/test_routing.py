"""Who gets clients, a table a question: what is selected, what is passed on, and which move is still feared."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import START, spec
from tests.rollout.routing_cases import ALONE, rollout, seen, status
from tests.rollout.trial_cases import REVISIONS, SECOND, pod
from verdigris.api.status import Color, ModelDeploymentStatus, Sizes, StepStatus
from verdigris.core.facts.observed import Decision, PodView, Selection
from verdigris.core.routing import service, split
from verdigris.core.routing.late import LATEST, fence, may_still_come, was_withdrawn
from verdigris.core.routing.split import Split

# the shares


@pytest.mark.parametrize(
    ("active", "candidate", "weight", "shares", "colors"),
    [
        ("blue", "green", 30.0, (70.0, 30.0), ("blue", "green")),
        ("green", "blue", 30.0, (30.0, 70.0), ("blue", "green")),
        ("blue", "green", 0.0, (100.0, 0.0), ("blue",)),
        ("blue", "green", 100.0, (0.0, 100.0), ("green",)),
        ("blue", "green", 1.0, (99.0, 1.0), ("blue", "green")),
        ("green", "green", 30.0, (0.0, 100.0), ("green",)),
    ],
)
def test_what_the_candidate_does_not_get_the_active_colour_does(
    active: Color, candidate: Color, weight: float, shares: tuple[float, float], colors: tuple[Color, ...]
) -> None:
    made = Split.between(active, candidate, weight)
    assert (made, made.colors) == (Split(*shares), colors)
    assert (made.of("blue"), made.of("green")) == shares


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        (status(wanted=30), Split(blue=70.0, green=30.0)),
        (status(), Split(blue=100.0)),
        (ALONE, Split(blue=100.0)),
        (status(wanted=30).model_copy(update={"active": None}), None),
    ],
)
def test_the_shares_that_the_status_wishes(now: ModelDeploymentStatus, wanted: Split | None) -> None:
    assert split.wanted_split(now) == wanted


@pytest.mark.parametrize(
    ("selected", "blue", "green", "shares"),
    [
        (None, 2, 2, None),
        ("blue", 2, 2, (100.0, 0.0)),
        ("green", 2, 2, (0.0, 100.0)),
        ("both", 2, 1, (67.0, 33.0)),
        ("both", 1, 2, (33.0, 67.0)),
        ("both", 0, 1, (0.0, 100.0)),
        ("both", 0, 0, (100.0, 0.0)),
    ],
)
def test_the_shares_that_clients_really_have(
    selected: Selection | None, blue: int, green: int, shares: tuple[float, float] | None
) -> None:
    found = service.seen_split(seen(selected=selected, blue=blue, green=green))
    assert found == (None if shares is None else Split(*shares))


@pytest.mark.parametrize(
    ("changes", "clients", "requests"),
    [
        ({}, False, False),
        ({"weight": 1}, True, True),
        ({"exposed_at": START}, True, True),
        ({"shielded_at": START}, False, True),
    ],
)
def test_who_was_asked_and_who_had_clients(changes: dict[str, Any], clients: bool, requests: bool) -> None:
    assert (split.had_clients(rollout(**changes)), split.had_requests(rollout(**changes))) == (clients, requests)


# the Service


@pytest.mark.parametrize(
    ("changes", "taken", "least"),
    [
        ({"replicas": 3}, None, 2),
        ({"replicas": 3}, 1, 1),
        ({"replicas": 3}, 3, 3),
        ({"replicas": 3, "stage": "RollingBack"}, 3, 2),
        ({"replicas": 3, "stage": "RollingBack"}, 1, 1),
        ({"replicas": 1}, None, 1),
        ({"replicas": 2}, None, 1),
        ({"replicas": 3, "steps": (StepStatus(kind="EndActive"),)}, 2, 0),
    ],
)
def test_how_many_pods_a_trade_leaves_the_clients(changes: dict[str, Any], taken: int | None, least: int) -> None:
    policy = spec().rollout.model_copy(update={"min_available": taken})
    assert service.min_available(policy, rollout(**changes)) == least


OPEN = Decision("uid-9", "abort-1", REVISIONS["green"], "abort", "because", "alice", START)


@pytest.mark.parametrize(
    ("kept", "decisions", "back"),
    [
        (status(), (), False),
        (status(), (OPEN,), True),
        (status(), (replace(OPEN, answered=True),), False),
        (status(exposed_at=START), (), True),
        (status(shielded_at=START), (), True),
        (status(steps=(StepStatus(kind="EndActive"),)), (), True),
        (status().model_copy(update={"rollout": None}), (), False),
    ],
)
def test_when_clients_may_be_given_back_nothing_else_is_waited_for(
    kept: ModelDeploymentStatus, decisions: tuple[Decision, ...], back: bool
) -> None:
    assert service.may_go_back(seen(kept=kept, decisions=decisions)) is back


def test_a_service_of_somebody_else_may_bring_clients_too() -> None:
    assert service.has_clients(seen(), "blue")
    assert not service.has_clients(seen(), "green")
    assert service.has_clients(seen(behind_others=frozenset({"green"})), "green")


STALE = pod("g9", revision="v1-older")


@pytest.mark.parametrize(
    ("view", "found"),
    [
        (STALE, True),
        (replace(STALE, controlled=False), True),
        (replace(STALE, ready=False), False),
        (replace(STALE, terminating=True), False),
        (replace(STALE, color="blue"), False),
        (pod("g9"), False),
    ],
)
def test_a_pod_of_another_revision_that_answers_in_the_candidates_colour(view: PodView, found: bool) -> None:
    assert (service.stale(seen(pods=(pod("b0", "blue"), view)), rollout()) is view) is found


BOTH = {"replicas": 2, "sizes": Sizes(active=2, candidate=1), "wanted": 50}
BACK = {**BOTH, "stage": "RollingBack", "wanted": 0, "weight": 50}


@pytest.mark.parametrize(
    ("changes", "fields", "wanted"),
    [
        ({"wanted": 0}, {}, "blue"),
        ({"wanted": 100}, {}, "green"),
        (BOTH, {}, "both"),
        (BOTH, {"pods": (STALE,)}, "blue"),
        ({"wanted": 100}, {"pods": (STALE,)}, "green"),
        (BACK, {"selected": "both", "blue": 1, "green": 1}, "blue"),
        (BACK, {"selected": "both", "blue": 0, "green": 1}, "both"),
        (BACK, {"selected": "both", "blue": 0, "green": 0}, "blue"),
        (BACK, {"selected": "blue", "blue": 0, "green": 1}, "blue"),
        ({**BACK, "weight": 0}, {"selected": "both", "blue": 0, "green": 1}, "blue"),
        ({**BACK, "sizes": None}, {"selected": "green", "blue": 0, "green": 1}, "blue"),
        ({**BACK, "steps": (StepStatus(kind="EndActive"),)}, {"selected": "green", "blue": 0}, "blue"),
    ],
)
def test_whom_the_status_wants_selected(changes: dict[str, Any], fields: dict[str, Any], wanted: Selection) -> None:
    assert service.wanted_selection(seen(**fields), status(**changes)) == wanted


NOBODY = status().model_copy(update={"active": None})


@pytest.mark.parametrize(
    ("now", "kept", "fields", "selected"),
    [
        (NOBODY, NOBODY, {}, None),
        (ALONE, ALONE, {"selected": "blue"}, "blue"),
        (ALONE, ALONE, {"selected": "green"}, "blue"),
        (ALONE, ALONE, {"selected": "green", "blue": 0}, "green"),
        (ALONE, ALONE, {"selected": "green", "blue": 0, "green": 0}, "blue"),
        (status(wanted=100), status(wanted=100), {}, "green"),
        (status(wanted=100), status(wanted=1), {}, "green"),
        (status(wanted=100), status(), {}, "blue"),
        (status(wanted=100), ALONE, {}, "blue"),
        (status(wanted=100), status(wanted=100, revision="v1-other"), {}, "blue"),
        (status(wanted=100), status(wanted=100), {"green": 0}, "blue"),
        (status(wanted=100), status(wanted=100), {"endpoints": {"blue": 1}}, "blue"),
        (status(wanted=100), status(wanted=100), {"green": 0, "blue": 0}, "green"),
        (status(stage="RollingBack"), status(), {"selected": "green"}, "blue"),
        (status(wanted=0), status(), {"selected": "green"}, "blue"),
        (ALONE, ALONE, {"selected": None}, "blue"),
        (ALONE, ALONE, {"selected": None, "blue": 0}, "blue"),
        (status(weight=50), status(weight=50), {"selected": None, "blue": 0}, "green"),
        (status(weight=50), status(weight=50), {"selected": None, "blue": 1}, "blue"),
        (status(weight=50), status(weight=50), {"selected": None, "blue": 0, "green": 0}, "blue"),
        (status(), status(), {"selected": None, "blue": 0}, "blue"),
    ],
)
def test_whom_the_service_selects_next(
    now: ModelDeploymentStatus, kept: ModelDeploymentStatus, fields: dict[str, Any], selected: Selection | None
) -> None:
    assert service.route(seen(kept=kept, **fields), now) == selected


# a move that may come late


WISHED = status(wanted=100)


@pytest.mark.parametrize(
    ("kept", "now", "selected", "withdrawn"),
    [
        (WISHED, {}, "blue", True),
        (WISHED, {}, "green", False),
        (WISHED, {}, "both", False),
        (WISHED, {"wanted": 1}, "blue", False),
        (status(wanted=1), {}, "blue", True),
        (status(), {}, "blue", False),
        (ALONE, {}, "blue", False),
        (WISHED, {"revision": "v1-other"}, "blue", False),
        (WISHED, {"started_at": START + SECOND}, "blue", False),
    ],
)
def test_a_wish_that_nobody_saw_granted_is_withdrawn(
    kept: ModelDeploymentStatus, now: dict[str, Any], selected: Selection, withdrawn: bool
) -> None:
    observed, changed = seen(kept=kept, selected=selected), rollout(**now)
    assert was_withdrawn(observed, changed) is withdrawn
    assert may_still_come(observed, changed, START) is withdrawn


AT = START + timedelta(milliseconds=1250)
MARK = f"{REVISIONS['green']} 2026-11-23T10:00:01.250+00:00"


@pytest.mark.parametrize(
    ("changes", "mark_seen", "after", "mark"),
    [
        ({"withdrawn_at": AT}, None, timedelta(), MARK),
        ({"withdrawn_at": AT}, "another", LATEST - SECOND, MARK),
        ({"withdrawn_at": AT}, None, LATEST, None),
        ({"withdrawn_at": AT}, MARK, timedelta(), None),
        ({"withdrawn_at": AT, "wanted": 1}, None, timedelta(), None),
        ({}, None, timedelta(), None),
    ],
)
def test_a_move_is_feared_until_its_mark_is_seen_or_it_cannot_come_any_more(
    changes: dict[str, Any], mark_seen: str | None, after: timedelta, mark: str | None
) -> None:
    observed = seen(withdrawn=mark_seen)
    assert fence(observed, rollout(**changes), AT + after) == mark
    assert may_still_come(observed, rollout(**changes), AT + after) is (mark is not None)
