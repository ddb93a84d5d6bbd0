"""Every reason that the operator gives has a line in the table of hints; `why` has numbers and a next step for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

import verdigris
from tests.cli.scenes import at, blind, document, later, on_trial, rejected, rolling_out, scene, until
from tests.rollout.parts import START
from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.adapters.kube.writing.contested import Contested
from verdigris.adapters.kube.writing.executor import NotOurs
from verdigris.api.decision import Verb
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus, Outcome, Remedy, Stage, StepKind, StuckKind, Verdict
from verdigris.children.names import KIND
from verdigris.cli import names
from verdigris.cli.advice.hint import STATE, STUCK
from verdigris.cli.advice.table import HINTS, OTHERS, TABLES, filled, hint_of
from verdigris.cli.model.figures import About, figures_of
from verdigris.cli.model.findings import FINE, Finding, findings
from verdigris.cli.model.read import model_of
from verdigris.cli.views.paint import Terminal, render
from verdigris.cli.views.tree import Picture, tree
from verdigris.core.pods.diagnosis.crash import DEFINITE_FAULTS, REPORTED_TROUBLE

PACKAGE = Path(verdigris.__file__).parent
SERVING = PACKAGE.parents[1] / "serving" / "verdigris_serving"
GIVE_REASONS = (PACKAGE / "core", PACKAGE / "adapters" / "kube", PACKAGE / "app", SERVING / "gate")
"""Where reasons are given: the plan, what is refused by the API server, what is told of it, and the gates."""
WORD = re.compile(r"[A-Z][a-z]+[A-Za-z]*|OOMKilled")

CLOSED: frozenset[str] = frozenset(
    word for kind in (Stage, StepKind, StuckKind, Outcome, Remedy, Verdict, Verb) for word in get_args(kind)
)
"""Closed sets of words of the status. Stages and kinds are reasons as well, and looked at by themselves below."""

CONDITION_TYPES = {
    "AnalysisHealthy Autoscaling Available ModelVerified Monitored PodsHealthy Ready Reconciling",
    "Followed GatesPassed ResolvedRefs Routed Stalled StatusWritten Understood",
}
KUBERNETES = {
    "Apply Authorization Background ClusterIP ConfigMap Container ControllerRevision DeleteOptions Deny Deployment",
    "EndpointSlice Event Eviction ExternalName HorizontalPodAutoscaler Ignore Lease LimitRange",
    "NetworkPolicy Node PersistentVolumeClaim Pod PodDisruptionBudget PodScheduled ReplicaFailure ReplicaSet",
    "List ResourceQuota RolloutDecision Scale ScalingActive Secret Service ServiceAccount ServiceMonitor Status",
    "PrometheusRule ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding",
    # Of a pod, a taint, a selector, an Event, a probe: what is read, and never given as our own reason.
    "Always ContainerStatusUnknown Disrupted DisruptionTarget DoesNotExist Equal ErrImageNeverPull ErrImagePull",
    "Exists ImageInspectError In Killed Lt Gt MountVolume NoExecute NoSchedule NotIn Pending Pulled Pulling",
    "PodInitializing RegistryUnavailable RunContainerError Running Succeeded Unhealthy Normal Warning",
    "AmbiguousSelector Complete Failure Gateway Job LocalSubjectAccessReview SubjectAccessReview TokenReview",
}
OURS = {
    # Values of the spec and of small sets within the code, and quoted names of types.
    "Abort Accept Again Canary Concurrent Decision Delete End Ended Evict Fail Force Foreign Frozen Hold Leaving",
    "Memory Next None Orphan Ours Pass Promote Recreate Refuse Refused Report Required Rollback Snapshot Selection",
    "Stay Trial Wait Missing InForce NotRequired TakenName PodView PodEvent Observed DeploymentView ContainerView",
    "Address Artifact Data NaN Point Rule Shield",
    "NoRight NotAllowed Seen Unread",
    "Crashed Exit Failure Mi Ki Gi True False NotOurs Writer Outcome Inconclusive",
}
NOT_REASONS = {word for group in (CONDITION_TYPES, KUBERNETES, OURS) for line in group for word in line.split()}
"""Words in these packages that are no reasons. A new one: put it here, if it is none; else give it a line of advice."""


def literals(path: Path) -> Iterator[str]:
    """Texts that are one word in CamelCase, but for docstrings."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value):
            yield node.value


FOUND = {
    word
    for folder in GIVE_REASONS
    for path in sorted(folder.rglob("*.py"))
    for word in literals(path)
}  # fmt: skip


