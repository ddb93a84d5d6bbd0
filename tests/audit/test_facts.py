"""What a whole rollout leaves in the log: exact entries, none twice, none lost by a restart after any look."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.small import over, stage
from tests.rollout.test_follow import says, serving_it
from tests.rollout.test_gates import FAIRNESS, QUALITY, answers
from tests.rollout.world import World, serving
from verdigris.api.status import GateGroup, ModelDeploymentStatus, RemovedPod
from verdigris.audit.event import KINDS, Entry, spelled
from verdigris.audit.facts import changes, removed
from verdigris.audit.model import Model
from verdigris.core.actions import SetOrder
from verdigris.core.facts.observed import GateJob

MODEL = Model("clinic", "diabetes", "uid-1")
Statuses = list[ModelDeploymentStatus]
"""As they stood in the cluster, one a look."""


def followed(world: World, then: Callable[[World], None] = lambda _: None) -> tuple[Statuses, World]:
    """Look until the rollout that begins with the next look is over; `then` is done before each look."""
    seen = [world.status, world.run(1).status]
    while not over(world):
        assert len(seen) < 500, world.status.rollout
        then(world)
        seen.append(world.run(1).status)
    return seen, world


def entries(statuses: Statuses, world: World) -> list[Entry]:
    """What an operator records that has seen the first of them before."""
    found: list[Entry] = []
    for before, after in pairwise(statuses):
        found.extend(changes(before, after, MODEL, world.now))
    return found


def brief(entry: Entry) -> tuple[str, ...]:
    """What it is, and the data that a test is about."""
    names = ("version", "to", "kind", "share", "gate", "verdict", "verb", "by", "outcome", "reason")
    return (entry.what, *(str(entry.data[name]) for name in names if entry.data.get(name) is not None))


def approve(world: World) -> None:
    if stage("AwaitingApproval")(world) and not world.decisions:
        assert world.status.rollout
        world.decide("approve", world.status.rollout.revision, "alice", "the board has seen it")


@cache
def promotion() -> tuple[Statuses, World]:
    world = serving()
    world.judges = _judge
    steps = [QUALITY, FAIRNESS, {"approval": {}}, {"weight": 10}, {"weight": 100}]
    return followed(world.apply(spec("1.1.0", rollout={"shield": True, "steps": steps})), approve)


def _judge(kind: str, job: GateJob, question: str) -> GateJob:
    judged = answers("Pass")(kind, job, question)
    assert judged.answer
    groups = (GateGroup(attribute="age", group="40+", count=812, selection_rate=0.4, tpr=0.9),)
    answer = judged.answer.model_copy(update={"groups": groups, "data_sha256": "d" * 64, "rows": 9232})
    return replace(judged, answer=answer)


@cache
def rollback() -> tuple[Statuses, World]:
    world = serving()
    world.versions["1.1.0"] = Version(error_rate=0.5)
    return followed(world.apply(spec("1.1.0")))


@cache
def unshielded() -> tuple[Statuses, World]:
    """Nobody could ever give it a share behind the shield: each order to the active pods is refused."""
    world = serving()
    world.refuses = lambda action: isinstance(action, SetOrder)
    steps = [{"weight": 10, "hold": "10s"}, {"weight": 100}]
    return followed(world.apply(spec("1.1.0", rollout={"shield": True, "steps": steps})))


@cache
def abort() -> tuple[Statuses, World]:
    def in_bake(world: World) -> None:
        if stage("Baking")(world) and not world.decisions:
            assert world.status.rollout
            world.decide("abort", world.status.rollout.revision, "bob", "wrong file")

    return followed(serving().apply(spec("1.1.0")), in_bake)


@cache
def refused_gate() -> tuple[Statuses, World]:
    world = serving()
    world.judges = answers("Fail")
    return followed(world.apply(spec("1.1.0", rollout={"steps": [QUALITY]})))


EXPECTED = {
    # A share that was only asked for is none (law 13: what counts is seen).
    unshielded: [
        ("began", "1.1.0"),
        ("step", "1.1.0", "Start", "Pass", "Done"),
        ("step", "1.1.0", "Measure", "Pass", "CountedInFront"),
        ("step", "1.1.0", "Trial", "Skipped"),
        ("step", "1.1.0", "Trial", "Skipped"),
        ("share", "1.1.0", "Bake", "100"),
        ("serves", "1.1.0", "Promoted", "Promoted"),
    ],
    promotion: [
        ("began", "1.1.0"),
        ("step", "1.1.0", "Start", "Pass", "Done"),
        ("gate", "1.1.0", "Quality", "Pass", "Passed"),
        ("gate", "1.1.0", "Fairness", "Pass", "Passed"),
        ("step", "1.1.0", "Measure", "Pass", "CountedInFront"),
        ("decision", "approve", "alice", "Accepted", "the board has seen it"),
        ("step", "1.1.0", "Approval", "Pass", "Done"),
        ("share", "1.1.0", "Trial", "10.0"),
        ("step", "1.1.0", "Trial", "Inconclusive", "TooFewRequests"),
        ("share", "1.1.0", "Trial", "100.0"),
        ("step", "1.1.0", "Trial", "Pass", "WithinLimits"),
        ("share", "1.1.0", "Bake", "100"),
        ("serves", "1.1.0", "Promoted", "Promoted"),
    ],
    rollback: [
        ("began", "1.1.0"),
        ("step", "1.1.0", "Start", "Pass", "Done"),
        ("step", "1.1.0", "Measure", "Pass", "CandidateVisible"),
        ("share", "1.1.0", "Bake", "100"),
        ("rolledback", "1.0.0", "ErrorRateDoubled"),
        ("restored", "1.0.0"),
        ("ended", "1.1.0", "RolledBack", "ErrorRateDoubled"),
    ],
    abort: [
        ("began", "1.1.0"),
        ("step", "1.1.0", "Start", "Pass", "Done"),
        ("step", "1.1.0", "Measure", "Pass", "CandidateVisible"),
        ("share", "1.1.0", "Bake", "100"),
        ("decision", "abort", "bob", "Accepted", "wrong file"),
        ("rolledback", "1.0.0", "Aborted"),
        ("restored", "1.0.0"),
        ("ended", "1.1.0", "Aborted", "Aborted"),
    ],
    refused_gate: [
        ("began", "1.1.0"),
        ("step", "1.1.0", "Start", "Pass", "Done"),
        ("gate", "1.1.0", "Quality", "Fail", "ThresholdMissed"),
        ("ended", "1.1.0", "Failed", "QualityGateFailed"),
    ],
}
scenarios = pytest.mark.parametrize("scenario", EXPECTED, ids=lambda one: one.__name__)
Scenario = Callable[[], tuple[Statuses, World]]


@scenarios
def test_a_rollout_leaves_exactly_these_entries(scenario: Scenario) -> None:
    found = entries(*scenario())
    assert [brief(entry) for entry in found] == EXPECTED[scenario]
    assert len({entry.id for entry in found}) == len(found)


@scenarios
def test_a_restart_after_any_look_loses_and_doubles_nothing(scenario: Scenario) -> None:
    """The process ends after a status was accepted and before its entries were appended; the next one reads it."""
    statuses, world = scenario()
    told_before = {entry.id for entry in changes(None, statuses[0], MODEL, world.now)}
    whole = {entry.id for entry in entries(statuses, world)}
    for at in range(1, len(statuses)):
        recorded = {entry.id for entry in entries(statuses[:at], world)} | told_before
        again = {entry.id for entry in changes(None, stored(statuses[at]), MODEL, world.now)}
        recorded |= again | {entry.id for entry in entries(statuses[at:], world)}
        assert recorded == whole | told_before, f"after look {at}"


def stored(status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    """As the next process reads it."""
    return ModelDeploymentStatus.parse(status.dump())


def one(what: str, scenario: Scenario) -> Entry:
    return next(entry for entry in entries(*scenario()) if entry.what == what)


def test_a_gate_is_recorded_with_its_numbers_and_its_data() -> None:
    gate = one("gate", promotion)
    check = {
        "name": "auc",
        "verdict": "Pass",
        "value": 0.83,
        "threshold": 0.85,
        "low": 0.8,
        "high": 0.86,
        "count": 9232,
    }
    assert gate.data["checks"] == [check]
    assert (gate.data["dataSha256"], gate.data["rows"]) == ("d" * 64, 9232)
    assert gate.data["groups"][0]["selectionRate"] == 0.4
    assert gate.content == {
        "outcome": "pass",
        "reason": "Passed",
        "environment": {"id": "clinic"},
        "testSuite": {"id": "Quality"},
    }


def test_a_beginning_is_recorded_with_what_it_will_be_judged_by() -> None:
    began = one("began", promotion)
    assert (began.data["active"], began.data["sha256"]) == ("1.0.0", "a" * 64)
    assert began.data["policy"]["analysis"]["errorRate"]["factor"] == 2.0
    assert {"kind": "Trial", "weight": 10.0} in began.data["steps"]


def test_a_promotion_is_recorded_with_the_last_evidence() -> None:
    serves = one("serves", promotion)
    assert serves.data["evidence"]["candidate"]["requests"] > 0
    assert serves.content["artifactId"] == f"pkg:generic/diabetes@1.1.0?checksum=sha256:{'a' * 64}"


def test_a_rollback_is_recorded_with_the_counts_that_it_rests_on() -> None:
    back = one("rolledback", rollback)
    counts = back.data["evidence"]["candidate"]
    assert counts["errors"] > 10
    assert back.data["from"] == "1.1.0"
    assert back.content["artifactId"] == "pkg:generic/diabetes@1.0.0"


def test_a_version_that_is_gone_back_to_serves_again() -> None:
    again = serving().apply(spec("1.1.0"))
    followed(again)
    assert again.status.active
    again.decide("rollback", again.status.active.revision, "alice", "the nurses say so")
    found = entries(*followed(again))
    assert [brief(entry) for entry in found] == [
        ("decision", "rollback", "alice", "Accepted", "the nurses say so"),
        ("rolledback", "1.0.0", "RequestedRollback"),
        ("serves", "1.0.0"),
        ("restored", "1.0.0"),
        ("ended", "1.1.0", "RolledBack", "RequestedRollback"),
    ]
    assert found[0].data["revision"] == found[-1].data["revision"]


def test_an_alias_that_moves_has_an_entry_of_its_own_before_what_follows_from_it() -> None:
    world = serving_it()
    (seen,) = (entry for entry in changes(None, world.status, MODEL, world.now) if entry.what == "moved")
    assert (seen.data["number"], seen.data["version"]) == ("1", "1.0.0")
    world.registry = says("2", "1.1.0")
    found = entries([world.status, world.run(1).status, world.run(1).status], world)
    assert [brief(entry) for entry in found[:2]] == [("moved", "1.1.0"), ("began", "1.1.0")]
    assert found[0].data == {
        "model": "diabetes", "alias": "champion", "number": "2", "version": "1.1.0", "uri": "models:/diabetes/2",
        "sha256": "c" * 64,
    }  # fmt: skip
    world.registry = says("1", "1.0.0", "a" * 64)
    back = entries([world.status, world.run(1).status], world)
    assert [entry.data["number"] for entry in back if entry.what == "moved"] == ["1"], "back is a move, too"
    assert back[0].id != seen.id


def test_a_gate_that_gives_the_same_answer_again_has_given_two() -> None:
    statuses, world = promotion()
    after = next(one for one in statuses if one.rollout and one.rollout.steps[1].ended)
    (first,) = [entry for entry in changes(None, after, MODEL, world.now) if entry.what == "gate"]
    assert after.rollout
    step = after.rollout.steps[1]
    assert step.began
    assert step.ended
    later = step.model_copy(update={"began": step.ended, "ended": step.ended + timedelta(minutes=1)})
    steps = (after.rollout.steps[0], later, *after.rollout.steps[2:])
    again = after.model_copy(update={"rollout": after.rollout.model_copy(update={"steps": steps})})
    (second,) = [entry for entry in changes(after, again, MODEL, world.now) if entry.what == "gate"]
    assert (second.data["asked"], second.data["verdict"]) == (first.data["asked"], first.data["verdict"])
    assert second.id != first.id
    assert not changes(again, stored(again), MODEL, world.now)


def test_the_first_version_of_all_is_deployed_and_the_next_are_upgrades() -> None:
    world = serving()
    assert [entry.what for entry in changes(None, world.status, MODEL, world.now)] == ["deployed"]


def test_a_pod_that_was_removed_is_recorded_without_the_words_of_its_containers() -> None:
    statuses, world = rollback()
    gone = RemovedPod(
        pod="diabetes-blue-x", uid="pod-1", color="blue", node="n1", kind="CrashLoop", remedy="Evict",
        message="Patient Smith", at=world.now,
    )  # fmt: skip
    (found,) = changes(statuses[-1], statuses[-1].model_copy(update={"removed": (gone,)}), MODEL, world.now)
    assert brief(found) == ("pod", "CrashLoop")
    assert b"Smith" not in spelled(found.dump())


@scenarios
def test_no_sentence_of_a_status_is_recorded_but_the_reasons_that_people_give(scenario: Scenario) -> None:
    statuses, world = scenario()
    marked = [ModelDeploymentStatus.parse(_marked(status.dump())) for status in statuses]
    text = b"".join(spelled(entry.dump()) for entry in entries(marked, world))
    assert b"Patient Smith" not in text
    assert b"Patient Smith" in str([status.dump() for status in marked]).encode()


def _marked(value: Any) -> Any:
    """Every sentence quotes a patient."""
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, dict):
        return {name: "Patient Smith" if name == "message" else _marked(item) for name, item in value.items()}
    return value


@scenarios
def test_every_entry_is_a_cloudevent_with_a_cdevent_in_it(scenario: Scenario) -> None:
    for entry in entries(*scenario()):
        event = json.loads(spelled(entry.dump()))
        assert event["specversion"] == "1.0"
        kind = KINDS[entry.what]
        context = {name: event[name] for name in ("id", "source", "type")} | {"timestamp": event["time"]}
        assert event["data"]["context"] == {"version": "0.4.1", **context}
        assert (event["type"], event["data"]["subject"]["type"]) == kind
        assert event["source"] == "/apis/verdigris.dev/v1alpha1/namespaces/clinic/modeldeployments/diabetes"
        if kind.subject == "service":
            assert event["data"]["subject"]["content"].keys() == {"environment", "artifactId"}


def test_a_model_that_was_deleted_is_recorded_also_when_nothing_is_known_of_it() -> None:
    _, world = rollback()
    assert removed(world.status, MODEL, world.now).data["version"] == "1.0.0"
    assert removed(None, MODEL, world.now).content["artifactId"] == "pkg:generic/diabetes"
