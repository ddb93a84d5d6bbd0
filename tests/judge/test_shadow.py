"""The verdict on a version that answers copies: three ways, with how many rows it rests on."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.judge.scenes import SCRAPE, START, clock
from verdigris.api.status import EvidenceStatus
from verdigris.core.facts.evidence import ALIKE, UNANSWERED, UNLIKE, Evidence, Series
from verdigris.core.judges.shadow import compared


def look(
    state: EvidenceStatus | None,
    at: float,
    samples: dict[str, list[float]],
    *,
    pod: str = "blue-a",
    pods: tuple[str, ...] = ("blue-a", "blue-b"),
) -> EvidenceStatus:
    """One look at `at` seconds, with counters that were scraped every five seconds from the start on."""
    series = (
        Series(pod, code, tuple((START + 5.0 * number, value) for number, value in enumerate(values)))
        for code, values in samples.items()
    )
    return compared(
        state,
        Evidence(counters={"green": tuple(series)}),
        candidate="green",
        limit=0.02,
        scrape=SCRAPE,
        planned_looks=60,
        now=clock(at),
        version="1.2.0",
        pods=pods,
    )


def begun() -> EvidenceStatus:
    return look(None, 0.0, {ALIKE: [0.0], UNLIKE: [0.0]})


def test_rows_that_come_out_alike_pass_when_there_are_enough_of_them() -> None:
    few = look(begun(), 5.5, {ALIKE: [0, 40], UNLIKE: [0, 0]})
    assert (few.verdict, few.reason) == ("Inconclusive", "TooFewRows")
    assert few.message == (
        "1.2.0 answered 0 of 40 rows (0 %) otherwise than the active version does: up to 6.34 % is possible, and 2 % "
        "is the most."
    )
    many = look(few, 10.5, {ALIKE: [0, 40, 400], UNLIKE: [0, 0, 1]})
    assert (many.verdict, many.reason, many.candidate.requests) == ("Pass", "ShadowAgrees", 401)


def test_rows_that_come_out_otherwise_fail_at_the_first_scrape_that_shows_it_and_stay_failed() -> None:
    state = look(begun(), 5.5, {ALIKE: [0, 60], UNLIKE: [0, 40]})
    assert (state.verdict, state.reason) == ("Fail", "ShadowDisagrees")
    assert state.message == (
        "1.2.0 answered 40 of 100 rows (40 %) otherwise than the active version does: more than 2 %, and more than "
        "chance explains."
    )
    assert look(state, 10.5, {ALIKE: [0, 60, 6000], UNLIKE: [0, 40, 40]}) == state


def test_copies_that_are_not_answered_count_as_rows_that_come_out_otherwise() -> None:
    assert look(begun(), 5.5, {ALIKE: [0, 60], UNANSWERED: [0, 40]}).verdict == "Fail"


def test_what_pods_that_are_not_in_front_count_is_left_out() -> None:
    assert look(begun(), 5.5, {UNLIKE: [0, 40]}, pod="other-x").verdict == "Inconclusive"


def test_what_a_pod_compared_before_it_ended_still_counts() -> None:
    state = look(begun(), 5.5, {ALIKE: [0, 40], UNLIKE: [0, 0]})
    assert look(state, 10.5, {ALIKE: [0, 40, 90], UNLIKE: [0, 0, 0]}, pods=("blue-b",)).candidate.requests == 90


def test_counters_that_contradict_each_other_agree_on_nothing() -> None:
    at = [START + 5.0 * number for number in range(12)]
    slow, fast = (
        Series("blue-a", ALIKE, tuple((when, first + step * number) for number, when in enumerate(at)))
        for first, step in ((0.0, 10.0), (70_000.0, 900.0))
    )
    found = compared(
        begun(),
        Evidence(counters={"green": (slow, fast)}),
        candidate="green",
        limit=0.02,
        scrape=SCRAPE,
        planned_looks=60,
        now=clock(55.5),
        version="1.2.0",
        pods=("blue-a",),
    )
    assert (found.verdict, found.reason) == ("Inconclusive", "ScrapedTwice")


def test_without_new_samples_nothing_is_agreed() -> None:
    state = look(begun(), 5.5, {ALIKE: [0, 4000], UNLIKE: [0, 0]})
    assert state.verdict == "Pass"
    later = look(state, 60.0, {ALIKE: [0, 4000], UNLIKE: [0, 0]})
    assert (later.verdict, later.reason) == ("Inconclusive", "NotCompared")


def test_a_version_at_the_limit_is_rejected_by_chance_in_one_of_a_hundred_at_most() -> None:
    chance = random.Random(12)
    rejected = sum(any(state.verdict == "Fail" for state in _at_rate(chance, 0.02)) for _ in range(300))
    assert rejected <= 8, "3 are expected at most; 9 or more have a probability of 0.4 % then"


def test_a_version_of_twice_the_limit_hardly_ever_passes() -> None:
    chance = random.Random(13)
    passed = sum(list(_at_rate(chance, 0.04))[-1].verdict == "Pass" for _ in range(100))
    assert passed <= 2


def _at_rate(chance: random.Random, rate: float) -> Iterator[EvidenceStatus]:
    state, counters = begun(), {ALIKE: [0.0], UNLIKE: [0.0]}
    for number in range(1, 13):
        unlike = sum(chance.random() < rate for _ in range(50))
        counters[ALIKE].append(counters[ALIKE][-1] + 50 - unlike)
        counters[UNLIKE].append(counters[UNLIKE][-1] + unlike)
        state = look(state, 5.0 * number + 0.5, counters)
        yield state