def kinds_of_error(kind: type[ApiError]) -> Iterator[str]:
    """The reasons of an error and of all that are made from it."""
    yield kind.reason
    for one in kind.__subclasses__():
        yield from kinds_of_error(one)


REASONS = sorted(
    ((FOUND - NOT_REASONS) - (CLOSED - {*get_args(StuckKind), *get_args(Stage)}))
    | DEFINITE_FAULTS
    | REPORTED_TROUBLE
    | set(get_args(StuckKind))
    | set(get_args(Stage))
    | set(kinds_of_error(ApiError))
)
GATE_KINDS = ("Quality", "Fairness", "Smoke", "Load", "Job")
PUT_TOGETHER = {"NotObserved", "DecisionAccepted", "DecisionRefused", *(f"{kind}GateFailed" for kind in GATE_KINDS)}
"""What the command line says of itself, and what stands in no literal."""


def test_the_code_was_read() -> None:
    assert {"ErrorRateDoubled", "OOMKilled", "NameTaken", "TooFewRows", "VolumeInUse", "FieldsRefused"} <= set(REASONS)
    assert {Contested.reason, NotOurs.reason} <= set(REASONS), "errors of modules that are imported here"
    assert len(REASONS) > 100


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_has_a_line_of_advice(reason: str) -> None:
    assert reason in HINTS, f"{reason}: give it a line in verdigris/cli/advice, or name it in NOT_REASONS if it is none"


def test_no_reason_has_two_meanings() -> None:
    listed = [reason for one in TABLES for reason in one]
    assert [reason for reason in HINTS if listed.count(reason) > 1] == []


def test_a_reason_that_is_not_known_is_told_to_be_so() -> None:
    assert hint_of("Brandnew") is OTHERS
    assert hint_of("Brandnew", "CrashLoop") is HINTS["CrashLoop"]


def test_no_line_of_advice_is_left_behind() -> None:
    files = (path for folder in (PACKAGE, SERVING) for path in folder.rglob("*.py") if "cli" not in path.parts)
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    given = ('"{}"', "class {}(")
    stale = [reason for reason in HINTS if not any(mark.format(reason) in source for mark in given)]
    assert [reason for reason in stale if reason not in PUT_TOGETHER] == []


def of_reason(reason: str) -> tuple[Any, Finding]:
    """A model whose trouble has this reason, made of what the operator writes, and the finding about it."""
    hint = HINTS[reason]
    base = blind() if hint.figures == STATE else on_trial()
    raw = base.model
    if hint.figures == STUCK:
        pod = {
            "pod": "diabetes-green-1",
            "kind": "Creating",
            "reason": reason,
            "message": "It waits.",
            "remedy": "None",
        }
        raw["status"]["stuck"] = [{**pod, "since": "2026-11-23T10:02:00Z"}]
    else:
        raw["status"]["rollout"] |= {"stage": "RollingBack", "failure": {"reason": reason, "message": MESSAGE}}
    model = model_of(raw)
    found = [one for one in findings(model, base.now, base.picture.pods) if one.reason == reason]
    assert len(found) == 1
    return model, found[0]


MESSAGE = "1.1.0: latency.p95 is 8.7 ms, must be at most 5 ms; active: 1.9 ms. Looking again."


@pytest.mark.parametrize("reason", [one for one in REASONS if one in HINTS and not HINTS[one].fine])
def test_why_names_value_limit_window_n_and_the_next_thing_to_do(reason: str) -> None:
    model, found = of_reason(reason)
    assert found.value
    assert found.limit
    assert re.search(r"since \d\d:\d\d:\d\d UTC|for \d+s|left until", found.window)
    assert found.n or HINTS[reason].figures == STATE
    assert "{" not in found.next.replace("jsonpath='{.metadata", "")
    assert "kubectl" in found.next or len(found.next) > 12
    assert found.message in (MESSAGE, "It waits.")
    assert model.name == "diabetes"


@pytest.mark.parametrize("reason", sorted(HINTS))
def test_a_hint_can_be_filled_in(reason: str) -> None:
    words = {"name": "m", "n": " -n x", "revision": "v1-a", "pod": "p", "color": "blue", "active": "green"}
    told = filled(HINTS[reason], words)
    assert told.endswith(".")
    assert "{name}" not in told


EDITS = (
    "ActiveSuffered ConfigInvalid DataInvalid DataTooLarge DeadlineExceeded MetricUndefined NotComparable NotDecided "
    "SourceMissing TooFewFiles"
)


