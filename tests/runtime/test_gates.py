"""The Job of a gate as it is made and read: what it left is the answer, and nobody else's pod has a say."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.runtime.raws import KEY, UID
from tests.runtime.stage import Stage
from verdigris.adapters.kube.reading.gate_answers import parse_answer
from verdigris.adapters.kube.reading.gates import gate_view
from verdigris.adapters.kube.transport.errors import Forbidden
from verdigris.api.status import GateStatus
from verdigris.children.names import GATE_LABEL, Owner

OWNER = Owner(KEY.namespace, KEY.name, UID)
DATA = {"uri": "https://models.test/holdout.csv", "sha256": "d" * 64, "target": "diabetes"}
ANSWER: dict[str, Any] = {
    "gate": "quality",
    "verdict": "Fail",
    "reason": "ThresholdMissed",
    "message": "auc is 0.83 (0.82 to 0.84), must be at least 0.85.",
    "asked": "a" * 64,
    "tookSeconds": 1.5,
    "checks": [
        {
            "name": "auc",
            "verdict": "Fail",
            "message": "auc is 0.83",
            "value": 0.83,
            "threshold": 0.85,
            "bound": "min",
            "interval": [0.82, None],
            "n": 9232,
        }
    ],
    "groups": [{"attribute": "age", "group": "old", "n": 40, "selectionRate": 0.2, "judged": True}],
    "data": {"sha256": "d" * 64, "rows": 9232},
    "artifact": {"sha256": "b" * 64, "version": "1.1.0"},
}


def test_what_a_gate_says_of_itself_is_a_word_where_words_are_kept_and_plain_where_names_are() -> None:
    """The image is the users': what its program says must carry no request into the log, and steer no terminal."""
    check = {**ANSWER["checks"][0], "name": "\x1b[2Jauc"}
    group = {**ANSWER["groups"][0], "group": "old\u202e"}
    said = {
        "reason": "patient 17 of ward 3",
        "checks": [check],
        "groups": [group],
        "data": {"sha256": "patient 17", "rows": 1},
        "active": {"version": "\x1b[2J"},
    }
    found = parse_answer(json.dumps({**ANSWER, **said}), "g")
    assert found
    assert (found.reason, found.data_sha256, found.active) == ("ThresholdMissed", "", "\\u001b[2J")
    assert (found.checks[0].name, found.groups[0].group) == ("\\u001b[2Jauc", "old\\u202e")
    kept = parse_answer(json.dumps(ANSWER), "g")
    assert kept
    assert (kept.reason, kept.data_sha256) == ("ThresholdMissed", "d" * 64)


def job(uid: str = "job-uid", owner: str = UID, **status: Any) -> dict[str, Any]:
    reference = {"apiVersion": "verdigris.dev/v1alpha1", "kind": "ModelDeployment", "name": KEY.name, "uid": owner}
    meta = {"name": "g", "uid": uid, "namespace": KEY.namespace, "ownerReferences": [{**reference, "controller": True}]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "status": status}


def gate_pod(said: str | None, owner: str = "job-uid", minute: int = 0, name: str = "gate") -> dict[str, Any]:
    state = (
        {"terminated": {"exitCode": 10, "reason": "Error", "message": said}} if said is not None else {"running": {}}
    )
    meta = {"name": f"p{minute}", "uid": f"p{minute}", "creationTimestamp": f"2026-11-28T10:{minute:02}:00Z"}
    meta["ownerReferences"] = [{"kind": "Job", "name": "g", "uid": owner, "controller": True}]  # type: ignore[assignment]
    return {"metadata": meta, "status": {"phase": "Failed", "containerStatuses": [{"name": name, "state": state}]}}


