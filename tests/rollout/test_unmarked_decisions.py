"""A decision whose own status cannot be written acts once all the same, however many come after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollout.parts import START, spec
from tests.rollout.test_rollout import bake
from tests.rollout.world import World, serving
from verdigris.api.status import DecisionRecord, ModelDeploymentStatus
from verdigris.core.facts.answered import REMEMBERED, is_passed, open_of, remember
from verdigris.core.facts.observed import Decision
from verdigris.core.facts.revision import revision_of

OTHER = "v1-0123456789"


def unmarked(world: World) -> World:
    world.marks = lambda _: False
    return world


def answered(world: World) -> Counter[str]:
    """How often each decision was answered, by who asked."""
    return Counter(note.message.split()[0] for note in world.notes if note.reason.startswith("Decision"))


def test_an_old_retry_does_not_try_a_version_again_that_was_rejected_later() -> None:
    world = unmarked(serving("1.0.0"))
    revision = revision_of(spec("1.1.0"))
    bake(world.apply(spec("1.1.0"))).decide("abort", revision).run(20)
    bake(world.decide("retry", revision)).decide("abort", revision).run(20)
    assert world.status.rejected
    for _ in range(REMEMBERED + 5):
        world.decide("approve", OTHER).run(1)
    world.run(60)
    assert world.status.rollout is None
    assert [entry.revision for entry in world.status.rejected] == [revision]


@pytest.mark.parametrize("apart", [0, 1], ids=["in one second", "a second apart"])
def test_each_of_many_acts_once_also_when_they_are_as_old_as_each_other(apart: float) -> None:
    world = unmarked(serving("1.0.0"))
    many(world, 3 * REMEMBERED, apart).run(5)
    assert answered(world) == {f"user{number}": 1 for number in range(3 * REMEMBERED)}
    assert len(world.status.decisions) == REMEMBERED


def many(world: World, count: int, apart: float, first: int = 0) -> World:
    for number in range(first, first + count):
        world.decide("approve", OTHER, by=f"user{number}").run(apart)
    return world


def test_what_an_operator_that_writes_no_such_time_has_answered_and_forgotten_does_not_act_again() -> None:
    world = many(unmarked(serving("1.0.0")), 30, 1)
    records = tuple(record.model_copy(update={"created": None}) for record in world.status.decisions)
    world.status = world.status.model_copy(update={"decisions": records, "answered_up_to": None})
    many(world.run(120), 30, 1, first=30).run(60)
    assert answered(world) == {f"user{number}": 1 for number in range(60)}


def test_what_is_too_old_to_be_known_is_told_so_and_can_be_made_anew() -> None:
    world = unmarked(serving("1.0.0"))
    for _ in range(REMEMBERED + 5):
        world.decide("approve", OTHER).run(1)
    # A clock that was set back: younger than all of them, and made before the first.
    world.decisions.append(Decision("uid-late", "late", OTHER, "abort", "because", "carol", START))
    made = world.run(1).reconcile()
    record = next(one for one in made.answered if one.uid == "uid-late")
    assert record.outcome == "Refused"
    assert "Create it anew" in record.message
    assert answered(world)["carol"] == 0
    world.decide("abort", OTHER, by="carol").run(1)
    assert answered(world)["carol"] == 1


def test_the_answer_is_written_once_that_is_possible_again() -> None:
    world = unmarked(serving("1.0.0"))
    for _ in range(3):
        world.decide("approve", OTHER).run(1)
    world.marks = lambda _: True
    world.run(1)
    assert all(decision.answered for decision in world.decisions)


def decided(number: int, second: int) -> Decision:
    return Decision(f"{number:04}", f"d{number}", OTHER, "abort", "r", "alice", START + timedelta(seconds=second))


def record(decision: Decision) -> DecisionRecord:
    return DecisionRecord(
        uid=decision.uid,
        name=decision.name,
        verb=decision.verb,
        by=decision.by,
        reason=decision.reason,
        outcome="Accepted",
        message="",
        at=START,
        created=decision.created,
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 8), max_size=12), max_size=12), st.randoms(use_true_random=False))
def test_whenever_they_come_none_is_answered_twice_and_memory_is_bounded(
    looks: list[list[int]], random: object
) -> None:
    """Seconds of creation at each look, in any order: clocks of API servers differ, and are set."""
    shuffled = list(range(200))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    numbers, status = iter(shuffled), ModelDeploymentStatus()
    cluster: list[Decision] = []
    times: Counter[str] = Counter()
    for seconds in looks:
        cluster += [decided(next(numbers), second) for second in seconds]
        for decision in open_of(cluster, status):
            times[decision.uid] += 1
            decisions, up_to = remember(status, record(decision))
            status = status.model_copy(update={"decisions": decisions, "answered_up_to": up_to})
        assert not open_of(cluster, status)
    assert all(count == 1 for count in times.values())
    assert len(status.decisions) <= REMEMBERED
    silent = [one for one in cluster if not times[one.uid]]
    assert all(is_passed(one, status) for one in silent)
    assert not silent or len(cluster) > REMEMBERED


def test_a_decision_that_is_marked_is_no_business_of_anybody() -> None:
    marked = replace(decided(1, 0), answered=True)
    assert not open_of([marked], ModelDeploymentStatus())
    assert not is_passed(marked, ModelDeploymentStatus())
