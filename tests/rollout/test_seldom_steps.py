"""Looks at steps in what is seldom so: nobody is active, a gateway lags, the status does not say what to ask."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.baking_cases import PASS, baking
from tests.rollout.capacity_cases import quota
from tests.rollout.parts import spec
from tests.rollout.step_cases import NOW, SNAPSHOTS, deployments, steps, turn
from tests.rollout.trial_cases import EXPOSED, MINUTE, SECOND
from verdigris.api.spec import JobGate, LoadGate, SmokeGate
from verdigris.api.status import Failure, SourceStatus, StepStatus
from verdigris.core.engine.gate_jobs import gate_jobs
from verdigris.core.facts.observed import ContainerView, Exit, GateJob
from verdigris.core.facts.route import RouteView, Routing
from verdigris.core.facts.survey import Survey
from verdigris.core.judges.crashes import crashing
from verdigris.core.judges.score import combined
from verdigris.core.pods.diagnosis.candidate import candidate_fault
from verdigris.core.steps import bake
from verdigris.core.steps.gate import GATES
from verdigris.core.steps.gate_document import document
from verdigris.core.steps.source import FROM
from verdigris.core.steps.step import NEXT, STAY
from verdigris.core.steps.trial import TRIAL
from verdigris.core.steps.watching import with_answer
from verdigris.core.turn import Turn

SMOKE = next(step for step in GATES if step.kind == "Smoke")
PAUSED = spec("1.1.0", paused=True)
CRASH = ContainerView("server", restarts=9, exit=Exit(1, "Error", "no memory", NOW))


def hopeless(*kinds: Any) -> Turn:
    """The namespace will never let the candidate's pods in, and that has been so for long."""
    trouble = Failure(reason="FailedCreate", message='admission webhook "policy.test" denied the request: no')
    green = deployments(trouble=trouble, trouble_since=NOW - 60 * MINUTE)
    found = turn(*[pod for pod in turn().observed.pods if pod.color == "blue"], deployments=green)
    changes = {**steps(*kinds), "weight": 0, "started_at": NOW - 60 * MINUTE, "since": NOW - 60 * MINUTE}
    return found.change_rollout(**changes)


def test_the_first_version_of_all_is_compared_with_nobody() -> None:
    assert crashing(turn().change(active=None)) is None
    assert combined(()) == 0.0


# a trial


def test_a_trial_in_which_nobody_can_share_waits_while_it_is_held() -> None:
    found, ruling = TRIAL.look(turn(rollout=steps("Trial"), spec=PAUSED))
    assert ruling == STAY
    assert found.rollout.message == "spec.rollout.shield is false."
    assert TRIAL.message(found) == "spec.rollout.shield is false."


def test_a_trial_whose_active_version_is_gone_is_given_no_share_while_it_is_held() -> None:
    asked = {**steps("Trial"), "passed_on": 10000, "since": EXPOSED}
    found, ruling = TRIAL.look(turn(rollout=asked, spec=PAUSED).change(active=None))
    assert ruling == STAY
    assert found.rollout.message.startswith("No version is active.")


# a bake by a gateway


ROUTE = RouteView("diabetes", own=True, rules=({"blue": 0, "green": 100},), accepted=True, lags=True)


@pytest.mark.parametrize(("waited", "then"), [(60 * SECOND, "Stay"), (90 * SECOND, "End")])
def test_nothing_ends_while_a_gateway_has_not_taken_the_weights_up(waited: timedelta, then: str) -> None:
    wanted, asked = spec("1.1.0", rollout=FEW), {**steps("Bake"), "evidence": PASS}
    found, ruling = bake.BAKE.look(baking(since=NOW - waited, routing=Routing(ROUTE), spec=wanted, **asked))
    assert ruling.then == then
    told = ruling.failure.message if ruling.failure is not None else found.rollout.message
    assert told.startswith("The gateway has not taken up the weights of HTTPRoute diabetes yet")


FEW = {"bake": "0s", "progressDeadline": "85s", "keepWarm": "2m"}


def test_a_decision_to_promote_waits_for_no_gateway() -> None:
    asked = {**steps("Bake"), "evidence": PASS, "promote_now": True}
    assert bake.BAKE.look(baking(since=NOW - MINUTE, routing=Routing(ROUTE), **asked))[1].then == "Next"


# a gate, and another environment


@pytest.mark.parametrize("step", [SMOKE, FROM], ids=lambda step: str(step.kind))
def test_a_version_that_will_never_run_waits_for_no_answer(step: Any) -> None:
    assert candidate_fault(hopeless(step.kind)) is not None
    ruling = step.look(hopeless(step.kind))[1]
    assert (ruling.then, ruling.outcome) == ("End", "Failed")


