"""Proof that what a version may not do on trial is found: each of these breaks one rule of the operator on purpose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.simulation.runs import disturbed, undisturbed
from tests.simulation.workloads import BY_NAME, FAULTS, at_gate
from verdigris.core.engine import children, following, plan, progress
from verdigris.core.engine.following import follow
from verdigris.core.judges import shadow
from verdigris.core.steps import gate, trial
from verdigris.core.steps.approval import APPROVAL
from verdigris.core.steps.lists import STEPS
from verdigris.core.steps.step import NEXT


def wrong(workload: str) -> list[str]:
    return undisturbed(BY_NAME[workload]).wrong


def found(said: list[str], what: str) -> bool:
    return any(what in one for one in said)


def test_it_finds_a_weight_that_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    enter = progress._enter

    def two_on(turn: Any, number: int) -> Any:
        weights = [step.weight for step in turn.rollout.steps]
        return enter(turn, number + 1 if weights[number] == 10 else number)

    monkeypatch.setattr(progress, "_enter", two_on)
    said = wrong("ladder")
    assert found(said, "was asked at 10.0 % for too short a time"), said


def test_it_finds_a_weight_that_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "wait", lambda turn, *_: (turn, NEXT))
    said = wrong("ladder")
    assert found(said, "for too short a time"), said


def test_it_finds_an_approval_that_nobody_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STEPS, "Approval", replace(APPROVAL, look=lambda turn: (turn, NEXT)))  # type: ignore[arg-type]
    said = wrong("approvals")
    assert found(said, "went past approval 1, which nobody gave"), said


def test_it_finds_one_yes_that_counts_for_two_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = progress._ended

    def keeps_it(turn: Any, number: int) -> Any:
        return ended(turn, number).change_rollout(approval=turn.rollout.approval)

    monkeypatch.setattr(progress, "_ended", keeps_it)
    said = wrong("approvals")
    assert found(said, "went past approval 2, which nobody gave"), said


def test_it_finds_pods_that_are_told_a_larger_share_than_the_step_says(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted_order = children.wanted_order

    def twice(*about: Any) -> Any:
        order = wanted_order(*about)
        return None if order is None else order.replace('"share":100,', '"share":200,')

    monkeypatch.setattr(children, "wanted_order", twice)
    said = wrong("ladder")
    assert found(said, "a pod was told a share of 200"), said


def test_it_finds_that_a_unit_meets_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted_order = children.wanted_order

    def salted_by_the_share(observed: Any, status: Any) -> Any:
        order = wanted_order(observed, status)
        return None if order is None else order.replace('"salt":"', f'"salt":"{status.rollout.passed_on}')

    monkeypatch.setattr(children, "wanted_order", salted_by_the_share)
    said = wrong("ladder")
    assert found(said, "and then the active version"), said


def test_it_finds_other_answers_that_are_taken_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "_rule", lambda *_: ("Pass", "ShadowAgrees", "they are alike"))
    said = wrong("shadow of other answers")
    assert found(said, "law 3: version 2.0.0 is bad, and was promoted"), said


def test_it_finds_a_late_fault_that_nobody_watches_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "CHAIN", tuple(link for link in plan.CHAIN if link.__name__ != "watch_warm"))
    said = wrong("late fault")
    assert found(said, "the rejection of the version that has turned bad did not come"), said


def test_it_finds_a_gate_that_is_passed_before_it_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STEPS, "Smoke", replace(STEPS["Smoke"], look=lambda turn: (turn, NEXT)))  # type: ignore[arg-type]
    said = wrong("gates")
    assert found(said, "went past the Smoke gate, which has not passed it"), said


def test_it_finds_an_answer_to_another_question_that_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = gate._heard

    def believes(turn: Any) -> Any:
        job, known = turn.observed.gate, gate.gate_status(turn)
        if job is not None and job.answer is not None and known is not None:
            turn = replace(turn, observed=replace(turn.observed, gate=replace(job, answer=_as_asked(job, known))))
        return heard(turn)

    monkeypatch.setattr(gate, "_heard", believes)
    left = [FAULTS["a gate answers for another revision"]]
    played = disturbed(BY_NAME["gates"], lambda call: [left.pop()] if left and at_gate(call) else ())
    said = [what for branch in played.branches for what in branch["wrong"]]
    assert found(said, "gate, which has not passed it"), said


def test_it_finds_bytes_that_go_on_before_they_have_served_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STEPS, "From", replace(STEPS["From"], look=lambda turn: (turn, NEXT)))  # type: ignore[arg-type]
    said = wrong("gone elsewhere")
    assert found(said, "its bytes have not served elsewhere"), said


def test_it_finds_a_version_that_is_followed_without_a_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "unusable", lambda *_: None)
    said = wrong("alias without a checksum")
    assert found(said, "is followed, which the registry has not said"), said


def test_it_finds_an_alias_that_is_forgotten_while_the_registry_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgets(turn: Any) -> Any:
        view = turn.observed.registry
        return turn.change(followed=None) if view is not None and view.problem is not None else follow(turn)

    monkeypatch.setattr(plan, "CHAIN", tuple(forgets if link is follow else link for link in plan.CHAIN))
    left = [FAULTS["the registry is away"]]
    played = disturbed(BY_NAME["alias"], lambda _: [left.pop()] if left else ())
    said = [what for branch in played.branches for what in branch["wrong"]]
    assert found(said, "law 11: what the alias was seen to be was forgotten"), said


def _as_asked(job: Any, known: Any) -> Any:
    return job.answer.model_copy(update={"asked": known.asked})
