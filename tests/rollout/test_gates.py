"""Gates: a version that a Job refuses meets no client, and a Job that gives no answer is no verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.small import over, recreate, stage, until
from tests.rollout.test_rollout import bake, condition, reasons
from tests.rollout.world import World, serving
from verdigris.api.status import Failure, GateCheck, GateStatus, StepStatus, Verdict
from verdigris.core.facts.observed import ContainerView, Exit, GateJob, GatePod
from verdigris.core.steps.gate_document import digest
from verdigris.core.steps.lists import planned

DATA = {"uri": "https://models.test/holdout.csv", "sha256": "d" * 64, "target": "diabetes"}
QUALITY = {"quality": {"data": DATA, "auc": {"min": 0.85}}}
FAIRNESS = {
    "fairness": {"data": DATA, "attributes": [{"name": "age", "bins": [40.0]}], "disparateImpact": {"min": 0.8}}
}
SMOKE: dict[str, Any] = {"smoke": {}}
LOAD: dict[str, Any] = {"load": {"p95": "100ms", "rate": 200}}
OWN = {"job": {"name": "bias-audit", "image": "clinic.test/audit:3"}}

Judge = Callable[[str, GateJob, str], GateJob]


def answers(verdict: Verdict, message: str = "auc is 0.83, must be at least 0.85.", asked: str | None = None) -> Judge:
    def judge(_kind: str, job: GateJob, question: str) -> GateJob:
        check = GateCheck(name="auc", verdict=verdict, value=0.83, threshold=0.85, low=0.8, high=0.86, count=9232)
        answer = GateStatus(
            job=job.name,
            asked=asked or digest(question),
            verdict=verdict,
            reason={"Pass": "Passed", "Fail": "ThresholdMissed", "Inconclusive": "NotDecided"}[verdict],
            message=message,
            checks=(check,),
        )
        return replace(job, answer=answer, over=Failure(reason="Complete", message=""))

    return judge


def gated(*steps: dict[str, Any], judge: Judge, version: str = "1.1.0", **rollout: Any) -> World:
    """1.0.0 serves, and the next version has to pass these gates."""
    world = serving("1.0.0")
    world.judges = judge
    return world.apply(spec(version, rollout={"steps": list(steps), **rollout})).run(1)


def steps(world: World) -> tuple[StepStatus, ...]:
    assert world.status.rollout
    return world.status.rollout.steps


def test_a_version_that_passes_goes_on_and_its_numbers_are_kept() -> None:
    world = gated(QUALITY, judge=answers("Pass", "auc is 0.89 (0.88 to 0.90), at least 0.85."))
    until(world, stage("Measuring"))
    gate = next(step for step in steps(world) if step.kind == "Quality")
    assert (gate.verdict, gate.reason, gate.message) == ("Pass", "Passed", "auc is 0.89 (0.88 to 0.90), at least 0.85.")
    assert gate.gate
    assert gate.gate.checks[0].value == 0.83
    assert condition(world, "GatesPassed")[:2] == ("True", "Passed")
    assert "GatePassed" in reasons(world)
    until(bake(world), over)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


@pytest.mark.parametrize("asked", [QUALITY, FAIRNESS, SMOKE, LOAD, OWN], ids=lambda one: next(iter(one)))
@pytest.mark.parametrize("shield", [True, False])
def test_a_version_that_fails_is_rejected_before_any_client_meets_it(asked: dict[str, Any], shield: bool) -> None:
    world = gated(asked, judge=answers("Fail"), shield=shield)
    until(world, over)
    assert world.asked == {}
    assert {selected for _, selected in world.switches} == {"blue"}
    last = world.status.rejected[-1]
    assert (last.reason, last.message) == (
        f"{next(iter(asked)).capitalize()}GateFailed",
        "auc is 0.83, must be at least 0.85.",
    )
    assert last.check
    assert (last.check.value, last.check.threshold, last.check.count) == (0.83, 0.85, 9232)
    assert condition(world, "GatesPassed")[:2] == ("False", "ThresholdMissed")
    assert world.status.active
    assert world.status.active.version == "1.0.0"


def test_of_several_checks_that_did_not_pass_the_one_that_failed_is_kept() -> None:
    def judge(kind: str, job: GateJob, question: str) -> GateJob:
        judged = answers("Fail")(kind, job, question)
        assert judged.answer
        unsure = GateCheck(name="auc", verdict="Inconclusive", value=0.9, threshold=0.9, bound="min")
        failed = GateCheck(name="recall", verdict="Fail", value=0.2, threshold=0.8, bound="min")
        return replace(judged, answer=judged.answer.model_copy(update={"checks": (unsure, failed)}))

    world = until(gated(QUALITY, judge=judge), over)
    assert world.status.rejected[-1].check
    assert world.status.rejected[-1].check.name == "recall"


def test_the_very_first_version_has_to_pass_as_well() -> None:
    world = World(spec("1.0.0", rollout={"steps": [QUALITY]}), judges=answers("Fail")).run(30)
    assert world.status.active is None
    assert world.selected is None or not world.answering()
    assert world.status.rejected[-1].reason == "QualityGateFailed"


@pytest.mark.parametrize(("policy", "becomes"), [("Hold", "AtGate"), ("Promote", "1.1.0"), ("Rollback", "NotDecided")])
def test_an_answer_that_is_none_ends_as_the_user_declared(policy: str, becomes: str) -> None:
    world = gated(QUALITY, judge=answers("Inconclusive"), onInconclusive=policy, inconclusiveDeadline="30s", bake="0s")
    world.run(90)
    if policy == "Hold":
        assert world.status.rollout
        assert world.status.rollout.stage == becomes
        assert "or until a RolloutDecision" in world.status.rollout.message
    elif policy == "Promote":
        assert world.status.active
        assert world.status.active.version == becomes
    else:
        assert world.status.rejected[-1].reason == becomes
        assert world.status.rejected[-1].check
        assert not world.gates, "a gate that said nothing is run again by the next try"


BROKEN = {
    "crashed": GateJob(
        "",
        over=Failure(reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit"),
        pod=GatePod("p", "Failed", containers=(ContainerView("gate", exit=Exit(137, "OOMKilled")),)),
    ),
    "late": GateJob(
        "", over=Failure(reason="DeadlineExceeded", message="Job was active longer than specified deadline")
    ),
}


@pytest.mark.parametrize("fault", sorted(BROKEN))
def test_a_gate_that_ends_without_an_answer_is_no_verdict_and_says_how_it_ended(fault: str) -> None:
    world = gated(
        QUALITY, judge=lambda _kind, job, _question: replace(BROKEN[fault], name=job.name), onInconclusive="Hold"
    )
    world.run(60)
    assert world.status.rollout
    assert world.status.rollout.stage == "AtGate"
    said = world.status.rollout.message
    assert "ended without an answer" in said
    assert BROKEN[fault].over.message in said  # type: ignore[union-attr]
    assert "kubectl logs job/diabetes-quality-" in said
    assert not world.status.rejected


WAITING = {
    "no node": (
        GatePod("p", "Pending", Failure(reason="Unschedulable", message="0/1 nodes: Insufficient memory.")),
        "no node",
    ),
    "no image": (
        GatePod("p", "Pending", containers=(ContainerView("gate", waiting="ImagePullBackOff", said="not found"),)),
        "ImagePullBackOff. not found",
    ),
    "no pod": (None, "It has no pod yet."),
}


@pytest.mark.parametrize("fault", sorted(WAITING))
def test_a_gate_that_cannot_start_says_why_and_ends_at_last_as_declared(fault: str) -> None:
    pod, said = WAITING[fault]
    asked = {"quality": {**QUALITY["quality"], "deadline": "10s"}}
    policy = {"onInconclusive": "Rollback", "inconclusiveDeadline": "10s"}
    world = gated(asked, judge=lambda _kind, job, _question: replace(job, pod=pod), **policy)
    until(world, stage("AtGate")).run(5)
    assert world.status.rollout
    assert said in world.status.rollout.message
    until(world, over)
    assert world.status.rejected[-1].reason == "GateNotRun"
    assert world.status.rejected[-1].check is None
    assert said in world.status.rejected[-1].message
    assert world.status.active
    assert world.status.active.version == "1.0.0"


def test_an_answer_to_another_question_is_none() -> None:
    world = gated(QUALITY, judge=answers("Pass", asked="e" * 64), onInconclusive="Hold").run(60)
    assert world.status.rollout
    assert world.status.rollout.stage == "AtGate"
    assert "has answered something else than it was asked" in world.status.rollout.message


def test_a_job_of_somebody_else_by_that_name_is_told_and_left_alone() -> None:
    world = gated(QUALITY, judge=lambda _kind, job, _question: replace(job, foreign=True), onInconclusive="Hold").run(
        60
    )
    assert world.status.rollout
    assert "is somebody else's" in world.status.rollout.message


def test_a_gate_whose_job_was_deleted_is_asked_again() -> None:
    world = gated(QUALITY, judge=lambda _kind, job, _question: job)
    until(world, stage("AtGate")).run(3)
    (name,) = world.gates
    world.gates.clear()
    world.judges = answers("Pass")
    until(world, stage("Measuring"))
    assert set(world.gates) == {name}


def test_a_new_spec_ends_the_gate_under_way() -> None:
    world = gated(QUALITY, judge=lambda _kind, job, _question: job)
    until(world, stage("AtGate")).run(3)
    assert world.status.rollout
    assert "for at most 900 s." in world.status.rollout.message
    world.judges = answers("Pass")
    world.apply(spec("1.2.0", rollout={"steps": [QUALITY]}))
    until(
        world,
        lambda w: (
            w.status.rollout is not None
            and w.status.rollout.version == "1.2.0"
            and w.status.rollout.stage == "Measuring"
        ),
    )
    assert len(world.gates) == 1


def test_an_edit_of_the_gate_counts_once_its_rollout_was_ended_and_begun_anew() -> None:
    world = gated(LOAD, judge=answers("Inconclusive"), onInconclusive="Hold")
    until(world, stage("AtGate")).run(10)
    world.judges = answers("Pass")
    world.apply(spec("1.1.0", rollout={"steps": [{"load": {**LOAD["load"], "rate": 20}}]})).run(10)
    assert world.status.rollout
    assert (world.status.rollout.stage, len(world.gates)) == ("AtGate", 1)
    revision = world.status.rollout.revision
    world.decide("abort", revision)
    until(world, over)
    world.decide("retry", revision)
    until(world, stage("Measuring"))


def test_an_abort_ends_the_gate_and_a_promote_does_not_wait_for_it() -> None:
    for verb in ("abort", "promote"):
        world = gated(QUALITY, judge=lambda _kind, job, _question: job)
        until(world, stage("AtGate")).run(3)
        assert world.status.rollout
        world.decide(verb, world.status.rollout.revision)  # type: ignore[arg-type]
        until(world, over)
        assert world.status.active
        assert world.status.active.version == ("1.0.0" if verb == "abort" else "1.1.0")
        if verb == "abort":
            assert not world.gates


def test_a_pause_holds_a_rollout_whose_gate_has_passed() -> None:
    world = gated(QUALITY, judge=lambda _kind, job, _question: job)
    until(world, stage("AtGate")).run(3)
    (name,) = world.gates
    world.apply(spec("1.1.0", rollout={"steps": [QUALITY]}, paused=True)).run(2)
    world.gates[name] = replace(
        world.gates[name], answer=GateStatus(job=name, asked=_asked(world), verdict="Pass", reason="Passed")
    )
    world.run(30)
    assert world.status.rollout
    assert world.status.rollout.stage == "AtGate"


def _asked(world: World) -> str:
    assert world.status.rollout
    gate = world.status.rollout.steps[world.status.rollout.step].gate
    assert gate
    return gate.asked


# where gates stand in the list


@pytest.mark.parametrize(
    ("asked", "replaces", "kinds"),
    [
        ([QUALITY, SMOKE], False, "Start Quality Smoke"),
        ([QUALITY], True, "Start Quality Measure Trial Bake"),
        ([QUALITY, {"weight": 5}, LOAD, {"weight": 50}], True, "Start Quality Measure Trial Load Trial Trial Bake"),
        ([{"approval": {}}, QUALITY, {"approval": {}}], True, "Start Approval Quality Measure Approval Trial Bake"),
    ],
)
def test_gates_come_before_the_baseline_unless_a_share_comes_first(
    asked: list[dict[str, Any]], replaces: bool, kinds: str
) -> None:
    policy = spec("1.1.0", rollout={"steps": asked, "shield": True}).rollout
    assert " ".join(step.kind for step in planned(policy, replaces=replaces)) == kinds


def test_where_the_active_pods_are_ended_first_what_needs_no_pod_comes_before() -> None:
    policy = recreate("1.1.0", steps=[SMOKE, FAIRNESS, QUALITY]).rollout
    kinds = " ".join(step.kind for step in planned(policy, replaces=True))
    assert kinds == "Fairness Quality EndActive Start Smoke Measure Bake"


def test_without_the_shield_approvals_and_gates_keep_their_order() -> None:
    policy = spec("1.1.0", rollout={"steps": [QUALITY, {"approval": {}}, SMOKE], "shield": False}).rollout
    kinds = " ".join(step.kind for step in planned(policy, replaces=True))
    assert kinds == "Start Quality Approval Smoke Measure Bake"


def test_who_asks_for_a_retry_gets_an_answer_of_now_though_the_old_job_could_not_be_deleted() -> None:
    world = gated(LOAD, judge=answers("Fail"))
    until(world, lambda w: bool(w.gates))
    old = dict(world.gates)
    until(world, over)
    world.gates.update(old)
    world.judges = answers("Pass")
    world.decide("retry", world.status.rejected[-1].revision)
    until(world, stage("Measuring"))
    assert condition(world, "GatesPassed")[:2] == ("True", "Passed")