@pytest.mark.parametrize("reason", EDITS.split())
def test_who_is_to_edit_the_rules_of_a_rollout_under_way_is_told_to_begin_it_anew(reason: str) -> None:
    # tests/rollout/test_gates.py: the edit alone changes nothing.
    _, found = of_reason(reason)
    assert re.search(r"abort diabetes .*--revision v1-.* retry", found.next)


def test_numbers_of_an_error_rate_are_those_that_the_judge_counted() -> None:
    scene_ = rejected()
    found = findings(model_of(scene_.model), scene_.now)[0]
    counted = scene_.model["status"]["lastRollback"]["evidence"]
    seen, known = counted["candidate"], counted["baseline"]
    assert found.reason == "ErrorRateDoubled"
    assert found.value == f"50 % failed ({seen['errors']} errors)"
    assert found.n == f"{seen['requests']} requests"
    assert found.limit.startswith(f"0.5 % (baseline: 0 errors of {known['requests']:,} requests, Frozen)")
    assert "retry diabetes -n clinic --revision v1-" in found.next


def test_the_message_of_a_check_gives_value_and_limit() -> None:
    model = model_of(on_trial().model)
    about = About(model, START, "CheckFailed", MESSAGE, since="2026-11-23T10:00:00Z", rollout=model.rollout)
    figures = figures_of(about, HINTS["CheckFailed"])
    assert (figures.value, figures.limit) == ("latency.p95 is 8.7 ms", "at most 5 ms")


def test_the_numbers_of_a_gate_are_those_of_the_check_that_decided() -> None:
    model = on_trial().model
    rollout = model["status"]["rollout"]
    missed = {"name": "recall", "verdict": "Fail", "value": 0.61, "low": 0.55, "high": 0.66, "count": 120}
    checks = [
        {"name": "auc", "verdict": "Pass", "value": 0.9, "threshold": 0.85, "bound": "min", "count": 500},
        {**missed, "threshold": 0.7, "bound": "min"},
    ]
    gate = {"job": "diabetes-quality-1", "verdict": "Fail", "reason": "ThresholdMissed", "message": "m", "rows": 500}
    rollout["steps"][rollout["step"]] |= {"kind": "Quality", "gate": {**gate, "checks": checks}}
    rollout |= {"stage": "RollingBack", "failure": {"reason": "QualityGateFailed", "message": "recall is too low."}}
    found = findings(model_of(model), on_trial().now)[0]
    assert (found.value, found.limit) == ("recall 0.61 (0.55 to 0.66)", "at least 0.7")
    assert (found.n, found.message) == ("120 rows", "recall is too low.")
    rollout["steps"][rollout["step"]]["kind"] = "Load"
    assert findings(model_of(model), on_trial().now)[0].n == "120 requests"


def refused_by_a_gate(reason: str, **check: Any) -> Finding:
    """What is said of a version whose rollout a gate has ended; `check` is what its status keeps of the answer."""
    base = rejected()
    last = base.model["status"]["rejected"][-1]
    last |= {"reason": reason, "message": "The gate said so."}
    if check:
        last["check"] = check
    return findings(model_of(base.model), base.now)[0]


def test_the_numbers_of_a_gate_are_there_when_its_rollout_has_ended() -> None:
    missed = {"name": "auc", "verdict": "Fail", "value": 0.8262, "low": 0.8198, "high": 0.8343}
    found = refused_by_a_gate("QualityGateFailed", **missed, threshold=0.85, bound="min", count=12000)
    assert (found.value, found.limit) == ("auc 0.8262 (0.8198 to 0.8343)", "at least 0.85")
    assert found.n == "12,000 rows"
    assert found.window.startswith("since ")
    slow = {"name": "p95", "verdict": "Fail", "value": 0.2, "threshold": 0.1, "bound": "max", "count": 900}
    assert refused_by_a_gate("LoadGateFailed", **slow).n == "900 requests"


def test_what_a_gate_did_not_measure_is_said_to_be_so() -> None:
    found = refused_by_a_gate("ActiveSuffered", name="active", verdict="Inconclusive", count=90)
    assert (found.value, found.limit) == ("active: not measured", "see the gate's step")


def test_of_a_gate_whose_status_kept_no_number_none_is_made_up() -> None:
    found = refused_by_a_gate("QualityGateFailed")
    assert (found.limit, found.n) == ("see the message", "see the message")


@pytest.mark.parametrize("reason", ["DataInvalid", "ConfigInvalid", "MetricUndefined", "NotDecided"])
def test_a_gate_that_could_not_judge_is_mended_and_the_same_version_tried_again(reason: str) -> None:
    found = refused_by_a_gate(reason)
    assert "Apply the change. The same once more: kubectl verdigris retry diabetes" in found.next
    assert "abort" not in found.next


