"""What /metrics tells about the operator, under controller-runtime's names with our prefix."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from verdigris.adapters.kube.reading.admission import STATES, State
from verdigris.adapters.kube.reading.port import Key
from verdigris.api.spec.gates import GateKind
from verdigris.api.status import ModelDeploymentStatus, Outcome, StuckKind, Verdict
from verdigris.app.model_metrics import ModelSeries, samples, sizes
from verdigris.app.queue import QueueObserver
from verdigris.core.facts.observed import Observed

RESULTS = ("success", "error", "requeue", "requeue_after")
OUTCOMES: tuple[Outcome, ...] = ("Promoted", "RolledBack", "Failed", "Aborted", "Superseded")
StuckAction = Literal["Report", "Evict", "Delete", "Force", "Refuse"]
"""What happened about a stuck pod: it was found, removed in one of three ways, or the API server refused to."""
Source = Literal["live", "memory"]
_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Every series of the operator in one registry of its own, counters at 0 from the start."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        # A second series for each counter with its time of birth: nobody asks for it, and it doubles a scrape.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        prefix, registry = "verdigris_controller_runtime_reconcile", self.registry
        self._reconciles = Counter(f"{prefix}_total", "Reconciles by result.", ["result"], registry=registry)
        self._errors = Counter(f"{prefix}_errors_total", "Reconciles that failed.", registry=registry)
        self._time = Histogram(
            f"{prefix}_time_seconds", "Length of a reconcile in seconds.", buckets=_FAST, registry=registry
        )
        self._looks = Counter(
            "verdigris_looks_total",
            "Looks at a model by what they went by: live reads, or memory, where there was nothing to do.",
            ["source"],
            registry=registry,
        )
        self._writes = Counter(
            "verdigris_writes_total", "Writes that the API server has carried out.", ["kind"], registry=registry
        )
        self._rollouts = Counter(
            "verdigris_rollouts_total", "Rollouts that have ended, by outcome.", ["outcome"], registry=registry
        )
        self._gates = Counter(
            "verdigris_gates_total",
            "Gates that have answered, by gate and verdict.",
            ["gate", "verdict"],
            registry=registry,
        )
        self._rollback = Histogram(
            "verdigris_rollback_duration_seconds",
            "Seconds from the decision to roll back until traffic was back.",
            buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300),
            registry=registry,
        )
        self._stuck = Counter(
            "verdigris_stuck_pods_total",
            "Stuck pods by kind, and what was done: found (Report), removed, or refused by the API server.",
            ["kind", "action"],
            registry=registry,
        )
        self._answers = Counter(
            "verdigris_evidence_answers_total",
            "Questions to Prometheus about versions on trial, by whether they were answered.",
            ["result"],
            registry=registry,
        )
        self._leader = Gauge("verdigris_leader", "1 while this replica holds the lease.", registry=registry)
        self._guard = Gauge(
            "verdigris_decision_policy",
            "1 for what is known of the admission policy that checks who decides; only the leader looks.",
            ["state"],
            registry=registry,
        )
        self._ages = _EvidenceAges(now)
        registry.register(self._ages)
        self._stuck_now = _StuckNow()
        registry.register(self._stuck_now)
        self._models = ModelSeries()
        registry.register(self._models)
        ProcessCollector(registry=registry)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        for result in RESULTS:
            self._reconciles.labels(result)
        for source in get_args(Source):
            self._looks.labels(source)
        for outcome in OUTCOMES:
            self._rollouts.labels(outcome)
        for result in ("success", "error"):
            self._answers.labels(result)
        for state in STATES:
            self._guard.labels(state)
        for gate in get_args(GateKind):
            for verdict in get_args(Verdict):
                self._gates.labels(gate, verdict)
        for kind in get_args(StuckKind):
            for action in get_args(StuckAction):
                self._stuck.labels(kind, action)

    def wrote(self, kind: str) -> None:
        """The API server has carried out a write of this kind."""
        self._writes.labels(kind).inc()

    def reconciled(self, result: str, seconds: float) -> None:
        """A reconcile ended: `result` is one of RESULTS."""
        self._reconciles.labels(result).inc()
        self._time.observe(seconds)
        if result == "error":
            self._errors.inc()

    def looked(self, source: Source) -> None:
        """A look was made of live reads, or was made of memory and found nothing to do."""
        self._looks.labels(source).inc()

    def asked(self, answered: bool) -> None:
        """Prometheus was asked about a version on trial, and has answered or not."""
        self._answers.labels("success" if answered else "error").inc()

    def stuck(self, kind: StuckKind, action: StuckAction) -> None:
        """A stuck pod was found, or something was done about it."""
        self._stuck.labels(kind, action).inc()

    def watch_namespaces(self, names: Callable[[], Iterable[str]]) -> None:
        """Where to ask, at each scrape, for the namespaces that cannot be listed."""
        self.registry.register(_Unseen(names))

    def guarded(self, state: State) -> None:
        """Whether decisions can be believed."""
        for one in STATES:
            self._guard.labels(one).set(one == state)

    def leading(self, leads: bool) -> None:
        """Whether this replica leads."""
        self._leader.set(leads)

    def seen(self, key: Key, observed: Observed) -> None:
        """A look has seen the model so."""
        self._models.seen[key] = tuple(sizes(observed))

    def status_changed(self, key: Key, old: ModelDeploymentStatus, new: ModelDeploymentStatus) -> None:
        """Count what has ended between the two, and note how fresh the evidence is."""
        known = {(entry.revision, entry.ended_at) for entry in old.history}
        for entry in new.history:
            if (entry.revision, entry.ended_at) not in known:
                self._rollouts.labels(entry.outcome).inc()
        heard = set(_answers(old))
        for job, gate, verdict in _answers(new):
            if (job, gate, verdict) not in heard:
                self._gates.labels(gate, verdict).inc()
        told = {(entry.pod, entry.kind, entry.reason) for entry in old.stuck}
        for stuck in new.stuck:
            if (stuck.pod, stuck.kind, stuck.reason) not in told:
                self.stuck(stuck.kind, "Report")
        self._models.told[key] = tuple(samples(new))
        self._stuck_now.kinds[key] = Tally(stuck.kind for stuck in new.stuck)
        self._rolled_back(old, new)
        self._ages.at[key] = new.rollout.evidence.at if new.rollout is not None else None

    def _rolled_back(self, old: ModelDeploymentStatus, new: ModelDeploymentStatus) -> None:
        last, before = new.last_rollback, old.last_rollback
        if last is None or last.traffic_restored_at is None:
            return
        if before is not None and before.decided_at == last.decided_at and before.traffic_restored_at is not None:
            return
        self._rollback.observe(max(0.0, (last.traffic_restored_at - last.decided_at).total_seconds()))

    def gone(self, key: Key) -> None:
        """The ModelDeployment is deleted: so are its series."""
        self._models.forget(key)
        self._ages.at.pop(key, None)
        self._stuck_now.kinds.pop(key, None)

    def text(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)


def _answers(status: ModelDeploymentStatus) -> Iterator[tuple[str, str, str]]:
    """What gates of the rollout under way have answered: Job, gate, verdict."""
    for step in status.rollout.steps if status.rollout is not None else ():
        if step.gate is not None and step.gate.verdict is not None:
            yield step.gate.job, step.kind.lower(), step.gate.verdict


class QueueMetrics(QueueObserver):
    """The work queue's side of /metrics."""

    def __init__(self, registry: CollectorRegistry, depth: Callable[[], int]) -> None:
        Gauge("verdigris_workqueue_depth", "Keys waiting for a worker.", registry=registry).set_function(depth)
        self._adds = Counter("verdigris_workqueue_adds_total", "Keys that became due.", registry=registry)
        self._retries = Counter("verdigris_workqueue_retries_total", "Keys put back after failures.", registry=registry)
        self._waited = Histogram(
            "verdigris_workqueue_queue_duration_seconds",
            "Seconds that a key waited for a worker.",
            buckets=_FAST,
            registry=registry,
        )
        self._worked = Histogram(
            "verdigris_workqueue_work_duration_seconds",
            "Seconds that a worker spent on a key.",
            buckets=_FAST,
            registry=registry,
        )

    def added(self) -> None:
        """A key became due that was not."""
        self._adds.inc()

    def retried(self) -> None:
        """A key was put back after a failure."""
        self._retries.inc()

    def taken(self, waited: float) -> None:
        """A worker took a key that had been due for this many seconds."""
        self._waited.observe(waited)

    def worked(self, seconds: float) -> None:
        """A worker is through with a key."""
        self._worked.observe(seconds)


class _EvidenceAges(Collector):
    """Worked out when scraped: an age that is only written at reconciles would look fresh for ever once they stop."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.at: dict[Key, datetime | None] = {}
        self._now = now

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "verdigris_evidence_age_seconds",
            "Seconds since the newest sample that a running rollout was judged by.",
            labels=["namespace", "model"],
        )
        for key, at in self.at.items():
            if at is not None:
                family.add_metric([key.namespace, key.name], max(0.0, (self._now() - at).total_seconds()))
        yield family


class _Unseen(Collector):
    """Namespaces that cannot be listed now."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "verdigris_namespace_unreadable", "1 for a watched namespace that cannot be listed.", labels=["namespace"]
        )
        for name in self._names():
            family.add_metric([name], 1)
        yield family


class _StuckNow(Collector):
    """From the status that was written last, so that a kind that has passed leaves no series behind."""

    def __init__(self) -> None:
        self.kinds: dict[Key, Tally[StuckKind]] = {}

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "verdigris_stuck_pods", "Pods that are stuck now.", labels=["namespace", "model", "kind"]
        )
        for key, kinds in self.kinds.items():
            for kind, count in sorted(kinds.items()):
                family.add_metric([key.namespace, key.name, kind], count)
        yield family
