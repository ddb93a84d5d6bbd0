"""Which steps a rollout goes through, and which share and time each of those behind the shield has."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.step_cases import NOW, turn
from tests.rollout.trial_cases import EXPOSED, SECOND
from verdigris.api.spec import RolloutSpec
from verdigris.api.status import EvidenceStatus, RolloutStatus, StepStatus
from verdigris.core.steps import lists, passing_on


def policy(**rollout: Any) -> RolloutSpec:
    return spec("1.1.0", rollout=rollout).rollout


@pytest.mark.parametrize(
    ("rollout", "kinds"),
    [
        ({}, ["Start", "Measure", "Bake"]),
        ({"approval": "Required"}, ["Start", "Approval", "Measure", "Bake"]),
        ({"shield": True}, ["Start", "Measure", 100.0, "Bake"]),
        ({"shield": True, "strategy": "Canary"}, ["Start", "Measure", 1.0, 10.0, 50.0, 100.0, "Bake"]),
        ({"shield": True, "steps": [{"weight": 5}]}, ["Start", "Measure", 5.0, 100.0, "Bake"]),
        (
            {"shield": True, "strategy": "Canary", "steps": [{"weight": 5}, {"approval": {}}, {"weight": 100}]},
            ["Start", "Measure", 5.0, "Approval", 100.0, "Bake"],
        ),
        ({"shield": True, "steps": [{"shadow": {"for": "20s"}}]}, ["Start", "Measure", "Shadow", 100.0, "Bake"]),
        (
            {"strategy": "Recreate", "allowDowntime": True, "approval": "Required"},
            ["Approval", "EndActive", "Start", "Measure", "Bake"],
        ),
    ],
)
def test_the_steps_of_a_rollout(rollout: dict[str, Any], kinds: list[str | float]) -> None:
    found = lists.planned(policy(**rollout), replaces=True)
    assert [step.weight if step.kind == "Trial" else step.kind for step in found] == kinds


@pytest.mark.parametrize(("approval", "kinds"), [("None", ["Start"]), ("Required", ["Start", "Approval"])])
def test_the_first_version_protects_nobody(approval: str, kinds: list[str]) -> None:
    asked = policy(approval=approval, shield=True, strategy="Canary")
    assert [step.kind for step in lists.planned(asked, replaces=False)] == kinds


def test_a_step_keeps_what_was_asked_of_it() -> None:
    shadow = {"for": "30s", "share": 20, "maxDisagreement": 0.02}
    asked = policy(shield=True, steps=[{"shadow": shadow}, {"weight": 5, "hold": "40s"}])
    _, _, copies, trial, *_ = lists.planned(asked, replaces=True)
    assert (copies.weight, copies.hold, copies.max_disagreement) == (20.0, "30s", 0.02)
    assert (trial.weight, trial.hold, trial.max_disagreement) == (5.0, "40s", None)


def test_a_status_that_knows_its_stage_only_is_in_the_first_such_step() -> None:
    known = lists.planned(policy(shield=True, steps=[{"weight": 5}]), replaces=True)
    assert [lists.index_of(known, stage) for stage in ("Starting", "OnTrial", "Baking", "Trading")] == [0, 2, 4, 0]


TRIALS = (
    StepStatus(kind="Start"),
    StepStatus(kind="Trial", weight=1.0, hold="20s"),
    StepStatus(kind="Approval"),
    StepStatus(kind="Trial", weight=25.0),
    StepStatus(kind="Bake"),
)


def at(step: int, steps: tuple[StepStatus, ...] = TRIALS) -> RolloutStatus:
    return turn(rollout={"steps": steps, "step": step}).rollout


LEFT_OUT = StepStatus(kind="Trial", weight=25.0, reason="Skipped")


@pytest.mark.parametrize(
    ("rollout", "share"),
    [
        (at(0), 0),
        (at(1), 100),
        (at(2), 100),
        (at(3), 2500),
        (at(4), 2500),
        (at(1, (StepStatus(kind="Start"), StepStatus(kind="Trial"))), 10_000),
        (at(4, (*TRIALS[:3], LEFT_OUT, TRIALS[4])), 0),
    ],
)
def test_a_step_has_the_share_of_the_last_weight_that_came_to_be(rollout: RolloutStatus, share: int) -> None:
    assert passing_on.share_reached(rollout) == share


def test_the_last_weight_of_a_rollout_is_the_one_that_counts() -> None:
    assert passing_on.last_trial(at(0)) == TRIALS[3]
    assert passing_on.last_trial(at(0, TRIALS[:1])) is None
    assert passing_on.time_on_trial(TRIALS[1], policy(bake="30s")) == timedelta(seconds=20)
    assert passing_on.time_on_trial(TRIALS[3], policy(bake="30s")) == timedelta(seconds=30)
    assert passing_on.time_of_step(turn(rollout={"steps": TRIALS, "step": 1})) == timedelta(seconds=20)


@pytest.mark.parametrize(
    ("steps", "bake", "watched"),
    [
        (TRIALS, "30s", True),
        (TRIALS, "0s", True),
        (TRIALS[2:], "0s", False),
        ((StepStatus(kind="Trial", weight=1.0, hold="0s"),), "0s", False),
        ((StepStatus(kind="Shadow", hold="10s"),), "0s", False),
        ((), "30s", True),
    ],
)
def test_whether_anybody_wants_the_version_watched(steps: tuple[StepStatus, ...], bake: str, watched: bool) -> None:
    assert passing_on.is_to_be_watched(at(0, steps), policy(bake=bake)) is watched


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"step": 1, "passed_on": 100}, {"green": NOW - 300 * SECOND, "blue": NOW - 300 * SECOND}),
        ({"step": 1, "passed_on": 0}, {"green": NOW - 15 * SECOND}),
        (
            {"step": 0, "passed_on": 10_000, "steps": (StepStatus(kind="Trial", weight=100.0),)},
            {"green": EXPOSED},
        ),
        (
            {"step": 1, "passed_on": 100, "evidence": EvidenceStatus(sealed_at=NOW - 400 * SECOND)},
            {"green": NOW - 400 * SECOND, "blue": NOW - 300 * SECOND},
        ),
    ],
)
def test_while_both_answer_both_are_asked_about(changes: dict[str, Any], asked: dict[str, Any]) -> None:
    made = turn(rollout={"steps": TRIALS, **changes})
    assert passing_on.asks(replace(made.observed, status=made.status), NOW) == asked
