"""What the newest status means for the loop: which changes only tell how things stand, and whose turn it is first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rollout.parts import START, spec
from tests.rollout.test_rollout import bake
from tests.rollout.world import serving
from verdigris.api.status import Condition, Counts, ModelDeploymentStatus, RolloutStatus
from verdigris.core.facts.telling import only_tells
from verdigris.core.facts.urgency import Urgency, urgency_of, urgency_of_decision


@pytest.fixture(scope="module")
def steady() -> ModelDeploymentStatus:
    return serving("1.0.0").status


@pytest.fixture(scope="module")
def baking() -> ModelDeploymentStatus:
    return bake(serving("1.0.0").apply(spec("1.1.0"))).status


def of(status: ModelDeploymentStatus) -> RolloutStatus:
    assert status.rollout
    return status.rollout


def changed(status: ModelDeploymentStatus, evidence: dict[str, Any] | None = None, **rollout: Any) -> Any:
    """The same status with this of its rollout, and of its evidence."""
    found = of(status).evidence.model_copy(update=evidence or {})
    return status.model_copy(update={"rollout": of(status).model_copy(update={"evidence": found, **rollout})})


def concurrent(status: ModelDeploymentStatus, errors: int) -> Any:
    """Both versions have clients: the baseline is counted anew at each look."""
    counted = {"source": "Concurrent", "errors": errors}
    return changed(status, {"baseline": of(status).evidence.baseline.model_copy(update=counted)})


def test_of_a_rollout_messages_and_what_is_counted_only_tell(baking: ModelDeploymentStatus) -> None:
    assert only_tells(baking, baking)
    assert only_tells(baking, changed(baking, message="another"))
    assert only_tells(baking, changed(baking, {"candidate": Counts(requests=9), "looks": 9, "message": "another"}))
    assert only_tells(concurrent(baking, 1), concurrent(baking, 2))


def test_a_verdict_a_step_and_a_frozen_baseline_decide(baking: ModelDeploymentStatus) -> None:
    assert not only_tells(baking, changed(baking, {"verdict": "Fail"}))
    assert not only_tells(baking, changed(baking, step=0))
    frozen = of(baking).evidence.baseline.model_copy(update={"errors": 99})
    assert not only_tells(baking, changed(baking, {"baseline": frozen}))


def test_of_a_condition_the_message_alone_only_tells(steady: ModelDeploymentStatus) -> None:
    def saying(status: Any, message: str) -> ModelDeploymentStatus:
        one = Condition(type="Ready", status=status, reason="R", message=message, last_transition_time=START)
        return steady.model_copy(update={"conditions": (one,)})

    assert only_tells(saying("True", "one"), saying("True", "another"))
    assert not only_tells(saying("True", "one"), saying("False", "one"))


def test_what_is_taken_back_comes_first_then_what_clients_are_on(
    steady: ModelDeploymentStatus, baking: ModelDeploymentStatus
) -> None:
    nobody = {"weight": 0, "passed_on": 0, "routed": 0}
    assert urgency_of(steady) is Urgency.STEADY
    assert urgency_of(changed(baking, **nobody)) is Urgency.ROLLOUT
    for share in nobody:
        asked = changed(baking, **nobody | {share: 1})
        assert urgency_of(asked) is Urgency.EXPOSED
        assert urgency_of(asked.model_copy(update={"active": None})) is Urgency.ROLLOUT, (
            "there is nothing to go back to"
        )
    assert urgency_of(changed(baking, {"verdict": "Fail"})) is Urgency.ROLLBACK
    assert urgency_of(changed(baking, stage="RollingBack")) is Urgency.ROLLBACK


@pytest.mark.parametrize("verb", ["abort", "rollback", "approve", "promote", "retry"])
def test_a_decision_that_takes_clients_back_is_as_urgent_as_what_it_asks_for(verb: str) -> None:
    assert urgency_of_decision(verb) is (Urgency.ROLLBACK if verb in ("abort", "rollback") else Urgency.ROLLOUT)