def test_the_answer_is_what_the_pod_left() -> None:
    found = gate_view(
        job(conditions=[{"type": "Failed", "status": "True", "reason": "PodFailurePolicy"}]),
        [gate_pod(json.dumps(ANSWER))],
        OWNER,
    )
    assert found.answer
    assert (found.answer.verdict, found.answer.asked, found.answer.rows) == ("Fail", "a" * 64, 9232)
    (check,) = found.answer.checks
    assert (check.value, check.low, check.high, check.count, check.bound) == (0.83, 0.82, None, 9232, "min")
    assert found.answer.groups[0].count == 40
    assert found.over
    assert found.over.reason == "PodFailurePolicy"


def test_of_several_pods_the_newest_answer_counts() -> None:
    pods = [gate_pod(json.dumps({**ANSWER, "verdict": "Pass"}), minute=2), gate_pod(json.dumps(ANSWER), minute=1)]
    found = gate_view(job(), pods, OWNER)
    assert found.answer
    assert found.answer.verdict == "Pass"


@pytest.mark.parametrize(
    "pod",
    [
        gate_pod(json.dumps(ANSWER), owner="of-somebody-else"),
        gate_pod(json.dumps(ANSWER), name="sidecar"),
        gate_pod(None),
        gate_pod(""),
        gate_pod("Traceback (most recent call last): …"),
        gate_pod("[1, 2]"),
        gate_pod(json.dumps({**ANSWER, "verdict": "Excellent"})),
        gate_pod(json.dumps({key: value for key, value in ANSWER.items() if key != "asked"})),
        gate_pod(json.dumps({**ANSWER, "checks": [{"name": "auc"}]})),
        gate_pod(json.dumps({**ANSWER, "checks": "none"})),
        gate_pod(json.dumps({**ANSWER, "data": 3})),
        gate_pod(json.dumps({**ANSWER, "verdict": None})),
        gate_pod(json.dumps({**ANSWER, "data": {"sha256": "d" * 64, "rows": 10**24}})),
        gate_pod(json.dumps({**ANSWER, "tookSeconds": float("nan")})),
    ],
)
def test_what_is_no_answer_of_its_own_is_none(pod: dict[str, Any]) -> None:
    assert gate_view(job(), [pod], OWNER).answer is None


def test_a_job_of_somebody_else_says_nothing() -> None:
    found = gate_view(job(owner="another"), [gate_pod(json.dumps(ANSWER))], OWNER)
    assert (found.foreign, found.answer) == (True, None)


def test_an_answer_longer_than_the_status_takes_is_cut() -> None:
    many = {**ANSWER, "checks": ANSWER["checks"] * 60, "groups": ANSWER["groups"] * 99, "message": "x" * 5000}
    found = parse_answer(json.dumps(many), "g")
    assert found
    assert (len(found.checks), len(found.groups)) == (20, 24)
    assert len(found.message) < 5000


# a program of the user's own

QUESTION = '{"gate":"bias-audit"}'
ASKED = hashlib.sha256(QUESTION.encode()).hexdigest()


def own(code: int, said: str = "", question: str | None = QUESTION) -> GateStatus | None:
    """What is made of a Job that gives this question, whose pod ended so."""
    told = [{"name": "VERDIGRIS_GATE", "value": question}] if question is not None else []
    made = job()
    made["spec"] = {"template": {"spec": {"containers": [{"name": "gate", "env": told}]}}}
    pod = gate_pod(said)
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] = code
    return gate_view(made, [pod], OWNER, own=True).answer


@pytest.mark.parametrize(("code", "verdict"), [(0, "Pass"), (10, "Fail"), (11, "Inconclusive")])
def test_the_exit_code_of_a_users_own_program_decides(code: int, verdict: str) -> None:
    found = own(code, "some words of its log")
    assert found
    assert (found.verdict, found.asked, found.message) == (verdict, ASKED, f"It ended with exit code {code}.")


@pytest.mark.parametrize("code", [1, 2, 137, 255])
def test_any_other_exit_code_is_no_answer(code: int) -> None:
    assert own(code, json.dumps({"verdict": "Pass"})) is None


