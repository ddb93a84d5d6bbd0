"""A small simulated cluster: it obeys the plan's actions, lets time pass and answers as Prometheus would.

It refuses what the laws forbid at the very action, so every scenario and every random walk checks them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from tests.rollout.parts import FULL, OWNER, REFUSED, SCRAPE, START, TICK, Pod, Version, born, series_of, spec
from verdigris.api.decision import Verb
from verdigris.api.schema.fields import parse_duration
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Color, Failure, ModelDeploymentStatus
from verdigris.children import controller_revision
from verdigris.children.names import COLOR_LABEL, COLORS, RETRY_ANNOTATION, REVISION_LABEL, Defaults
from verdigris.core.actions import Action, Keep, MoveTraffic, Note, Plan, Remove, RemovePod, Scale, SetTraffic
from verdigris.core.engine.plan import plan, question
from verdigris.core.facts.evidence import NOT_ASKED, Evidence, Reading
from verdigris.core.facts.observed import (
    ContainerView,
    Decision,
    DeploymentView,
    Exit,
    Observed,
    PodView,
    Selection,
    Snapshot,
)
from verdigris.core.facts.survey import QuotaView, Survey
from verdigris.core.routing.service import answering, min_available, reached

BACK_OFF = timedelta(minutes=5)
"""How long a ReplicaSet waits after a quota refused its pod: as the real one does after a dozen refusals."""


class Refused(NamedTuple):
    """When a colour's ReplicaSet was refused a pod, and what was asked of it then."""

    at: datetime
    retries: int
    replicas: int


class Late(NamedTuple):
    """A write to the clients' Service that takes effect later, of the Service as it was seen."""

    at: datetime
    action: Action
    version: int


