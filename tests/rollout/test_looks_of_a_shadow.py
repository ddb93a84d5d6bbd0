"""A look at a version that answers copies, a table a question: when it goes on, when it ends, and what is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.baking_cases import FRESH, PAUSED
from tests.rollout.parts import spec
from tests.rollout.step_cases import NOW, scraped, turn
from tests.rollout.trial_cases import EXPOSED, SECOND, pod
from verdigris.api.status import Baseline, Counts, EvidenceStatus, StepStatus
from verdigris.core.facts.evidence import ALIKE, UNLIKE, Evidence, Series
from verdigris.core.facts.observed import PodView
from verdigris.core.steps.shadow import SHADOW
from verdigris.core.turn import Turn

KNOWN = EvidenceStatus(
    sealed_at=EXPOSED, at=EXPOSED, began=Counts(), baseline=Baseline(limit=0.02), planned_looks=60, threshold=5.0
)
LATE = KNOWN.model_copy(update={"at": FRESH[-2]})
"""Nothing was seen before the last scrape but one."""
AWAY = (pod("g0", ready=False), pod("g1", ready=False))


def shadowing(
    *green: PodView, alike: int = 100, unlike: int = 0, seen: tuple[Any, ...] = FRESH, **changes: Any
) -> Turn:
    """So many rows more came out alike, and otherwise, at each scrape of the pod in front; half of all is copied."""
    fronts = tuple(pod(f"b{n}", "blue", forwards=True, order='{"shadow":5000}') for n in range(2))
    rows = {ALIKE: alike, UNLIKE: unlike}
    counted = (
        Series("b0", code, tuple((at.timestamp(), float(by * number)) for number, at in enumerate(seen)))
        for code, by in rows.items()
    )
    around = {"spec": changes.pop("spec", spec("1.1.0")), "selected": "blue"}
    addresses = changes.pop("addresses", {"green": "10.96.0.2"})
    state = {
        "stage": "Shadowing",
        "replicas": 2,
        "weight": 0,
        "since": NOW - 20 * SECOND,
        "steps": (StepStatus(kind="Shadow", weight=50.0, hold="20s", max_disagreement=0.02), StepStatus(kind="Bake")),
        "step": 0,
        "shadow": KNOWN,
        "evidence": EvidenceStatus(),
        **changes,
    }
    evidence = Evidence(counters={"green": (*scraped("g0", "g1"), *counted)})
    pods = green or (pod("g0"), pod("g1"))
    return turn(*fronts, *pods, rollout=state, evidence=evidence, addresses=addresses, **around)


@pytest.mark.parametrize(
    ("seen", "then", "reason"),
    [
        (shadowing(), "Next", "ShadowAgrees"),
        (shadowing(since=NOW - 19 * SECOND), "Stay", "ShadowAgrees"),
        (shadowing(since=NOW - 19 * SECOND, promote_now=True), "Next", "ShadowAgrees"),
        (shadowing(spec=PAUSED), "Stay", "ShadowAgrees"),
        (shadowing(pod("g0"), pod("g1", ready=False)), "Stay", "ShadowAgrees"),
        (shadowing(alike=1), "Stay", "TooFewRows"),
        (shadowing(alike=1, promote_now=True), "Next", "TooFewRows"),
        (
            shadowing(alike=1000, seen=FRESH[-2:], shadow=LATE),
            "Stay",
            "NotWatched",
        ),
        (shadowing(alike=1000, seen=FRESH[-2:], shadow=LATE, since=NOW - 19 * SECOND), "Stay", "ShadowAgrees"),
        (shadowing(unlike=100), "End", "ShadowDisagrees"),
        (shadowing(unlike=100, spec=PAUSED), "End", "ShadowDisagrees"),
    ],
)
def test_a_version_goes_on_once_its_answers_were_seen_to_be_alike_for_as_long(
    seen: Turn, then: str, reason: str
) -> None:
    found, ruling = SHADOW.look(seen)
    assert (ruling.then, found.rollout.evidence.reason) == (then, reason)
    if then == "End":
        assert ruling.failure is not None
        assert (ruling.outcome, ruling.failure.reason) == ("Failed", reason)


def test_a_version_that_does_not_get_its_pods_ends() -> None:
    ruling = SHADOW.look(shadowing(pod("g0"), pod("g1", ready=False), deadline=NOW, ready_high_water=1))[1]
    assert (ruling.then, ruling.outcome) == ("End", "Failed")


def test_while_nobody_can_answer_copies_they_are_not_compared() -> None:
    """What the pods in front have counted of them is seen with the next scrape."""
    found, ruling = SHADOW.look(shadowing(*AWAY, unlike=100))
    assert found.rollout.shadow is not None
    assert (ruling.then, found.rollout.shadow.sealed_at) == ("Stay", NOW + 5 * SECOND)
    assert found.rollout.shadow.candidate == Counts()
    none, _ = SHADOW.look(shadowing(*AWAY, shadow=None))
    assert none.rollout.shadow is None


def test_why_no_copy_is_sent_is_told_as_long_as_that_is_what_is_missing() -> None:
    nowhere: dict[str, str] = {}
    missing = SHADOW.look(shadowing(alike=1, addresses=nowhere))[0].rollout.evidence.message
    assert missing.startswith("The Service diabetes-green, by which it is asked, has no address. 1.1.0 answered 0 of")
    assert "has no address" not in SHADOW.look(shadowing(addresses=nowhere))[0].rollout.evidence.message


def test_the_test_plans_with_a_look_each_interval() -> None:
    found, _ = SHADOW.look(shadowing(shadow=None, spec=spec("1.1.0", analysis={"interval": "2s"})))
    assert found.rollout.shadow is not None
    assert found.rollout.shadow.planned_looks == 10


def test_what_is_asked_and_of_how_many_requests_copies_are_sent() -> None:
    seen = shadowing()
    assert SHADOW.shadowed(seen) == 5000
    assert SHADOW.asks(replace(seen.observed, status=seen.status), NOW) == {"green": EXPOSED}
    fresh = shadowing(shadow=None)
    assert SHADOW.asks(replace(fresh.observed, status=fresh.status), NOW) == {"green": NOW}
    nothing = fresh.status.model_copy(update={"rollout": None})
    assert SHADOW.asks(replace(fresh.observed, status=nothing), NOW) == {}
