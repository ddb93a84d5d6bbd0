"""What /metrics tells of each model: the numbers of its status, and no more series than labels are bounded to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import START
from tests.rollout.world import serving
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.api.status import (
    ActiveStatus,
    Condition,
    EvidenceStatus,
    GateCheck,
    GateStatus,
    HistoryEntry,
    LastRollback,
    ModelDeploymentStatus,
    Rejected,
    RolloutStatus,
    StepStatus,
    TrafficStatus,
)
from verdigris.app.model_metrics import FAMILIES, Sample, samples, sizes

ACTIVE = ActiveStatus(version="1.0.0", revision="v1-a", color="blue", since=START)


def rollout(**more: Any) -> RolloutStatus:
    given = {"stage": "OnTrial", "evidence": EvidenceStatus(verdict="Pass", score=1.5, threshold=8.0), **more}
    return RolloutStatus(version="2.0.0", revision="v1-b", color="green", started_at=START, since=START, **given)


def told(status: ModelDeploymentStatus) -> dict[tuple[str, ...], float]:
    return {(sample.family, *sample.labels): sample.value for sample in samples(status)}


@pytest.mark.parametrize(("truth", "value"), [("True", 1), ("False", 0), ("Unknown", 0)])
def test_a_model_with_an_active_version_is_available_or_not(truth: Any, value: float) -> None:
    condition = Condition(type="Available", status=truth, reason="r", last_transition_time=START)
    assert told(ModelDeploymentStatus(active=ACTIVE, conditions=(condition,)))["verdigris_model_available",] == value


def test_a_model_that_has_no_version_yet_is_not_called_down() -> None:
    assert ("verdigris_model_available",) not in told(ModelDeploymentStatus())


@pytest.mark.parametrize(
    ("given", "seen", "wished", "reached"),
    [
        ({"passed_on": 100}, {"shielded": 1.0}, 0.01, 0.01),
        ({"passed_on": 2500}, {"shielded": 0.0}, 0.25, 0.0),
        ({"routed": 500}, {"routed": 5.0}, 0.05, 0.05),
        ({"wanted": 100}, {"weight": 50}, 1.0, 0.5),
    ],
    ids=["passed on", "not yet", "by a gateway", "by the Service"],
)
def test_a_version_on_trial_has_its_share_by_whichever_way(
    given: Any, seen: Any, wished: float, reached: float
) -> None:
    traffic = (
        TrafficStatus(color="blue", version="1.0.0", weight=100, wanted=100),
        TrafficStatus(**{"color": "green", "version": "2.0.0", "weight": 0, **seen}),
    )
    seen_of = told(ModelDeploymentStatus(active=ACTIVE, rollout=rollout(**given), traffic=traffic))
    share = {labels[1:]: value for labels, value in seen_of.items() if labels[0] == "verdigris_traffic_share"}
    assert share == {
        ("green", "wished"): wished,
        ("green", "reached"): reached,
        ("blue", "wished"): 1 - wished,
        ("blue", "reached"): 1 - reached,
    }


def test_without_a_rollout_the_active_version_has_everything() -> None:
    traffic = (TrafficStatus(color="blue", version="1.0.0", weight=100, wanted=100),)
    seen = told(ModelDeploymentStatus(active=ACTIVE, traffic=traffic))
    assert seen["verdigris_traffic_share", "blue", "reached"] == 1
    assert seen["verdigris_model_version", "active", "blue", "1.0.0", "v1-a"] == 1


def test_the_judge_shows_its_score_against_its_threshold() -> None:
    seen = told(ModelDeploymentStatus(active=ACTIVE, rollout=rollout()))
    assert (seen["verdigris_judge_score",], seen["verdigris_judge_threshold",]) == (1.5, 8.0)
    assert seen["verdigris_rollout_verdict", "Pass"] == seen["verdigris_rollout_stage", "OnTrial"] == 1
    assert ("verdigris_judge_score",) not in told(ModelDeploymentStatus(rollout=rollout(evidence=EvidenceStatus())))


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("evidence", {"evidence": EvidenceStatus(inconclusive_since=START)}),
        ("approval", {"stage": "AwaitingApproval"}),
        ("room", {"lacking_since": START}),
        (None, {}),
    ],
)
def test_it_is_told_since_when_a_rollout_waits_and_for_what(what: str | None, given: Any) -> None:
    seen = told(ModelDeploymentStatus(rollout=rollout(**given)))
    held = {labels[1]: at for labels, at in seen.items() if "held" in labels[0]}
    assert held == ({} if what is None else {what: START.timestamp()})


def test_two_gates_of_one_s_own_are_told_apart_by_their_names() -> None:
    checks = tuple(GateCheck(name="score", verdict="Pass", value=value) for value in (0.1, 0.2))
    steps = tuple(
        StepStatus(kind="Job", number=number, gate=GateStatus(job="j", checks=(check,)))
        for number, check in enumerate(checks)
    )
    policy = {"rollout": {"steps": [{"job": {"name": "bias"}}, {"job": {"name": "leak"}}]}}
    found = list(samples(ModelDeploymentStatus(rollout=rollout(steps=steps, policy=policy))))
    assert [one for one in found if one.family == "verdigris_gate_value"] == [
        Sample("verdigris_gate_value", 0.1, ("job/bias", "score")),
        Sample("verdigris_gate_value", 0.2, ("job/leak", "score")),
    ]


def test_a_gate_shows_what_it_measured_and_a_list_that_asks_twice_is_one_series() -> None:
    checks = tuple(GateCheck(name="auc", verdict="Pass", value=v, threshold=0.8, bound="min") for v in (0.9, 0.95))
    steps = tuple(StepStatus(kind="Quality", gate=GateStatus(job="j", checks=(check,))) for check in checks)
    found = list(samples(ModelDeploymentStatus(rollout=rollout(steps=steps))))
    gates = [sample for sample in found if sample.family.startswith("verdigris_gate")]
    assert gates == [
        Sample("verdigris_gate_value", 0.95, ("quality", "auc")),
        Sample("verdigris_gate_threshold", 0.8, ("quality", "auc", "min")),
    ]


def test_what_has_happened_last_has_its_time_and_reason() -> None:
    later = START + timedelta(minutes=5)
    entries = tuple(
        HistoryEntry(revision="r", version="1.0.0", outcome="Promoted", reason="r", started_at=at, ended_at=at)
        for at in (later, START)
    )
    back = LastRollback(from_version="2", to_version="1", reason="ErrorRateDoubled", message="m", decided_at=later)
    refused = tuple(
        Rejected(revision=f"r{at.minute}", version="2", reason=reason, message="m", at=at)
        for at, reason in ((START, "Old"), (later, "SmokeGateFailed"))
    )
    seen = told(ModelDeploymentStatus(history=entries, last_rollback=back, rejected=refused))
    past = {labels: at for labels, at in seen.items() if "last" in labels[0]}
    assert past == {
        ("verdigris_last_promotion_timestamp_seconds",): later.timestamp(),
        ("verdigris_last_rollback_timestamp_seconds", "ErrorRateDoubled"): later.timestamp(),
        ("verdigris_last_rejection_timestamp_seconds", "SmokeGateFailed"): later.timestamp(),
    }


def test_sizes_are_what_the_look_has_seen() -> None:
    world = serving()
    found = {(sample.family, *sample.labels): sample.value for sample in sizes(world.observe())}
    assert found["verdigris_pods", "blue", "wished"] == found["verdigris_pods", "blue", "ready"] == 2
    assert (found["verdigris_pods_bound", "min"], found["verdigris_pods_bound", "max"]) == (2, 4)


async def test_a_model_that_is_looked_at_has_series_until_it_is_deleted() -> None:
    stage = Stage()
    await settled(stage)
    labels = {"namespace": KEY.namespace, "model": KEY.name}
    assert stage.metrics.registry.get_sample_value("verdigris_model_available", labels) == 1
    assert stage.metrics.registry.get_sample_value("verdigris_pods", {**labels, "color": "blue", "what": "ready"}) == 2
    stage.metrics.gone(KEY)
    assert b'model="diabetes"' not in stage.metrics.text()


def test_every_family_is_there_before_there_is_any_model() -> None:
    text = Stage().metrics.text().decode()
    assert [name for name in FAMILIES if f"# TYPE {name} gauge" not in text] == []