def test_what_a_gateway_was_seen_to_do_is_the_share_that_is_reached() -> None:
    model = on_trial().model
    model["status"]["rollout"] |= {"passedOn": 0, "routed": 3000}
    model["status"]["traffic"] = [{"color": "green", "version": "1.1.0", "weight": 0, "wanted": 0, "routed": 30}]
    told = "\n".join(render(tree(Picture(model_of(model)), on_trial().now, Terminal()), Terminal()))
    assert "wished 30 % by the gateway, reached 30 %" in told
    assert "routed 30 %" in told


def test_what_was_rejected_may_be_tried_again_whatever_the_reason() -> None:
    model = rejected().model
    model["status"]["rejected"][0]["reason"] = "OOMKilled"
    found = findings(model_of(model), rejected().now)[0]
    assert "limits.memory" in found.next
    assert "kubectl verdigris retry diabetes -n clinic --revision v1-" in found.next


def test_a_condition_that_repeats_the_cause_is_not_told_again() -> None:
    model = rejected().model
    why = model["status"]["rejected"][0]
    told = {"type": "ModelVerified", "status": "False", "reason": why["reason"], "message": why["message"]}
    model["status"]["conditions"].append({**told, "lastTransitionTime": why["at"]})
    assert [one.reason for one in findings(model_of(model), rejected().now)] == ["ErrorRateDoubled"]


def test_a_condition_without_numbers_says_what_it_should_be() -> None:
    model = rejected().model
    told = {"type": "Available", "status": "False", "reason": "NotYetActive", "message": "m"}
    model["status"]["conditions"].append({**told, "lastTransitionTime": "2026-11-23T10:00:00Z"})
    found = findings(model_of(model), rejected().now)[-1]
    assert (found.value, found.limit, found.window) == ("Available=False", "Available=True", "since 10:00:00 UTC")


def test_a_model_that_nobody_has_looked_at_says_so() -> None:
    raw = document(ModelDeploymentSpec.parse(on_trial().model["spec"]).dump(), ModelDeploymentStatus(), generation=3)
    found = findings(model_of(raw), START)
    assert [one.reason for one in found] == ["NotObserved"]
    assert "check" in found[0].next


def test_what_is_well_is_one_finding() -> None:
    from tests.cli.scenes import healthy  # noqa: PLC0415

    scene_ = healthy()
    found = findings(model_of(scene_.model), scene_.now, scene_.picture.pods)
    assert [(one.severity, one.reason) for one in found] == [(FINE, "Active")]


def test_pods_that_are_stuck_in_the_same_are_one_finding() -> None:
    scene_ = on_trial()
    one = {"kind": "ImagePull", "reason": "ImageNotFound", "message": "There is no image x.", "remedy": "None"}
    pods = [{**one, "pod": f"diabetes-green-{place}", "since": "2026-11-23T10:02:00Z"} for place in range(3)]
    scene_.model["status"]["stuck"] = pods
    found = [f for f in findings(model_of(scene_.model), later(scene_, 5)) if f.about.startswith("pod")]
    assert [(f.about, f.n) for f in found] == [("pod diabetes-green-0 and 2 more", "3 pods")]


def test_a_pause_is_named_before_what_the_evidence_says() -> None:
    scene_ = scene(until(rolling_out(), at("OnTrial")).run(3))
    scene_.model["spec"]["paused"] = True
    assert findings(model_of(scene_.model), scene_.now)[0].reason == "Paused"
    assert replace(findings(model_of(scene_.model), scene_.now)[0]).next.startswith("kubectl verdigris resume")


def test_the_names_that_the_command_line_knows_are_the_operators() -> None:
    from verdigris.api.schema import crd  # noqa: PLC0415
    from verdigris.children import names as theirs  # noqa: PLC0415

    assert (names.API_VERSION, names.MODEL_LABEL, names.COLOR_LABEL) == (
        theirs.API_VERSION,
        theirs.MODEL_LABEL,
        theirs.COLOR_LABEL,
    )
    assert (names.REVISION_LABEL, names.SERVER_CONTAINER) == (theirs.REVISION_LABEL, theirs.SERVER_CONTAINER)
    assert (crd.MODEL_DEPLOYMENT.name, crd.ROLLOUT_DECISION.name) == (names.MODELS, names.DECISIONS)
    assert set(names.DECIDING) == set(get_args(Verb))
    assert KIND == "ModelDeployment"
