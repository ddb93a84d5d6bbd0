"""What /metrics tells of each model, for alerts and dashboards: what the status says that was made last.

Only the replica that leads has these. Labels are bounded: by models, colours, stages, and the checks of gates (a status
holds at most 20 of each of 16 gates). Times are Unix seconds: an age would look fresh for ever once looks stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from verdigris.adapters.kube.reading.port import Key
from verdigris.api.schema.quantity import amount_of
from verdigris.api.status import ModelDeploymentStatus, RolloutStatus
from verdigris.core.facts.observed import Observed


class Sample(NamedTuple):
    """One value of a family of FAMILIES, with its labels in that order beside namespace and model."""

    family: str
    value: float
    labels: tuple[str, ...] = ()


FAMILIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "verdigris_model_available": ("1 while clients are answered, once a version is active (condition Available).", ()),
    "verdigris_model_ready": ("1 while what the spec asks for is what clients get (condition Ready).", ()),
    "verdigris_model_version": ("1 for each version in use, by what it is.", ("role", "color", "version", "revision")),
    "verdigris_traffic_share": (
        "Share of the clients' requests, 0 to 1, that a colour is to get (wished) or was seen to get (reached).",
        ("color", "what"),
    ),
    "verdigris_rollout_stage": ("1 for the stage of the rollout under way.", ("stage",)),
    "verdigris_rollout_verdict": ("1 for the judge's verdict on the version on trial.", ("verdict",)),
    "verdigris_rollout_held_since_timestamp_seconds": (
        "Since when the rollout under way waits: for evidence, for an approval, or for room.",
        ("what",),
    ),
    "verdigris_judge_score": ("How much speaks against the version on trial, as ln(1 + R).", ()),
    "verdigris_judge_threshold": ("The score at which it is taken back.", ()),
    "verdigris_pods": (
        "Pods of a colour: how many its Deployment is to have (wished), and how many are ready.",
        ("color", "what"),
    ),
    "verdigris_pods_bound": ("How many pods a colour in use has at least and at most, by its autoscaler.", ("bound",)),
    "verdigris_pod_request": ("What a pod's server requests: cores of cpu, bytes of memory.", ("resource",)),
    "verdigris_gate_value": ("What a gate of the rollout under way has measured.", ("gate", "check")),
    "verdigris_gate_threshold": ("What that is held against.", ("gate", "check", "bound")),
    "verdigris_last_promotion_timestamp_seconds": ("When a version last became active.", ()),
    "verdigris_last_rollback_timestamp_seconds": ("When clients were last taken back, and why.", ("reason",)),
    "verdigris_last_rejection_timestamp_seconds": ("When a version was last rejected, and why.", ("reason",)),
}
"""Each family: what it says, and its labels beside namespace and model."""


class ModelSeries(Collector):
    """The series of all models. `told` is what each one's last status came to, `seen` what its last look saw."""

    def __init__(self) -> None:
        self.told: dict[Key, tuple[Sample, ...]] = {}
        self.seen: dict[Key, tuple[Sample, ...]] = {}

    def forget(self, key: Key) -> None:
        """The ModelDeployment is deleted: so are its series."""
        self.told.pop(key, None)
        self.seen.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        """Every family, also one that has no series now."""
        made = {
            name: GaugeMetricFamily(name, words, labels=["namespace", "model", *labels])
            for name, (words, labels) in FAMILIES.items()
        }
        for key, told in (*self.told.items(), *self.seen.items()):
            for sample in told:
                made[sample.family].add_metric([key.namespace, key.name, *sample.labels], sample.value)
        yield from made.values()


def samples(status: ModelDeploymentStatus) -> Iterator[Sample]:
    """What a status says, as values."""
    truth = {condition.type: condition.status == "True" for condition in status.conditions}
    if status.active is not None:
        yield Sample("verdigris_model_available", float(truth.get("Available", False)))
    yield Sample("verdigris_model_ready", float(truth.get("Ready", False)))
    roles = {"active": status.active, "candidate": status.rollout, "warm": status.warm}
    for role, ref in roles.items():
        if ref is not None:
            yield Sample("verdigris_model_version", 1, (role, ref.color, ref.version, ref.revision))
    yield from _shares(status)
    if status.rollout is not None:
        yield from _of_rollout(status.rollout)
    yield from _of_the_past(status)


