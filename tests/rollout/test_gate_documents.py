"""What a gate is asked: by the spec, of the bytes that serve, and in the words of the program that answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.api.gates import GATES, OWN_GATE
from tests.rollout.parts import spec
from tests.rollout.small import stage, until
from tests.rollout.test_gates import DATA, LOAD, OWN, QUALITY, answers, gated
from tests.rollout.world import World, serving
from verdigris.core.actions import Action, Keep
from verdigris.core.facts.observed import GateJob
from verdigris_serving.gate.config import read


def question(world: World, kind: str) -> dict[str, Any]:
    asked: dict[str, Any] = {}

    def judge(found: str, job: GateJob, text: str) -> GateJob:
        if found == kind:
            asked.update(json.loads(text))
        return answers("Pass")(found, job, text)

    world.judges = judge
    until(world, lambda _: bool(asked))
    return asked


def test_quality_is_asked_of_the_bytes_that_serve_and_compared_with_those_that_do() -> None:
    asked = {"quality": {"data": DATA, "logLoss": {"max": 0.5}, "versusActive": {"metric": "logLoss", "margin": 0.01}}}
    found = question(gated(asked, judge=answers("Pass")), "quality")
    assert found["model"] == {"uri": "https://models.test/1.1.0.vmodel", "sha256": "a" * 64, "version": "1.1.0"}
    assert found["versusActive"]["active"]["version"] == "1.0.0"
    assert found["versusActive"]["metric"] == "log_loss"
    assert found["thresholds"] == {"log_loss": {"max": 0.5}}
    assert (found["data"], found["confidence"]) == (DATA, 0.95)


def test_a_version_that_is_compared_with_what_nobody_knows_any_more_is_asked_nothing() -> None:
    versus = {"quality": {**QUALITY["quality"], "versusActive": {"metric": "auc", "margin": 0.01}}}
    world = gated(versus, judge=answers("Pass"))
    active = world.status.active
    assert active
    del world.snapshots[active.revision]
    until(world, stage("AtGate")).run(2)
    assert world.status.rollout
    assert world.status.rollout.evidence.reason == "RevisionUnknown"
    assert "What version 1.0.0 was made of is not known any more" in world.status.rollout.message


@pytest.mark.parametrize(("label", "meant"), [("true", True), ("false", False), ("-1", -1), ("yes", "yes")])
def test_fairness_is_asked_about_the_label_that_the_model_has(label: str, meant: object) -> None:
    asked = {
        "data": DATA,
        "attributes": [{"name": "sex"}],
        "favourable": label,
        "equalOpportunity": {"maxDifference": 0.1},
    }
    found = question(gated({"fairness": asked}, judge=answers("Pass")), "fairness")
    assert found["favourable"] == meant
    assert found["equalOpportunity"] == {"maxDifference": 0.1}
    assert "disparateImpact" not in found


def test_load_goes_to_the_new_pods_and_minds_the_active_ones() -> None:
    found = question(gated(LOAD, judge=answers("Pass")), "load")
    assert found["url"] == "http://diabetes-green.clinic.svc:80"
    assert found["guard"] == {"url": "http://diabetes-blue.clinic.svc:80"}
    assert (found["rate"], found["p95Seconds"], found["forSeconds"]) == (200, 0.1, 30)


def test_a_version_without_a_checksum_can_be_judged_by_nobody() -> None:
    model = {"uri": "https://models.test/1.1.0.vmodel", "sha256": None, "allowUnverified": True}
    world = serving("1.0.0").apply(spec("1.1.0", model=model, rollout={"steps": [QUALITY], "onInconclusive": "Hold"}))
    world.run(60)
    assert world.status.rollout
    assert "has no spec.model.sha256" in world.status.rollout.message
    assert not world.gates


def test_a_load_that_lasts_longer_than_its_deadline_gets_the_time_that_it_takes() -> None:
    asked = {"load": {"for": "1h", "deadline": "10s"}}
    found = question(gated(asked, judge=answers("Pass")), "load")
    assert found["deadlineSeconds"] == 3720


@pytest.mark.parametrize("asked", GATES, ids=lambda one: next(iter(one)))
def test_the_program_understands_every_field_of_what_it_is_asked(asked: dict[str, Any]) -> None:
    (kind,) = asked
    found = question(gated(asked, judge=answers("Pass")), kind)
    read(kind, json.dumps(found).encode())
    unknown = json.dumps({**found, "more": 1}).encode()
    with pytest.raises(ValueError, match="more"):
        read(kind, unknown)


@pytest.mark.parametrize(("versus", "mounted"), [({}, []), ({"versusActive": {"metric": "auc"}}, ["old"])])
def test_a_claim_of_the_active_version_is_mounted_only_to_compare_with_it(
    versus: dict[str, Any], mounted: list[str]
) -> None:
    world, jobs = serving("1.0.0"), list[Keep]()
    world.snapshots = {name: replace(one, uri="pvc://old/1.vmodel") for name, one in world.snapshots.items()}

    def note(action: Action) -> bool:
        if isinstance(action, Keep) and action.manifest["kind"] == "Job":
            jobs.append(action)
        return False

    world.refuses = note
    asked = {"quality": {**QUALITY["quality"], **versus}}
    until(world.apply(spec("1.1.0", rollout={"steps": [asked]})), lambda _: bool(jobs))
    volumes = jobs[0].manifest["spec"]["template"]["spec"]["volumes"]
    claims = [one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one]
    assert claims == mounted


def test_a_program_of_ones_own_is_told_what_to_judge_and_where_it_answers() -> None:
    found = question(gated(OWN, judge=answers("Pass")), "job")
    assert (found["gate"], found["url"]) == ("bias-audit", "http://diabetes-green.clinic.svc:80")
    assert found["active"]["version"] == "1.0.0"
    assert found["model"] == {"uri": "https://models.test/1.1.0.vmodel", "sha256": "a" * 64, "version": "1.1.0"}


def test_another_program_is_asked_anew() -> None:
    other = {"job": {**OWN["job"], "image": "clinic.test/audit:4"}}
    first, second = (question(gated(asked, judge=answers("Pass")), "job") for asked in (OWN, other))
    assert first.pop("template") != second.pop("template")
    assert first == second


def test_the_job_of_ones_own_program_has_its_container_and_what_confines_every_pod() -> None:
    jobs = list[Keep]()
    world = gated(OWN_GATE, judge=answers("Pass"))

    def note(action: Action) -> bool:
        if isinstance(action, Keep) and action.manifest["kind"] == "Job":
            jobs.append(action)
        return False

    world.refuses = note
    until(world, lambda _: bool(jobs))
    made = jobs[0].manifest["spec"]
    (container,) = made["template"]["spec"]["containers"]
    assert (container["image"], container["command"], container["args"]) == (
        "clinic.test/audit:3",
        ["python3"],
        ["-m", "audit"],
    )
    assert [one["name"] for one in container["env"]] == ["VERDIGRIS_GATE", "LEVEL", "TOKEN", "REGION"]
    assert [one["mountPath"] for one in container["volumeMounts"]] == ["/tmp", "/cases"]
    assert {one["name"] for one in made["template"]["spec"]["volumes"]} == {"tmp", "cases", "claim", "keys", "work"}
    assert "envFrom" not in container, "the key to the artifacts is not its business"
    assert made["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [10, 11]
    assert made["template"]["spec"]["automountServiceAccountToken"] is False
