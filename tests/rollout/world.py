"""A small simulated cluster: it obeys the plan's actions, lets time pass and answers as Prometheus would.

It refuses what the laws forbid at the very action, so every scenario and every random walk checks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from tests.patience import callers, refuse
from tests.rollout.cluster import Cluster
from tests.rollout.manifests import is_clients_service, revision_made_by, selection_in, writes_clients_service
from tests.rollout.parts import TICK, Pod, Version, born, spec
from verdigris.api.decision import Verb
from verdigris.api.schema.fields import parse_duration
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Color, ModelDeploymentStatus
from verdigris.children import controller_revision
from verdigris.children.names import COLOR_LABEL, COLORS, RETRY_ANNOTATION, REVISION_LABEL
from verdigris.core.actions import (
    Action,
    Keep,
    MoveRoute,
    MoveTraffic,
    Note,
    Plan,
    Remove,
    RemovePod,
    Scale,
    SetOrder,
    SetTraffic,
)
from verdigris.core.engine.plan import plan
from verdigris.core.facts.observed import Decision, DeploymentView, GateJob, Selection, Traffic
from verdigris.core.facts.route import RouteView
from verdigris.core.routing.service import answering, min_available, reached
from verdigris.core.steps.gate_document import digest

MOST_LOOKS = 20_000
"""Looks at one world: no scenario needs a tenth of them."""


class Late(NamedTuple):
    """A write to the clients' Service that takes effect later, of the Service as it was seen."""

    at: datetime
    action: Action
    version: int


