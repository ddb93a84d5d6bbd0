"""The ends of what the judge can be given."""

from __future__ import annotations

import pytest

from verdigris.core.facts.evidence import Series
from verdigris.core.judges import power
from verdigris.core.judges.counts import newest, once
from verdigris.core.judges.promql import Pods
from verdigris.core.judges.score import Terms


def test_of_ever_so_many_requests_the_probability_is_still_one() -> None:
    """Its fraction is cut off there: exact is a half, just where so many errors are needed as are expected."""
    terms, requests = Terms(limit=0.005, factor=2.0, planned_looks=300), 1e12
    expected = (power._errors_needed(requests, terms) + 1) / requests
    assert power.found_with(requests, expected, terms) == pytest.approx(0.5, abs=0.01)
    assert power.found_with(requests, 0.0071, terms) == 0
    assert power.found_with(requests, 0.0073, terms) == 1


def test_a_counter_without_samples_counts_nothing_and_contradicts_nothing() -> None:
    empty, full = Series("pod-a", "200", ()), Series("pod-a", "200", ((10.0, 3.0), (20.0, 5.0)))
    assert once([empty, full]) == ((full,), None)
    assert once([empty]) == ((), None)
    assert newest([empty]) is None


def test_what_a_pod_in_front_counts_is_picked_by_the_revision_that_it_is_about() -> None:
    pods = Pods("clinic", "diabetes", "blue", "aaa", uid="7")
    assert (
        pods.matchers() == 'namespace="clinic",model="diabetes",color="blue",revision="aaa",modeldeployment_uid=~"7|"'
    )
    assert 'revision=~"aaa|bbb",exported_revision=~"bbb|"' in pods.matchers(about="bbb")


def test_a_label_that_holds_quotes_stays_one_label() -> None:
    pods = Pods("clinic", "diabetes", "blue", "aaa", extra={"cluster": 'a"b\\c\nd'})
    assert pods.matchers().endswith(',cluster="a\\"b\\\\c\\nd"')
