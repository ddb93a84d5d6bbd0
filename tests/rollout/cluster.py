"""The simulated cluster itself: pods, their controllers and scheduler, a Prometheus, and how the operator sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from tests.rollout.parts import FULL, OWNER, REFUSED, SCRAPE, START, Pod, Version, passed_by, series_of
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Color, Failure, ModelDeploymentStatus, other
from verdigris.children.names import COLORS, Defaults
from verdigris.core.engine.plan import question
from verdigris.core.facts.evidence import (
    ALIKE,
    BOTH,
    NOT_ASKED,
    PASSED_ON,
    UNANSWERED,
    UNLIKE,
    Evidence,
    Reading,
)
from verdigris.core.facts.followed import RegistryView, effective
from verdigris.core.facts.observed import (
    ContainerView,
    Decision,
    DeploymentView,
    Exit,
    GateJob,
    Observed,
    PodView,
    Selection,
    Snapshot,
)
from verdigris.core.facts.route import RouteView, Routing, Weights, percent
from verdigris.core.facts.served import Told
from verdigris.core.facts.source import SourceView, asked_source
from verdigris.core.facts.survey import QuotaView, Survey
from verdigris.core.routing.service import reached
from verdigris.core.routing.shield import WHOLE, shares

BACK_OFF = timedelta(minutes=5)
"""How long a ReplicaSet waits after a quota refused its pod: as the real one does after a dozen refusals."""


class Refused(NamedTuple):
    """When a colour's ReplicaSet was refused a pod, and what was asked of it then."""

    at: datetime
    retries: int
    replicas: int