def test_a_document_says_more_than_the_exit_code() -> None:
    checks = [{"name": "leaks", "verdict": "Fail", "message": "m", "value": 3, "threshold": 0, "bound": "max", "n": 90}]
    found = own(10, json.dumps({"message": "3 names leak", "reason": "NamesLeak", "checks": checks}))
    assert found
    assert (found.verdict, found.reason, found.message) == ("Fail", "NamesLeak", "3 names leak.")
    assert (found.checks[0].value, found.checks[0].count) == (3, 90)


@pytest.mark.parametrize(
    ("said", "verdict", "words"),
    [
        ({"verdict": "Fail"}, "Inconclusive", "exit code 0 (Pass), and its document says Fail"),
        ({"asked": "b" * 64}, "Inconclusive", "correct the gate's program"),
        ({"checks": "none"}, "Pass", "what it left is no document"),
        ({"rows": 5}, "Pass", "It ended with exit code 0."),
    ],
)
def test_a_document_that_contradicts_decides_nothing_and_one_that_is_none_is_told(
    said: dict[str, Any], verdict: str, words: str
) -> None:
    found = own(0, json.dumps(said))
    assert found
    assert found.verdict == verdict
    assert words in found.message


def test_a_job_that_asks_nothing_has_not_answered() -> None:
    assert own(0, question=None) is None


# with the whole loop


def gated(stage: Stage) -> Stage:
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["rollout"] = {
        **raw["spec"].get("rollout", {}),
        "steps": [{"quality": {"data": DATA, "auc": {"min": 0.85}}}],
        "onInconclusive": "Hold",
    }
    stage.api.put(raw)
    return stage


def jobs(stage: Stage) -> list[dict[str, Any]]:
    return [raw for (kind, _, _), raw in stage.api.objects.items() if kind == "Job"]


async def at_gate(stage: Stage) -> dict[str, Any]:
    await gated(stage).reconcile()
    stage.let_pods_start()
    await stage.reconcile(6)
    (made,) = jobs(stage)
    return made


async def test_a_first_version_serves_once_its_gate_has_passed() -> None:
    stage = Stage()
    made = await at_gate(stage)
    assert stage.condition("Ready") == ("False", "AtGate")
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels == {GATE_LABEL: KEY.name}, "by any other label of ours clients would reach the gate's pod"
    asked = stage.api.at("ModelDeployment", *KEY)["status"]["rollout"]["steps"][1]["gate"]["asked"]
    pod = gate_pod(json.dumps({**ANSWER, "verdict": "Pass", "asked": asked}), owner=made["metadata"]["uid"])
    pod["metadata"] |= {
        "namespace": KEY.namespace,
        "labels": {"batch.kubernetes.io/job-name": made["metadata"]["name"]},
    }
    stage.api.put({"apiVersion": "v1", "kind": "Pod", **pod})
    await stage.reconcile(4)
    assert stage.condition("GatesPassed") == ("True", "Passed")
    assert stage.condition("Ready") == ("True", "Active")
    assert 'verdigris_gates_total{gate="quality",verdict="Pass"} 1.0' in stage.metrics.text().decode()


async def test_while_jobs_cannot_be_read_nothing_goes_forward_and_no_second_one_is_made() -> None:
    stage = Stage()
    await at_gate(stage)
    stage.api.fault = lambda verb, kind, _: Forbidden("no right") if (verb, kind) == ("list", "Job") else None
    result = await stage.reconcile(3)
    assert isinstance(result.failure, Forbidden)
    assert len(jobs(stage)) == 1
    assert "Give the operator's ClusterRole this right" in stage.message("Ready")


async def test_a_deleted_job_is_made_again_and_an_edited_one_left_alone() -> None:
    stage = Stage()
    made = await at_gate(stage)
    stage.api.objects.pop(("Job", KEY.namespace, made["metadata"]["name"]))
    await stage.reconcile(3)
    (again,) = jobs(stage)
    assert again["metadata"]["name"] == made["metadata"]["name"]
    again["spec"]["suspend"] = True
    stage.api.put(again)
    writes = len(stage.api.writes)
    await stage.reconcile(3)
    assert "Job" not in {kind for _, kind, _ in stage.api.writes[writes:]}
