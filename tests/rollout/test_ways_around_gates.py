"""Ways around the laws that gates could open: each was one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import OWNER, spec
from tests.rollout.small import over, recreate, stage, until
from tests.rollout.test_gates import FAIRNESS, LOAD, QUALITY, SMOKE, answers, gated
from tests.rollout.world import World, gate_container
from verdigris.api.status import Failure
from verdigris.children import gate_job, pod_template
from verdigris.children.names import Defaults, gate_policy_name
from verdigris.core.actions import Keep, Remove
from verdigris.core.engine.plan import plan
from verdigris.core.facts.observed import GateJob
from verdigris.core.steps.lists import planned
from verdigris.core.turn import evolve

APPROVAL: dict[str, Any] = {"approval": {}}


@pytest.mark.parametrize("label", ["--5", "²"])
def test_a_label_that_is_hardly_a_number_stops_no_rollout(label: str) -> None:
    asked = {"fairness": {**FAIRNESS["fairness"], "favourable": label}}
    world = until(gated(asked, judge=answers("Pass")), stage("Measuring"))
    assert world.gates, "it was asked all the same"


def unanswered(_kind: str, job: GateJob, _question: str) -> GateJob:
    return job


def crashed(_kind: str, job: GateJob, _question: str) -> GateJob:
    return replace(job, over=Failure(reason="BackoffLimitExceeded", message="It crashed three times."))


def test_a_gate_between_weights_that_says_nothing_ends_as_declared_although_clients_are_answered_well() -> None:
    asked = ({"weight": 50, "hold": "20s"}, SMOKE)
    world = gated(*asked, judge=crashed, onInconclusive="Rollback", inconclusiveDeadline="30s", shield=True)
    until(world, stage("AtGate")).run(10)
    assert world.status.rollout
    since = world.status.rollout.steps[world.status.rollout.step].unclear_since
    assert since
    assert since < world.now - timedelta(seconds=5), "each look that finds its answers good must not begin it anew"
    until(world, over, seconds=60)
    assert world.status.rejected[-1].reason == "GateCrashed"
    assert world.status.history[-1].outcome == "RolledBack"


def test_what_is_asked_twice_in_a_list_is_judged_twice() -> None:
    world = gated(LOAD, QUALITY, LOAD, QUALITY, judge=answers("Pass"))
    until(world, stage("Measuring"))
    assert sorted(name.split("-")[1] for name in world.gates) == ["load", "load", "quality", "quality"]


def test_an_answer_that_another_image_gave_for_the_same_bytes_is_none_for_this_one() -> None:
    world = gated(QUALITY, judge=answers("Pass"))
    until(world, stage("Measuring"))
    before = set(world.gates)
    other_image = spec("1.1.0", serving={"image": "verdigris/serving:other"}, rollout={"steps": [QUALITY]})
    world.apply(other_image).judges = answers("Fail")
    until(world, lambda w: bool(w.status.rejected))
    assert before < set(world.gates)
    assert world.status.rejected[-1].reason == "QualityGateFailed"


def test_the_load_of_a_gate_ends_when_a_person_promotes_past_it() -> None:
    world = gated(LOAD, judge=unanswered)
    until(world, stage("AtGate")).run(3)
    assert world.gates
    assert world.status.rollout
    world.decide("promote", world.status.rollout.revision)
    until(world, lambda w: not stage("AtGate")(w)).run(1)
    assert not world.gates, "the version meets its clients and the load of its gate at once"


def of_policy(world: World) -> list[type]:
    """What the next plan does about the NetworkPolicy of gates."""
    found: list[type] = []
    for action in plan(world.observe(), world.evidence(), world.now).actions:
        kept = isinstance(action, Keep) and action.manifest["metadata"]["name"] == gate_policy_name("diabetes")
        if kept or (isinstance(action, Remove) and action.name == gate_policy_name("diabetes")):
            found.append(type(action))
    return found


def test_a_gate_that_outlives_its_rollout_stays_bound_by_its_network_policy() -> None:
    world = gated(LOAD, judge=unanswered)
    until(world, stage("AtGate")).run(3)
    world.refuses = lambda action: isinstance(action, Remove) and action.kind == "Job"
    assert world.status.rollout
    world.decide("abort", world.status.rollout.revision)
    until(world, over)
    assert world.gates
    assert of_policy(world) == [Keep]
    world.apply(spec("1.0.0")).run(5)
    assert of_policy(world) == [Remove]


def test_no_approval_of_the_list_is_left_out() -> None:
    steps = [QUALITY, APPROVAL, LOAD]
    first = planned(spec("1.0.0", rollout={"steps": steps}).rollout, replaces=False)
    assert [step.kind for step in first] == ["Start", "Quality", "Approval", "Load"]
    anew = planned(recreate("1.1.0", steps=steps).rollout, replaces=True)
    kinds = ["Quality", "Approval", "EndActive", "Start", "Load", "Measure", "Bake"]
    assert [step.kind for step in anew] == kinds


def test_the_very_first_version_waits_for_the_approval_of_its_list() -> None:
    world = World(spec("1.0.0", rollout={"steps": [QUALITY, APPROVAL]}), judges=answers("Pass"))
    until(world, stage("AwaitingApproval")).run(20)
    assert world.status.active is None
    assert world.status.rollout
    world.decide("approve", world.status.rollout.revision)
    until(world, over)
    assert world.status.active
    assert world.status.active.version == "1.0.0"


def test_no_variable_of_a_gate_is_given_twice() -> None:
    """The API server refuses a Job that does, and the gate would never run."""
    env = [{"name": "TMPDIR", "value": "/cache"}, {"name": "LOG_LEVEL", "value": "debug"}]
    template = pod_template.build(OWNER, spec("1.0.0", serving={"env": env}), "v1-a", Defaults("serving:test"))
    job = gate_job.build(OWNER, "gate", gate_job.Question("smoke", "{}", 60), template, "v1-a")
    names = [one["name"] for one in gate_container(job)["env"]]
    assert sorted(names) == ["LOG_LEVEL", "TMPDIR", "VERDIGRIS_GATE"]


def test_a_gate_of_which_the_status_has_lost_what_it_asks_is_not_passed() -> None:
    world = gated(QUALITY, judge=unanswered, onInconclusive="Hold")
    until(world, stage("AtGate")).run(3)
    assert world.status.rollout
    lost = tuple(evolve(step, number=None) for step in world.status.rollout.steps)
    world.status = evolve(world.status, rollout=evolve(world.status.rollout, steps=lost))
    world.run(20)
    assert world.status.rollout
    assert world.status.rollout.stage == "AtGate"
    assert "is not in the status any more" in world.status.rollout.message