@dataclass
class Cluster:
    """What there is, and what the operator sees of it."""

    spec: ModelDeploymentSpec
    now: datetime = START
    generation: int = 1
    status: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    versions: dict[str, Version] = field(default_factory=dict)
    deployments: dict[Color, DeploymentView] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    hpas: dict[Color, int] = field(default_factory=dict)
    room: int | None = None
    quota: int | None = None
    """Pods of both colours that the namespace allows."""
    quota_is_seen: bool = True
    """Whether the operator may look at the quota, or knows only what the ReplicaSet says of it."""
    refusals: dict[Color, Refused] = field(default_factory=dict)
    selected: Selection | None = None
    decisions: list[Decision] = field(default_factory=list)
    rate: float = 100.0
    prometheus_down: bool = False
    address: str | None = "http://prometheus.test"
    unready: set[Color] = field(default_factory=set)
    trouble: dict[str, Failure] = field(default_factory=dict)
    front_rendering: bool = True
    """Whether new pods are rendered so that they can stand in front of a candidate."""
    serial: int = 0
    retries: int = 0
    failed: float = 0.0
    """Requests that clients got an error for."""
    asked: dict[Color, float] = field(default_factory=dict)
    """Requests that each colour's pods got from the pods in front of them."""
    gates: dict[str, GateJob] = field(default_factory=dict)
    """The Jobs of gates, by name."""
    source: SourceView | None = None
    """The other environment that a step `from` asks."""
    registry: RegistryView | None = None
    """What the model registry says of the alias that is followed."""
    told: Told | None = None
    """How it went to tell the model registry who serves."""
    withdrawn: str | None = None
    """The mark on the clients' Service."""
    followed_late: Selection | None = None
    """What the EndpointSlices of the clients' Service still go by, where they do not follow its selector."""
    route: RouteView | None = None
    """The HTTPRoute, whosever it is."""
    route_fault: Failure | None = None
    by_gateway: float = 0.0
    """Share of the clients that come by a gateway."""
    gateway_away: bool = False
    """Whether what runs the gateway does not follow the route: it goes on as it last saw it."""
    followed: Weights = field(default_factory=dict)
    """The weights that the gateway goes by."""

    def observe(self) -> Observed:
        """The picture that a reconcile would take now."""
        pods = tuple(self._view(pod) for pod in self.pods)
        return Observed(
            owner=OWNER,
            generation=self.generation,
            spec=effective(self.spec, self.status),
            status=self.status,
            defaults=Defaults("verdigris/serving:test", self.address),
            deployments={color: self._deployment(color) for color in self.deployments},
            pods=pods,
            endpoints={c: sum(p.ready for p in pods if p.color == c) for c in COLORS},
            selected=self.selected,
            still_behind=frozenset(
                color
                for color in reached(self.followed_late or self.selected)
                if any(p.color == color and p.ready for p in pods)
            ),
            withdrawn=self.withdrawn,
            addresses={"blue": "10.96.0.1", "green": "10.96.0.2"},
            snapshots=dict(self.snapshots),
            decisions=tuple(self.decisions),
            hpas=frozenset(self.hpas),
            seen_at=self.now,
            survey=self._survey(),
            gate=self._gate(),
            registry=self.registry,
            told=self.told,
            source=self.source if asked_source(self.spec, self.status) is not None else None,
            routing=Routing(self._route(), self.route_fault),
        )

    def _gate(self) -> GateJob | None:
        """The Job of the gate under way."""
        rollout = self.status.rollout
        step = rollout.steps[rollout.step] if rollout is not None and rollout.kind is not None else None
        return self.gates.get(step.gate.job) if step is not None and step.gate is not None else None

    def _route(self) -> RouteView | None:
        """What the gateway says of it: which weights it goes by."""
        if self.route is None or self.route_fault is not None:
            return None
        return replace(self.route, lags=self.followed != self.route.rules[0])

    def _survey(self) -> Survey | None:
        if self.quota is None or not self.quota_is_seen:
            return None
        quota = QuotaView("pods", {"pods": Decimal(self.quota)}, {"pods": Decimal(len(self.pods))})
        return Survey(self.now, quotas=(quota,), problem="nodes may not be read")

    def _view(self, pod: Pod) -> PodView:
        version = self._version(pod.view.revision)
        ready = self.now >= pod.ready_at and pod.view.color not in self.unready
        ready = ready and not version.never_ready and version.fault is None and pod.placed
        unscheduled = None if pod.placed else FULL
        return replace(pod.view, ready=ready, unscheduled=unscheduled, containers=self._containers(pod.view.revision))

    def _containers(self, revision: str) -> tuple[ContainerView, ...]:
        """What reported the version's fault, and what waits because of its trouble."""
        fault, trouble = self._version(revision).fault, self.trouble.get(revision)
        found = []
        if fault:
            report = json.dumps({"reason": fault.reason, "message": fault.message})
            found.append(ContainerView("fetch", init=True, exit=Exit(1, "Error", report)))
        if trouble:
            found.append(ContainerView("server", waiting=trouble.reason, said=trouble.message, restarts=2))
        return tuple(found)

    def _deployment(self, color: Color) -> DeploymentView:
        """As seen: a quota's refusal stays on it while pods are missing."""
        view = self.deployments[color]
        missing = view.replicas - self.count(color)
        return replace(view, trouble=REFUSED) if missing > 0 and self.quota is not None else view

    def count(self, color: Color) -> int:
        """How many pods of this colour there are, placed or not."""
        return sum(p.view.color == color for p in self.pods)

    def ready(self, *colors: Color) -> int:
        """How many pods of these colours are ready."""
        return sum(self._view(p).ready for p in self.pods if p.view.color in colors)

    def answering(self) -> int:
        """How many pods clients would get an answer from."""
        return self.ready(*reached(self.selected))

    def _version(self, revision: str) -> Version:
        snapshot = self.snapshots.get(revision)
        return self.versions.get(snapshot.version, Version()) if snapshot else Version()

    def evidence(self) -> Evidence:
        """What Prometheus would say to the question that the plan asks now."""
        asked = question(self.observe(), self.now)
        if asked is None:
            return NOT_ASKED
        if self.prometheus_down:
            return Evidence(problem=f"{asked.address} did not answer within 2 s: is Prometheus running?")
        counters = {
            color: tuple(
                series
                for pod in self.pods
                if pod.view.color == color and pod.view.revision == asked.revisions[color]
                for series in series_of(pod, since.timestamp())
            )
            for color, since in asked.since.items()
        }
        if asked.fronts is not None:
            candidate = other(asked.fronts)
            since = asked.since[candidate].timestamp()
            front = (pod for pod in self.pods if pod.view.color == asked.fronts)
            counters[candidate] += tuple(
                series for pod in front for series in passed_by(pod, since, shadowed=asked.shadowed)
            )
        return Evidence(counters=counters, checks={name: Reading(value=0.0) for name in asked.checks})

    # what the pods do

    def _serve(self) -> None:
        """A tick's requests are answered, and the pods scraped when it is time."""
        for pod, share in (*self._by_service(), *self._through_gateway()):
            told = shares(pod.view.order)
            passed = share * told.passed_on / WHOLE
            self._copy(pod, (share - passed) * told.shadowed / WHOLE)
            left = self._pass_on(pod, passed) if passed else 0.0
            self.failed += self._answer(pod, share - passed + left)
        if round(self.now.timestamp()) % SCRAPE == 0:
            for pod in self.pods:
                if pod.placed and self.now >= pod.ready_at and not self._version(pod.view.revision).unscraped:
                    pod.samples.append((self.now.timestamp(), pod.requests - pod.errors, pod.errors))
                    pod.passed_samples += [(self.now.timestamp(), dict(pod.passed))] if pod.passed else []

    def _by_service(self) -> Iterator[tuple[Pod, float]]:
        serving = [p for p in self.pods if p.view.color in reached(self.selected) and self._view(p).ready]
        for pod in serving:
            yield pod, self.rate * (1 - self.by_gateway) / len(serving)

    def _through_gateway(self) -> Iterator[tuple[Pod, float]]:
        """By weight, and within a colour evenly. Who is sent to a colour without a pod that is ready gets an error."""
        if self.route is None or not self.by_gateway:
            return
        if not self.gateway_away:
            self.followed = self.route.rules[0]
        for color in COLORS:
            share = self.rate * self.by_gateway * percent(self.followed, color) / 100
            ready = [p for p in self.pods if p.view.color == color and self._view(p).ready]
            self.failed += 0 if ready else share
            for pod in ready:
                yield pod, share / len(ready)

    def _answer(self, pod: Pod, share: float) -> float:
        """The pod answers so many requests; how many of them with an error."""
        errors = share * self._version(pod.view.revision).error_rate
        pod.requests += share
        pod.errors += errors
        return errors

    def _pass_on(self, front: Pod, share: float) -> float:
        """The pod passes requests on to the other colour; how many it has to answer itself after all."""
        behind = [p for p in self.pods if p.view.color == other(front.view.color) and self._view(p).ready]
        passed = front.passed = front.passed or dict.fromkeys((*PASSED_ON, BOTH), 0.0)
        spared = 0.0
        if not behind:
            passed["unreachable"] += share
            spared = share
        for pod in behind:
            asked = share / len(behind)
            version = self._version(pod.view.revision)
            hung, refused = asked * version.hangs, asked * version.refuses
            failed = self._answer(pod, asked - hung - refused)
            passed["late"] += hung
            passed["refused"] += refused
            passed["error"] += failed
            passed["answered"] += asked - hung - refused - failed
            spared += hung + refused + failed
        passed[BOTH] += spared * self._version(front.view.revision).error_rate
        if behind:
            color = behind[0].view.color
            self.asked[color] = self.asked.get(color, 0.0) + share
        return spared

    def _copy(self, front: Pod, copies: float) -> None:
        """The pod lets the other colour answer so many copies, of one row each, and compares."""
        behind = [p for p in self.pods if p.view.color == other(front.view.color) and self._view(p).ready]
        if not copies:
            return
        passed = front.passed = front.passed or dict.fromkeys((*PASSED_ON, BOTH), 0.0)
        version = self._version(behind[0].view.revision) if behind else Version(hangs=1.0)
        unanswered = copies * max(version.hangs, version.error_rate)
        unlike = (copies - unanswered) * version.disagrees
        rows = {UNANSWERED: unanswered, UNLIKE: unlike, ALIKE: copies - unanswered - unlike}
        for code, count in rows.items():
            passed[code] = passed.get(code, 0.0) + count

    # what the controllers do

    def _create(self) -> None:
        """The ReplicaSets: whatever is missing, as far as the quota lets them."""
        for color, view in self.deployments.items():
            for _ in range(view.replicas - self.count(color)):
                if self._backs_off(color, view.replicas):
                    break
                if self.quota is not None and len(self.pods) >= self.quota:
                    self.refusals[color] = Refused(self.now, self.retries, view.replicas)
                    break
                self.serial += 1
                name, uid = f"{color}-{self.serial}", f"uid-{self.serial}"
                pod = PodView(name, uid, color, view.revision, self.now, False, forwards=self.front_rendering)
                self.pods.append(Pod(pod, self.now, placed=False))
                self._schedule()

    def _backs_off(self, color: Color, replicas: int) -> bool:
        """Whether the ReplicaSet, whose last pod a quota refused, waits. Every change of its object wakes it."""
        refused = self.refusals.get(color)
        unchanged = refused is not None and (refused.retries, refused.replicas) == (self.retries, replicas)
        return unchanged and refused is not None and self.now < refused.at + BACK_OFF

    def _schedule(self) -> None:
        """The scheduler: the oldest pod without a place gets the next free one."""
        for pod in sorted(self.pods, key=lambda p: int(p.view.name.rpartition("-")[2])):
            free = self.room is None or sum(p.placed for p in self.pods) < self.room
            if free and not pod.placed:
                pod.placed = True
                pod.ready_at = self.now + timedelta(seconds=self._version(pod.view.revision).ready_after)