@pytest.mark.parametrize(("step", "reason"), [(SMOKE, "GateUnknown"), (FROM, "SourceUnknown")])
def test_what_is_not_known_to_be_asked_is_no_pass(step: Any, reason: str) -> None:
    begun = turn(rollout={**steps(step.kind), "weight": 0, "since": NOW})
    found, ruling = step.look(begun)
    assert (ruling, found.rollout.evidence.reason) == (STAY, reason)
    assert "is not in the status any more" in found.rollout.message
    assert step.look(begun.change_rollout(promote_now=True))[1] == NEXT
    held = turn(rollout={**steps(step.kind), "weight": 0, "since": NOW}, spec=PAUSED)
    assert step.look(held.change_rollout(promote_now=True))[1] == STAY


def test_another_environment_that_has_not_been_looked_at_yet_is_waited_for() -> None:
    asked = {"from": {"namespace": "staging", "healthyFor": "1h"}}
    wanted = spec("1.1.0", rollout={"steps": [asked]})
    begun = turn(spec=wanted, rollout={"steps": (StepStatus(kind="From", number=0),), "step": 0, "weight": 0})
    seen = replace(begun.observed, status=begun.status, source=None)
    found, ruling = FROM.look(replace(begun, observed=seen))
    assert (ruling, found.look_at, found.rollout.steps[0].source) == (STAY, None, None)
    told = SourceStatus(verdict="Pass", reason="Passed", message="m")
    kept = replace(begun, observed=seen).change_step(source=told)
    assert FROM.look(kept)[1] == NEXT, "what was found stays found"


def test_an_answer_that_is_there_again_says_nothing_of_what_clients_saw() -> None:
    unclear = (StepStatus(kind="From", unclear_since=NOW),)
    found = with_answer(turn(rollout={"steps": unclear, "step": 0, "passed_on": 500, "evidence": PASS})).rollout
    assert (found.steps[0].unclear_since, found.evidence) == (None, PASS)
    nobody = turn(rollout={"steps": unclear, "step": 0, "passed_on": 0, "routed": 0, "evidence": PASS})
    assert with_answer(nobody).rollout.evidence.verdict == "Inconclusive"


def smoking(**seen: Any) -> Turn:
    """The version is asked by a smoke gate that nobody has answered."""
    wanted = spec("1.1.0", rollout={"steps": [{"smoke": {"rows": 20}}]})
    asked = {"steps": (StepStatus(kind="Smoke", number=0),), "step": 0, "weight": 0, "since": NOW}
    found = turn(spec=wanted, rollout=asked, **seen)
    return SMOKE.look(found)[0]


def test_a_gate_without_a_job_says_that_the_api_server_refused_it() -> None:
    late = replace(smoking(), now=NOW + timedelta(hours=1))
    found, _ = SMOKE.look(late)
    assert "Its Job was not made: the status of the ModelDeployment says what the API server refused." in (
        found.rollout.message
    )


def test_no_job_is_made_of_a_revision_whose_pods_are_not_known() -> None:
    asked = smoking()
    kept = replace(asked, observed=replace(asked.observed, status=asked.status, snapshots={}))
    assert list(gate_jobs(kept)) == []


def test_a_gate_of_a_revision_that_is_not_known_any_more_asks_nothing() -> None:
    asked = document(turn(snapshots={}), SmokeGate())
    assert isinstance(asked, Failure)
    assert asked.reason == "RevisionUnknown"
    unverified = {name: replace(one, sha256="") for name, one in SNAPSHOTS.items()}
    asked = document(turn(snapshots=unverified), SmokeGate())
    assert isinstance(asked, Failure)
    assert asked.reason == "ModelUnverified"


def test_a_first_version_has_no_active_one_to_mind_or_to_be_compared_with() -> None:
    alone = turn(rollout=steps("Load")).change(active=None)
    assert "guard" not in json.loads(str(document(alone, LoadGate())))
    assert "active" not in json.loads(str(document(alone, JobGate(name="audit", image="clinic.test/audit:3"))))


def test_a_job_that_ended_without_a_pod_says_no_more_than_that() -> None:
    asked = smoking()
    gate = asked.rollout.steps[0].gate
    assert gate
    job = GateJob(gate.job, over=Failure(reason="DeadlineExceeded", message="too long"))
    found, _ = SMOKE.look(replace(asked, observed=replace(asked.observed, gate=job)))
    assert "ended without an answer (DeadlineExceeded: too long)" in found.rollout.message
    assert "no pod" not in found.rollout.message


def test_a_quota_that_names_what_pods_do_not_say_is_told_instead_of_its_refusal() -> None:
    trouble = Failure(reason="FailedCreate", message="pods are forbidden: maximum memory usage per Pod is 1Gi")
    green = deployments(trouble=trouble, trouble_since=NOW - 60 * MINUTE)
    blue = [pod for pod in turn().observed.pods if pod.color == "blue"]
    small = Survey(NOW, quotas=(quota(hard={"requests_memory": "4Gi"}),), problem="nodes may not be read")
    found = candidate_fault(
        turn(*blue, deployments=green, survey=small, rollout={"started_at": NOW - 60 * MINUTE, "since": NOW})
    )
    assert found is not None
    assert found.reason == "ResourcesNotSet"