@dataclass
class World(Cluster):
    """Everything outside the plan."""

    notes: list[Note] = field(default_factory=list)
    switches: list[tuple[datetime, Selection]] = field(default_factory=list)
    routed: list[tuple[datetime, dict[Color, int]]] = field(default_factory=list)
    """The weights of the route, one after the other."""
    decided: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    refuses: Callable[[Action], bool] = lambda _: False
    """Which writes the API server refuses."""
    loses: Callable[[Action], bool] = lambda _: False
    """Which writes take effect although their answer never comes."""
    delays: Callable[[Action], int] = lambda _: 0
    """After how many ticks a write to the clients' Service takes effect whose answer is given up before."""
    service_version: int = 0
    late: list[Late] = field(default_factory=list)
    keeps_status: Callable[[], bool] = lambda: True
    """Whether the status of this reconcile is written."""
    judges: Callable[[str, GateJob, str], GateJob] = lambda _kind, job, _question: job
    """What becomes of the Job of a gate of this kind that is asked so."""
    marks: Callable[[Decision], bool] = lambda _: True
    """Whether what became of a decision can be written on it."""
    looks: int = 0

    def reconcile(self) -> Plan:
        """One reconcile: plan and do it. Raises Endless when there were so many that somebody waits for ever."""
        self.looks += 1
        if self.looks > MOST_LOOKS:
            now = self.status.rollout and f"It is {self.status.rollout.stage}: {self.status.rollout.message}"
            raise refuse(f"{MOST_LOOKS} looks", callers(), now or "No rollout is under way.")
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
            if revision_made_by(action) in unsaved:
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
            moved = moved and not (failed and self._moves_clients(action))

    def _moves_clients(self, action: Action) -> bool:
        if isinstance(action, MoveRoute):
            return self.route is None or action.weights != self.route.rules[0]
        return isinstance(action, MoveTraffic) and selection_in(action.manifest) != self.selected

    def _writes_clients_service(self, action: Action) -> bool:
        if not isinstance(action, MoveTraffic | Keep) or not writes_clients_service(action):
            return False
        marks = isinstance(action, MoveTraffic) and action.fence is not None
        return marks or selection_in(action.manifest) != self.selected

    def _land(self) -> None:
        """What was late takes effect, unless the Service was written since it was read for it."""
        due = [late for late in self.late if late.at <= self.now]
        self.late = [late for late in self.late if late.at > self.now]
        for late in due:
            if late.version == self.service_version:
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
        self._serve()

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
                if mark is not None and selection_in(manifest) == self.selected:
                    self.withdrawn = mark
                    self.service_version += 1
                self._keep(manifest)
            case Keep(manifest):
                self._keep(manifest)
            case Scale(color, replicas):
                self._scale(color, replicas)
            case SetTraffic(name, _, traffic):
                self._set_traffic(name, traffic)
            case MoveRoute():
                self._move_route(action)
            case SetOrder(_, uid, order):
                self._set_order(uid, order)
            case Remove(_, kind, name, _):
                self._remove(kind, name)
            case RemovePod(_, uid):
                self._remove_pod(uid)

    def _move_route(self, action: MoveRoute) -> None:
        """A gateway accepts the route at once, and follows with the next tick unless it is away."""
        wanted, rollout = action.weights, self.decided.rollout
        if self.route is not None and self.route.rules == (wanted,):
            return
        had = [color for color in COLORS if self.route is not None and self.route.reaches(color)]
        for color in (color for color in COLORS if wanted[color]):
            assert self.ready(color) or not self.ready(*had), "law 2: a weight for a colour without a ready pod"
        if rollout is not None and wanted[rollout.color] and not rollout.taken_back:
            kept = self.status.rollout
            assert kept is not None, "a gateway sends clients to a candidate before that is in the status"
            wished = kept.routed or kept.wanted or kept.exposed_at is not None
            assert wished, "a gateway sends clients to a candidate before that is in the status"
            assert self._scraped(rollout.color), "law 4: clients reach what is unseen"
        self.route = RouteView(action.name, own=action.manifest is not None, rules=(wanted,), accepted=True)
        if not self.by_gateway and not self.gateway_away:
            self.followed = wanted
        self.routed.append((self.now, dict(wanted)))

    def _set_traffic(self, name: str, traffic: Traffic) -> None:
        for pod in (pod for pod in self.pods if pod.view.name == name):
            drained = traffic == "off"
            busy = pod.view.color in reached(self.selected)
            busy = busy or (self.route is not None and self.route.reaches(pod.view.color))
            assert not drained or not busy, "a pod that has the clients was drained"
            pod.view = replace(pod.view, traffic=traffic)

    def _set_order(self, uid: str, order: str | None) -> None:
        rollout = self.decided.rollout
        for pod in (pod for pod in self.pods if pod.view.uid == uid):
            pod.view = replace(pod.view, order=order)
            if order is None:
                continue
            assert rollout is not None, "requests are passed on without a rollout"
            assert pod.view.color != rollout.color, "law 15: a pod on trial was put in front"
            assert self.ready(self._active_color()), "law 15: nobody stands behind what it answers"
            kept = self.status.rollout
            assert kept is not None, "requests are passed on before that is in the status"
            assert kept.revision == rollout.revision, "requests are passed on before that is in the status"

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
        elif kind == "Job":
            self._run(manifest)
        elif is_clients_service(manifest):
            self._select(selection_in(manifest))

    def _run(self, job: Mapping[str, Any]) -> None:
        """The Job of a gate is made, and answers by the next look, when it does."""
        name, kept = job["metadata"]["name"], self.status.rollout
        assert name not in self.gates, "a Job was made a second time"
        assert kept is not None, "a gate is asked without a rollout"
        asked = [step.gate.asked for step in kept.steps if step.gate is not None and step.gate.job == name]
        (question,) = (one["value"] for one in gate_container(job)["env"] if one["name"] == "VERDIGRIS_GATE")
        assert asked == [digest(question)], "a gate is asked what is not in the status"
        command = gate_container(job).get("command", ())
        kind = command[-1] if "verdigris_serving.gate" in command else "job"
        self.gates[name] = self.judges(kind, GateJob(name), question)

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
        if rollout is not None and wanted == rollout.color and rollout.stage != "RollingBack":
            nobody_else = not self.ready(self._active_color())
            assert nobody_else or self._scraped(rollout.color), "law 4: clients are moved to what is unseen"
        if rollout is not None and rollout.kind == "Trial" and not rollout.wanted:
            assert rollout.color not in reached(wanted), "law 15: clients reach a version on trial"
        self.selected = wanted
        self.service_version += 1
        self.switches.append((self.now, wanted))

    def _active_color(self) -> Color:
        assert self.status.active is not None
        return self.status.active.color

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
                assert replicas >= self.spec.autoscaling.least, "law 2: the colour with the clients shrank"
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
            assert self.route is None or not self.route.reaches(color), (
                "law 2: a colour that a gateway uses was removed"
            )
            self.deployments.pop(color, None)
            self.pods = [p for p in self.pods if p.view.color != color]
        elif kind == "HorizontalPodAutoscaler" and color:
            self.hpas.pop(color, None)
        elif kind == "Job":
            self.gates.pop(name, None)
        elif kind == "ControllerRevision":
            self.snapshots = {r: s for r, s in self.snapshots.items() if not name.endswith(r)}


def gate_container(job: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container of the Job of a gate."""
    container: Mapping[str, Any] = job["spec"]["template"]["spec"]["containers"][0]
    return container


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
