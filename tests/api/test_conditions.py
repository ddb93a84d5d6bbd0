"""How a condition is set among others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from verdigris.api.conditions import set_condition

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
READY = set_condition((), "Ready", "True", "Serving", "3 of 3 pods are ready", 1, NOON)


def test_a_new_condition_comes_last_with_the_time_of_now() -> None:
    both = set_condition(READY, "Stalled", "False", "Progressing", "", 1, LATER)
    assert [condition.type for condition in both] == ["Ready", "Stalled"]
    assert both[1].last_transition_time == LATER


def test_what_is_already_so_stays_equal() -> None:
    assert set_condition(READY, "Ready", "True", "Serving", "3 of 3 pods are ready", 1, LATER) == READY


def test_a_new_reason_or_generation_is_no_transition() -> None:
    (condition,) = set_condition(READY, "Ready", "True", "Scaled", "5 of 5 pods are ready", 2, LATER)
    assert condition.last_transition_time == NOON
    assert (condition.reason, condition.observed_generation) == ("Scaled", 2)


def test_a_new_status_is_a_transition_in_the_old_place() -> None:
    both = set_condition(READY, "Stalled", "False", "Progressing", "", 1, NOON)
    after = set_condition(both, "Ready", "False", "NoPods", "no pod is ready", 2, LATER)
    assert [condition.type for condition in after] == ["Ready", "Stalled"]
    assert after[0].last_transition_time == LATER


def test_a_message_that_is_too_long_is_cut() -> None:
    (condition,) = set_condition((), "Ready", "False", "Failed", "x" * 2000, 1, NOON)
    assert len(condition.message) == 1024