def sizes(observed: Observed) -> Iterator[Sample]:
    """How many pods there are, and are to be, and what each of them requests."""
    for color, deployment in observed.deployments.items():
        yield Sample("verdigris_pods", deployment.replicas, (color, "wished"))
        yield Sample("verdigris_pods", observed.endpoints.get(color, 0), (color, "ready"))
    scaling = observed.spec.autoscaling
    yield Sample("verdigris_pods_bound", scaling.least, ("min",))
    yield Sample("verdigris_pods_bound", scaling.most, ("max",))
    for resource, amount in observed.spec.serving.resources.requests.items():
        if resource in ("cpu", "memory"):
            yield Sample("verdigris_pod_request", float(amount_of(amount)), (resource,))


def _shares(status: ModelDeploymentStatus) -> Iterator[Sample]:
    """Of the version on trial what it gets by whichever way, of the active one the rest."""
    rollout, active = status.rollout, status.active
    trial = next((one for one in status.traffic if rollout is not None and one.color == rollout.color), None)
    if rollout is None or trial is None or active is None:
        for one in status.traffic:
            yield from _both(one.color, one.wanted / 100, one.weight / 100)
        return
    wished = max(rollout.wanted * 100, rollout.passed_on, rollout.routed) / 10_000
    reached = max(trial.weight, trial.shielded or 0.0, trial.routed or 0.0) / 100
    yield from _both(rollout.color, wished, reached)
    yield from _both(active.color, 1 - wished, 1 - reached)


def _both(color: str, wished: float, reached: float) -> Iterator[Sample]:
    yield Sample("verdigris_traffic_share", wished, (color, "wished"))
    yield Sample("verdigris_traffic_share", reached, (color, "reached"))


def _of_rollout(rollout: RolloutStatus) -> Iterator[Sample]:
    yield Sample("verdigris_rollout_stage", 1, (rollout.stage,))
    evidence = rollout.evidence
    yield Sample("verdigris_rollout_verdict", 1, (evidence.verdict,))
    if evidence.threshold > 0:
        yield Sample("verdigris_judge_score", evidence.score)
        yield Sample("verdigris_judge_threshold", evidence.threshold)
    waits = {
        "evidence": evidence.inconclusive_since,
        "approval": rollout.since if rollout.stage == "AwaitingApproval" else None,
        "room": rollout.lacking_since,
    }
    for what, since in waits.items():
        if since is not None:
            yield Sample("verdigris_rollout_held_since_timestamp_seconds", since.timestamp(), (what,))
    yield from _of_gates(rollout)


def _of_gates(rollout: RolloutStatus) -> Iterator[Sample]:
    """The last gate of each kind, or name: a list may ask the same twice, and a series has one value."""
    told: dict[tuple[str, ...], Sample] = {}
    for step in rollout.steps:
        for check in step.gate.checks if step.gate is not None else ():
            own = rollout.name_of(step)
            named = (f"job/{own}" if own else step.kind.lower(), check.name)
            if check.value is not None:
                told["value", *named] = Sample("verdigris_gate_value", check.value, named)
            if check.threshold is not None:
                labels = (*named, check.bound or "")
                told["threshold", *named] = Sample("verdigris_gate_threshold", check.threshold, labels)
    yield from told.values()


def _of_the_past(status: ModelDeploymentStatus) -> Iterator[Sample]:
    promoted = [entry.ended_at for entry in status.history if entry.outcome == "Promoted"]
    if promoted:
        yield Sample("verdigris_last_promotion_timestamp_seconds", max(promoted).timestamp())
    rollback = status.last_rollback
    if rollback is not None:
        yield _at("verdigris_last_rollback_timestamp_seconds", rollback.decided_at, rollback.reason)
    if status.rejected:
        last = max(status.rejected, key=lambda one: one.at)
        yield _at("verdigris_last_rejection_timestamp_seconds", last.at, last.reason)


def _at(family: str, at: datetime, reason: str) -> Sample:
    return Sample(family, at.timestamp(), (reason,))
