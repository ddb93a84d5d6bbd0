"""Whom the operator may ask, and whose word counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rollout.parts import START
from verdigris.api.decision import Verb
from verdigris.core.facts.trust import not_vouched_for, refused_address, same_address

OWN = "http://prometheus.monitoring:9090"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://prom", "http://Prom.:80/", True),
        ("https://prom", "https://prom:443", True),
        ("https://prom", "https://prom:80", False),
        ("http://prom", "https://prom", False),
        ("http://prom/team-a", "http://prom/team-b", False),
        ("http://prom:no", "http://prom:no", True),
        ("http://prom:no", "http://prom", False),
    ],
)
def test_two_ways_to_write_one_address_are_the_same(one: str, other: str, same: bool) -> None:
    assert same_address(one, other) is same


def test_the_operators_own_prometheus_and_those_that_are_allowed_are_asked() -> None:
    assert refused_address(None, OWN, ()) is None
    assert refused_address(f"{OWN}/", OWN, ()) is None
    assert refused_address("http://theirs", OWN, ("http://theirs/",)) is None
    for own in (OWN, None):
        told = refused_address("http://theirs\nx", own, ())
        assert told is not None
        assert "prometheus.allowedAddresses" in told
        assert "\n" not in told


@pytest.mark.parametrize("verb", ["abort", "rollback"])
def test_what_takes_clients_back_is_heard_from_anybody(verb: Verb) -> None:
    assert not_vouched_for(verb, START, "There is no policy.", START + timedelta(days=1)) is None


@pytest.mark.parametrize("verb", ["approve", "promote", "retry"])
def test_what_lets_a_version_go_on_needs_a_policy_that_was_there_before(verb: Verb) -> None:
    assert not_vouched_for(verb, START, None, None) is None
    assert not_vouched_for(verb, START, None, START) is None
    late = not_vouched_for(verb, START, None, START + timedelta(seconds=1))
    assert "older than the admission policy, of 2026-11-23 10:00:01 UTC" in str(late)
    assert "asked: There is no policy." in str(not_vouched_for(verb, START, "There is no policy.", None))
