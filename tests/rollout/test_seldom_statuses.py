"""Statuses and specs of other hands: what an operator of another version, or a person, has written there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.small import full, small, stage, until
from tests.rollout.test_rollout import bake
from tests.rollout.test_seldom_plans import DAY, baking, planned, said, seen
from tests.rollout.world import serving
from verdigris.api.schema.reading import Fault
from verdigris.api.status import ModelDeploymentStatus, TargetStatus
from verdigris.core.actions import Keep
from verdigris.core.engine.roles import adopt, mend
from verdigris.core.engine.understanding import judgeable
from verdigris.core.facts.evidence import NOT_ASKED
from verdigris.core.facts.policy import can_be_read, changed_since
from verdigris.core.facts.revision import revision_of
from verdigris.core.facts.skew import Skew, target_of

# what cannot be read


def unread(*path: str) -> Skew:
    return Skew(unread=(Fault(path, "must be a number"),))


def test_limits_that_cannot_be_read_judge_nobody_but_by_those_that_were_kept() -> None:
    world = baking()
    observed = replace(world.observe(), skew=unread("analysis", "errorRate"))
    assert judgeable(observed, NOT_ASKED) is NOT_ASKED
    rollout = world.status.rollout
    assert rollout
    forgot = world.status.model_copy(update={"rollout": rollout.model_copy(update={"policy": None})})
    problem = judgeable(replace(observed, status=forgot), NOT_ASKED).problem
    assert problem == "The limits to judge by cannot be read: spec.analysis.errorRate: must be a number."


def test_what_is_not_understood_is_told_once_and_so_is_its_end() -> None:
    observed = replace(serving("1.0.0").observe(), skew=unread("model", "version"))
    found = planned(observed)
    assert said(found)["Understood"] == ("False", "InvalidSpec")
    assert [note.reason for note in found.notes] == ["InvalidSpec"]
    again = planned(replace(observed, status=found.status))
    assert again.notes == ()
    mended = planned(replace(observed, status=found.status, skew=Skew()))
    assert said(mended)["Understood"] == ("True", "EverythingKnown")


def test_a_rollout_that_cannot_be_read_is_why_a_version_waits() -> None:
    lost = Skew(unread_status=(Fault(("rollout",), "stage is not known"),))
    found = planned(replace(serving("1.0.0").apply(spec("1.1.0")).observe(), skew=lost))
    assert found.status.rollout is None
    assert said(found)["Ready"] == ("False", "UnknownState")
    told = next(one.message for one in found.status.conditions if one.type == "Ready")
    assert "1.1.0 waits. Held, as not all of it can be read: status.rollout: stage is not known." in told


def test_fields_that_are_not_known_are_told_and_ignored() -> None:
    found = planned(replace(serving("1.0.0").observe(), skew=Skew(unknown=(("serving", "wings"),))))
    assert said(found)["Understood"] == ("False", "UnknownFields")
    assert said(found)["Ready"] == ("True", "Active")


def test_alerts_that_cannot_be_read_stay_as_they_are() -> None:
    found = planned(replace(serving("1.0.0").observe(), skew=unread("monitoring", "prometheusRule")))
    kinds = [action.manifest["kind"] for action in found.actions if isinstance(action, Keep)]
    assert "ServiceMonitor" in kinds
    assert "PrometheusRule" not in kinds


def test_a_prometheus_that_the_operator_may_not_ask_is_nobody_to_ask() -> None:
    theirs = spec("1.0.0", analysis={"prometheus": {"address": "http://theirs"}})
    observed = serving("1.0.0").apply(theirs).observe()
    assert observed.prometheus_refused is not None
    assert observed.prometheus_address is None


# statuses of other hands


def test_a_rollout_in_a_state_that_is_not_known_is_taken_back_where_clients_are_on_it() -> None:
    world = baking()
    observed = replace(world.observe(), skew=Skew(foreign=True))
    found = planned(observed).status.rollout
    assert found
    assert (found.stage, found.failure and found.failure.reason) == ("RollingBack", "UnknownState")


def test_a_rollout_in_a_state_that_is_not_known_is_left_alone_where_nobody_is_on_it() -> None:
    world = serving("1.0.0").apply(spec("1.1.0")).run(2)
    assert world.status.rollout
    observed = replace(world.observe(), skew=Skew(foreign=True))
    assert planned(observed).status.rollout == world.status.rollout


def test_times_that_are_still_to_come_begin_now() -> None:
    world = baking()
    ahead = world.now + DAY
    begun = seen(world).change_rollout(since=ahead, deadline=ahead, wished_at=ahead, withdrawn_at=ahead)
    found = mend(begun).rollout
    assert (found.since, found.deadline, found.wished_at, found.withdrawn_at) == (world.now, None, world.now, world.now)
    warm = bake(world).run(60)
    assert warm.status.warm
    later = warm.status.warm.model_copy(update={"left": warm.now + DAY})
    mended = mend(seen(warm).change(warm=later))
    assert mended.status.warm
    assert mended.status.warm.left == warm.now


def test_a_trade_that_an_operator_without_steps_began_goes_on_as_one() -> None:
    world = until(full().apply(small("1.1.0")), stage("Trading"))
    assert world.status.rollout
    old = world.status.rollout.model_copy(update={"steps": (), "policy": None})
    found = mend(seen(world).change(rollout=old)).rollout
    assert (found.kind, found.policy is not None) == ("Trade", True)


def test_what_is_not_known_to_run_is_not_taken_for_active() -> None:
    world = serving("1.0.0")
    lost = seen(world, status=ModelDeploymentStatus(), snapshots={})
    assert adopt(lost).active is None
    unknown = seen(baking(), snapshots={})
    assert adopt(unknown.change(active=None)).active is None


def test_a_first_version_whose_candidate_no_client_has_met_adopts_nobody() -> None:
    world = serving("1.0.0").apply(spec("1.1.0")).run(2)
    lost = seen(world, selected="green")
    assert adopt(lost.change(active=None)).active is None


def test_a_policy_of_other_hands_means_nothing_and_is_called_no_edit() -> None:
    rollout = baking().status.rollout
    assert rollout
    for kept in ({"rollout": "x"}, {"rollout": {}, "analysis": {}, "scrape": "soon"}):
        odd = rollout.model_copy(update={"policy": kept})
        assert not can_be_read(odd)
        assert changed_since(spec("1.2.0"), odd) == ()


@pytest.mark.parametrize("now", ["Baking", "RollingBack"])
def test_what_an_operator_that_did_not_remember_it_was_asked_for(now: Any) -> None:
    """While it rolls out it is what is rolled out; once it goes back nobody can tell."""
    world = baking()
    rollout = world.status.rollout
    assert rollout
    old = world.status.model_copy(
        update={"target": None, "rollout": rollout.model_copy(update={"stage": now}), "observed_generation": 1}
    )
    wanted, known = target_of("v9-hash", 1, old, Skew())
    assert isinstance(known, TargetStatus)
    assert wanted == (rollout.revision if now == "Baking" else "v9-hash")


def test_what_an_operator_that_did_not_remember_it_had_rejected() -> None:
    world = baking().decide("abort", revision_of(spec("1.1.0"))).run(30)
    rejected = world.status.rejected[-1]
    old = world.status.model_copy(update={"target": None})
    wanted, _ = target_of("v9-hash", world.status.observed_generation, old, Skew())
    assert wanted == rejected.revision