@dataclass
class World:
    """Everything outside the plan."""

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
    notes: list[Note] = field(default_factory=list)
    switches: list[tuple[datetime, Selection]] = field(default_factory=list)
    rate: float = 100.0
    prometheus_down: bool = False
    address: str | None = "http://prometheus.test"
    unready: set[Color] = field(default_factory=set)
    trouble: dict[str, Failure] = field(default_factory=dict)
    serial: int = 0
    retries: int = 0
    decided: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    refuses: Callable[[Action], bool] = lambda _: False
    """Which writes the API server refuses."""
    loses: Callable[[Action], bool] = lambda _: False
    """Which writes take effect although their answer never comes."""
    delays: Callable[[Action], int] = lambda _: 0
    """After how many ticks a write to the clients' Service takes effect whose answer is given up before."""
    withdrawn: str | None = None
    """The mark on the clients' Service."""
    service_version: int = 0
    late: list[Late] = field(default_factory=list)
    keeps_status: Callable[[], bool] = lambda: True
    """Whether the status of this reconcile is written."""
    marks: Callable[[Decision], bool] = lambda _: True
    """Whether what became of a decision can be written on it."""

    # what the operator sees

    def observe(self) -> Observed:
        """The picture that a reconcile would take now."""
        pods = tuple(self._view(pod) for pod in self.pods)
        return Observed(
            owner=OWNER,
            generation=self.generation,
            spec=self.spec,
            status=self.status,
            defaults=Defaults("verdigris/serving:test", self.address),
            deployments={color: self._deployment(color) for color in self.deployments},
            pods=pods,
            endpoints={c: sum(p.ready for p in pods if p.color == c) for c in COLORS},
            selected=self.selected,
            withdrawn=self.withdrawn,
            snapshots=dict(self.snapshots),
            decisions=tuple(self.decisions),
            hpas=frozenset(self.hpas),
            seen_at=self.now,
            survey=self._survey(),
        )

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
        return Evidence(counters=counters, checks={name: Reading(value=0.0) for name in asked.checks})

    # time

    def reconcile(self) -> Plan:
        """One reconcile: plan and do it."""
        made = plan(self.observe(), self.evidence(), self.now)
        self.decided = made.status
        self._carry_out(made.actions)
        if not self.keeps_status():
            # The next look finds what was, and decides anew.
            return made
        if made.status != self.status:
            self.status = ModelDeploymentStatus.parse(made.status.dump())
        self.notes.extend(made.notes)
        told = {record.uid for record in (*self.status.decisions, *made.answered)}
        self.decisions = [replace(d, answered=d.answered or (d.uid in told and self.marks(d))) for d in self.decisions]
        return made

    def _carry_out(self, actions: Iterable[Action]) -> None:
        """As `writing.apply` does: after a failure to move clients nothing is done that they may depend on."""
        moved, unsaved = True, set[str]()
        for action in actions:
            if not moved and isinstance(action, Scale | SetTraffic | Remove | RemovePod):
                continue
            if _revision_made_by(action) in unsaved:
                # Pods are made only from a snapshot that is kept (law 7).
                continue
            refused = self.refuses(action) or (isinstance(action, Scale) and action.color not in self.deployments)
            if refused and isinstance(action, Keep) and action.manifest["kind"] == "ControllerRevision":
                unsaved.add(action.manifest["metadata"]["labels"][REVISION_LABEL])
            delay = self.delays(action) if self._writes_clients_service(action) else 0
            if delay:
                self.late.append(Late(self.now + delay * TICK, action, self.service_version))
            elif not refused:
                self._do(action)
            failed = refused or bool(delay) or self.loses(action)
            moved = moved and not (failed and isinstance(action, MoveTraffic) and self._writes_clients_service(action))

    def _writes_clients_service(self, action: Action) -> bool:
        if not isinstance(action, MoveTraffic | Keep) or not _is_clients_service(action.manifest):
            return False
        marks = isinstance(action, MoveTraffic) and action.fence is not None
        return marks or _selection_in(action.manifest) != self.selected

    def _land(self) -> None:
        """What was late takes effect, unless the Service was written since it was read for it."""
        due = [late for late in self.late if late.at <= self.now]
        self.late = [late for late in self.late if late.at > self.now]
        for late in due:
            as_seen = isinstance(late.action, Keep) or (isinstance(late.action, MoveTraffic) and late.action.as_seen)
            if not as_seen or late.version == self.service_version:
                self._do(late.action)

    def run(self, seconds: float) -> World:
        """Let time pass, one tick and one reconcile after the other."""
        for _ in range(round(seconds)):
            self._tick()
            self.reconcile()
        return self

    def _tick(self) -> None:
        self.now += TICK
        self._land()
        self._create()
        self._schedule()
        serving = [p for p in self.pods if p.view.color in reached(self.selected) and self._view(p).ready]
        for pod in serving:
            share = self.rate / len(serving)
            pod.requests += share
            pod.errors += share * self._version(pod.view.revision).error_rate
        if round(self.now.timestamp()) % SCRAPE == 0:
            for pod in self.pods:
                if pod.placed and self.now >= pod.ready_at:
                    pod.samples.append((self.now.timestamp(), pod.requests - pod.errors, pod.errors))

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
                pod = PodView(f"{color}-{self.serial}", f"uid-{self.serial}", color, view.revision, self.now, False)
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

    # what people do

    def apply(self, wanted: ModelDeploymentSpec) -> World:
        """`kubectl apply` of another spec."""
        self.spec, self.generation = wanted, self.generation + 1
        return self

    def decide(self, verb: Verb, revision: str, by: str = "alice", reason: str = "because") -> World:
        """`kubectl create` of a RolloutDecision."""
        self.serial += 1
        name = f"{verb}-{self.serial}"
        self.decisions.append(Decision(f"uid-{name}", name, revision, verb, reason, by, self.now))
        return self

    # what the actions do

    def _do(self, action: Action) -> None:
        match action:
            case MoveTraffic(manifest, fence=mark):
                if mark is not None and _selection_in(manifest) == self.selected:
                    self.withdrawn = mark
                    self.service_version += 1
                self._keep(manifest)
            case Keep(manifest):
                self._keep(manifest)
            case Scale(color, replicas):
                self._scale(color, replicas)
            case SetTraffic(name, _, traffic):
                for pod in self.pods:
                    if pod.view.name == name:
                        assert traffic != "off" or pod.view.color not in reached(self.selected), (
                            "a pod that has the clients was drained"
                        )
                        pod.view = replace(pod.view, traffic=traffic)
            case Remove(_, kind, name, _):
                self._remove(kind, name)
            case RemovePod(_, uid):
                self._remove_pod(uid)

    def _remove_pod(self, uid: str) -> None:
        """The ReplicaSet makes another in its place."""
        gone = next(pod for pod in self.pods if pod.view.uid == uid)
        assert not self._view(gone).ready or self.answering() > 1, "law 10: the last pod that answers was removed"
        self.pods.remove(gone)

    def _keep(self, manifest: Mapping[str, Any]) -> None:
        kind, color = manifest["kind"], manifest["metadata"]["labels"].get(COLOR_LABEL)
        if kind == "ControllerRevision":
            snapshot = controller_revision.parse({**manifest, "metadata": born(manifest, self.now)})
            self.snapshots[snapshot.revision] = snapshot
        elif kind == "Deployment":
            self._keep_deployment(color, manifest)
        elif kind == "HorizontalPodAutoscaler":
            self.hpas[color] = manifest["spec"]["minReplicas"]
        elif _is_clients_service(manifest):
            self._select(_selection_in(manifest))

    def _select(self, wanted: Selection) -> None:
        if wanted == self.selected:
            return
        before, after = answering(self.observe(), self.selected), answering(self.observe(), wanted)
        assert after > 0 or not before, "law 2: nothing behind it"
        rollout = self.decided.rollout
        if rollout is not None and rollout.sizes is not None and self.selected == "both":
            lost = rollout.color not in reached(wanted) and not self.ready(rollout.color)
            assert lost or after >= min(before, self.least()), "law 2: fewer pods than minAvailable behind it"
        if wanted == "both":
            assert rollout is not None, "both colours have clients without a rollout"
            revision = self.deployments[rollout.color].revision
            assert revision == rollout.revision, "clients reach pods of an older revision"
            assert rollout.stage == "RollingBack" or self._scraped(rollout.color), "law 4: clients reach what is unseen"
        self.selected = wanted
        self.service_version += 1
        self.switches.append((self.now, wanted))

    def _scraped(self, color: Color) -> bool:
        ready = [p for p in self.pods if p.view.color == color and self._view(p).ready]
        unseen_by_order = self.decided.rollout is not None and self.decided.rollout.promote_now
        return bool(ready) and (unseen_by_order or all(p.samples for p in ready))

    def least(self) -> int:
        """The fewest ready pods with clients that the trade under way may leave."""
        rollout = self.decided.rollout
        if rollout is None:
            return 1
        # Where places were lost, or old pods do not come up in time, somebody is all that the way back can ask for.
        too_small = any(most is not None and most < rollout.replicas for most in (self.room, self.quota))
        too_late = self.now >= rollout.since + parse_duration(self.spec.rollout.progress_deadline)
        back = rollout.has("Trade") and rollout.taken_back
        return 1 if back and (too_small or too_late) else min_available(self.spec.rollout, rollout)

    def _keep_deployment(self, color: Color, manifest: Mapping[str, Any]) -> None:
        assert "replicas" not in manifest["spec"], "law 9: the size belongs to the HPA"
        revision = manifest["spec"]["template"]["metadata"]["labels"][REVISION_LABEL]
        seen = self.deployments.get(color)
        self.retries = int(manifest["metadata"]["annotations"].get(RETRY_ANNOTATION, 0))
        if seen and seen.revision == revision:
            return
        assert color not in reached(self.selected), "law 7: pods that have the clients were replaced"
        surge = manifest["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        assert surge == 0, "new pods were to wait for a place beside the old ones of their own colour"
        self.serial += 1
        self.deployments[color] = DeploymentView(f"uid-{self.serial}", seen.replicas if seen else 1, revision)
        self.pods = [p for p in self.pods if p.view.color != color]
        self._create()

    def _scale(self, color: Color, replicas: int) -> None:
        seen, before = self.deployments[color], self.answering()
        self.deployments[color] = replace(seen, replicas=replicas)
        surplus = sorted((p for p in self.pods if p.view.color == color), key=self._first_to_go)[replicas:]
        self.pods = [p for p in self.pods if p not in surplus]
        self._create()
        if replicas < seen.replicas and color in reached(self.selected):
            rollout = self.decided.rollout
            if rollout is None:
                assert replicas >= self.spec.autoscaling.min_replicas, "law 2: the colour with the clients shrank"
                return
            assert rollout.sizes is not None, "law 2: the colour with the clients shrank"
            lost = self.answering() < before
            assert not lost or self.answering() >= self.least(), "law 2: a trade left fewer than minAvailable"

    def _first_to_go(self, pod: Pod) -> tuple[bool, bool, datetime]:
        """The ReplicaSet's order, last to first: pods without a place, unready ones, then the youngest."""
        return not pod.placed, not self._view(pod).ready, pod.view.created

    def _remove(self, kind: str, name: str) -> None:
        color = next((c for c in COLORS if name.endswith(c)), None)
        if kind == "Deployment" and color:
            assert color not in reached(self.selected), "law 2: the colour with the clients was removed"
            self.deployments.pop(color, None)
            self.pods = [p for p in self.pods if p.view.color != color]
        elif kind == "HorizontalPodAutoscaler" and color:
            self.hpas.pop(color, None)
        elif kind == "ControllerRevision":
            self.snapshots = {r: s for r, s in self.snapshots.items() if not name.endswith(r)}


def _is_clients_service(manifest: Mapping[str, Any]) -> bool:
    return manifest["kind"] == "Service" and COLOR_LABEL not in manifest["metadata"]["labels"]


def _selection_in(manifest: Mapping[str, Any]) -> Selection:
    selection: Selection = manifest["spec"]["selector"].get(COLOR_LABEL, "both")
    return selection


def _revision_made_by(action: Action) -> str | None:
    """The revision whose pods a Deployment would make; None for every other action."""
    if not isinstance(action, Keep) or action.manifest["kind"] != "Deployment":
        return None
    labels: Mapping[str, str] = action.manifest["spec"]["template"]["metadata"]["labels"]
    return labels[REVISION_LABEL]


def serving(version: str = "1.0.0", **behaviour: Any) -> World:
    """Given: this version has been rolled out and has had clients for a few minutes."""
    return deepcopy(_served(version, frozenset(behaviour.items())))


@cache
def _served(version: str, behaviour: frozenset[tuple[str, Any]]) -> World:
    world = World(spec(version), versions={version: Version(**dict(behaviour))})
    world.run(10)
    assert world.status.active
    assert world.status.active.version == version
    return world.run(120)
