"""What the operator remembers of its removals over all models, and across writes that failed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rollout.parts import OWNER, START
from tests.rollout.stuck_cases import SECOND, removal, seen
from verdigris.adapters.kube.reading.port import Key
from verdigris.api.status import RemovedPod
from verdigris.app.ledger import KEPT, Ledger
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.survey import Removal

MINE, THEIRS = Key("clinic", "diabetes"), Key("lab", "other")


def observed(*removed: RemovedPod) -> Observed:
    return seen(status={"removed": removed}, removals=()).observed


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_removals_of_all_models_are_told_to_each(ledger: Ledger) -> None:
    ledger.add(THEIRS, "uid-theirs", removal("a", START))
    assert ledger.fill_in(MINE, observed(), START).removals == (Removal("lab/other", "n1", START),)


def test_a_restarted_operator_learns_from_the_statuses(ledger: Ledger) -> None:
    ledger.fill_in(THEIRS, observed(removal("a", START)), START)
    assert [each.model for each in ledger.fill_in(MINE, observed(removal("b", START)), START).removals] == [
        "lab/other",
        "clinic/diabetes",
    ]


def test_nothing_is_counted_twice(ledger: Ledger) -> None:
    entry = removal("a", START)
    ledger.add(MINE, OWNER.uid, entry)
    ledger.add(MINE, OWNER.uid, removal("a", START + SECOND, kind="NodeGone", remedy="Force"))
    told = ledger.fill_in(MINE, observed(entry), START + SECOND)
    assert told.removals == (Removal("clinic/diabetes", "n1", START + SECOND),)


def test_leftovers_are_no_removals_from_a_node(ledger: Ledger) -> None:
    ledger.add(MINE, OWNER.uid, removal("a", START, kind="Leftover", remedy="Delete"))
    assert ledger.fill_in(THEIRS, observed(), START).removals == ()


def test_a_removal_that_could_not_be_written_into_the_status_still_counts(ledger: Ledger) -> None:
    entry = removal("a", START)
    ledger.add(MINE, OWNER.uid, entry)
    assert ledger.fill_in(MINE, observed(), START).status.removed == (entry,)
    assert ledger.fill_in(MINE, observed(), START + timedelta(minutes=10)).status.removed == ()


def test_a_status_that_holds_everything_is_left_as_it_is(ledger: Ledger) -> None:
    picture = observed(removal("a", START - timedelta(hours=1)), removal("b", START))
    ledger.fill_in(MINE, picture, START)
    assert ledger.fill_in(MINE, picture, START).status is picture.status


def test_what_is_older_than_any_window_is_forgotten(ledger: Ledger) -> None:
    ledger.add(THEIRS, "uid-theirs", removal("a", START))
    assert ledger.fill_in(MINE, observed(), START + KEPT).removals == ()


def test_a_model_that_was_made_anew_has_not_removed_what_the_deleted_one_of_its_name_did(ledger: Ledger) -> None:
    ledger.add(MINE, "uid-deleted", removal("a", START))
    told = ledger.fill_in(MINE, observed(), START)
    assert told.status.removed == ()
    assert [each.node for each in told.removals] == ["n1"]
