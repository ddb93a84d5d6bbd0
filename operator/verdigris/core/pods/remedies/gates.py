"""What holds a remedy back. Law 10, one small function a reason: a gate returns None, or why not in a sentence.

All gates of `GATES` have to be passed, in their order; the first that holds is told in `status.stuck`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from verdigris.api.status import Color
from verdigris.core.actions import RemovePod
from verdigris.core.facts.observed import PodView
from verdigris.core.pods.diagnosis.check import Diagnosis, Role
from verdigris.core.pods.diagnosis.questions import OUT_OF_SERVICE
from verdigris.core.routing import service
from verdigris.core.routing.gateway import sends_to
from verdigris.core.turn import Turn

FRESH_VIEW = timedelta(seconds=15)
"""Older pictures decide nothing. Observing, asking Prometheus and planning take a second or two; what took longer than
this was read from an API server, or by an operator, that is in trouble."""
FRESH_SURVEY = timedelta(seconds=30)
"""Nodes report every 10 s, and count as lost after 40 s: an older look may miss that a node has come back."""
BROKEN_SHARE = 0.55
"""Kubernetes' own node lifecycle controller stops evicting at this share of nodes that are not ready. It also asks for
at least three of them; we do not, because to wait costs less than to be wrong."""
ENDED = frozenset({"Failed", "Succeeded"})
NODE_KINDS = frozenset({"NodeLost", "NodeGone"})
"""Kinds whose cause is the pod's node."""


@dataclass(frozen=True)
class Held:
    """Why a remedy is not used now: the same words at every look. `until`: when time alone may change that."""

    why: str
    until: datetime | None = None


@dataclass(frozen=True)
class Case:
    """A stuck pod before the gates, and what the same plan takes already."""

    turn: Turn
    pod: PodView
    role: Role
    found: Diagnosis
    taken: tuple[RemovePod, ...] = ()

    @property
    def leftover(self) -> bool:
        """Whether it is only the record of a pod that has ended: nobody misses it."""
        return self.found.kind == "Leftover"


Gate = Callable[[Case], Held | None]


def has_clients(turn: Turn, color: Color) -> bool:
    """Whether clients reach this colour, or may reach it by the next rollback or promotion."""
    status = turn.status
    rollout = status.rollout
    asked = rollout is not None and (rollout.weight > 0 or rollout.passed_on > 0 or rollout.routed > 0)
    on_trial = asked and rollout is not None and rollout.color == color
    active = status.active is not None and status.active.color == color
    return active or on_trial or service.has_clients(turn.observed, color) or sends_to(turn.observed, color)


def switched_off(case: Case) -> Held | None:
    """The one switch."""
    if case.turn.observed.spec.cleanup.enabled:
        return None
    return Held("spec.cleanup.enabled is false: remove the pod yourself, or set it to true.")


def no_controller(case: Case) -> Held | None:
    """What somebody made by hand and runs beside ours is theirs, whatever its labels say (law 14).

    One that has ended, or that has the labels of a colour that is not in use, is what our colours leave behind.
    """
    if case.pod.controlled or case.found.kind in ("Leftover", "Orphan"):
        return None
    namespace = case.turn.observed.owner.namespace
    return Held(
        "No controller has it, so somebody made it by hand: it is left alone. When nobody needs it: "
        f"kubectl delete pod {case.pod.name} -n {namespace}."
    )


def stale_view(case: Case) -> Held | None:
    """What was seen too long ago may have healed meanwhile."""
    seen = case.turn.observed.seen_at
    if seen is not None and case.turn.now - seen <= FRESH_VIEW:
        return None
    return Held(
        f"What the operator has seen is older than {FRESH_VIEW.seconds} s: is the API server slow?",
        case.turn.now + timedelta(seconds=1),
    )


def nodes_unseen(case: Case) -> Held | None:
    """What is done because of a node needs a look at the nodes, and a fresh one."""
    if case.found.remedy != "Force" and case.found.kind not in NODE_KINDS:
        return None
    survey, now = case.turn.observed.survey, case.turn.now
    if survey is not None and survey.nodes and now - survey.at <= FRESH_SURVEY:
        return None
    problem = f" {survey.problem}" if survey is not None and survey.problem else ""
    return Held(f"Nobody has seen the nodes within {FRESH_SURVEY.seconds} s.{problem}", now + timedelta(seconds=5))


def most_is_broken(case: Case) -> Held | None:
    """When most nodes are not ready it is not the pods."""
    survey = case.turn.observed.survey
    if survey is None or not survey.nodes:
        return None
    broken = sum(not node.ready for node in survey.nodes)
    if broken < BROKEN_SHARE * len(survey.nodes):
        return None
    return Held(
        f"{broken} of {len(survey.nodes)} nodes are not ready, so it is not the pods: nothing is removed. "
        "Look at the nodes and at their way to the API server.",
        case.turn.now + timedelta(seconds=10),
    )


def node_is_there(case: Case) -> Held | None:
    """Nothing is forced while a kubelet is there, or may come back, that still runs the pod."""
    survey, pod = case.turn.observed.survey, case.pod
    if case.found.remedy != "Force" or survey is None:
        return None
    if not pod.node:
        return Held("The pod was never on a node, so there is nothing to force.")
    node = next((node for node in survey.nodes if node.name == pod.node), None)
    if node is None:
        return None
    if node.ready:
        return Held(f"Node {pod.node} is ready: its kubelet ends the pod, so nothing is forced.")
    if any(taint.key == OUT_OF_SERVICE for taint in node.taints) and pod.terminating:
        return None
    return Held(
        f"Node {pod.node} is not ready, but may come back with the pod running: nothing is forced. When it is down for "
        f"good, delete the Node, or taint it {OUT_OF_SERVICE}=nodeshutdown:NoExecute."
    )


def kept_by_finalizers(case: Case) -> Held | None:
    """Force does nothing against a finalizer, which is somebody's promise."""
    if case.found.remedy != "Force" or not case.pod.finalizers:
        return None
    names = ", ".join(sorted(case.pod.finalizers))
    return Held(f"Force would not help: finalizers keep the pod ({names}). Ask their owners to let it go.")


def already_going(case: Case) -> Held | None:
    """What is on its way out needs no second push; force is for what its node cannot end."""
    if not case.pod.terminating or case.found.remedy == "Force":
        return None
    return Held("It is on its way out already.")


def second_time(case: Case) -> Held | None:
    """A pod is acted upon once; the only escalation is from a remedy that a dead node cannot carry out to force."""
    earlier = {entry.remedy for entry in case.turn.status.removed if entry.uid == case.pod.uid}
    again = any(action.uid == case.pod.uid for action in case.taken)
    if not again and (not earlier or (case.found.remedy == "Force" and "Force" not in earlier)):
        return None
    return Held("This very pod was removed once already, and still is there: look at kubectl describe pod.")


def hopeless_candidate(case: Case) -> Held | None:
    """A rollout that ends takes its pods with it."""
    if case.role != "candidate":
        return None
    rollout = case.turn.status.rollout
    if rollout is not None and rollout.taken_back:
        return Held("Its rollout is being taken back, and the pod goes with it.")
    return Held("A fresh start does not help: it ends the rollout.") if case.found.hopeless else None


def owned_orphan(case: Case) -> Held | None:
    """As long as its colour's Deployment is there, that removes the pod, or would only start it again."""
    if case.found.kind != "Orphan" or case.pod.color not in case.turn.observed.deployments:
        return None
    return Held(f"The Deployment of {case.pod.color} still is there, and its controller removes the pod.")


def still_runs(case: Case) -> Held | None:
    """Only what has ended may pass by the budgets as a leftover."""
    if not case.leftover or (case.pod.phase in ENDED and not case.pod.ready):
        return None
    return Held("It has not ended, so it is no leftover.")


def last_ready(case: Case) -> Held | None:
    """The ready pods of a colour in use never come to nothing by our doing, and its endpoints must say the same.

    A pod that is not ready may go, unless more endpoints answer than other pods are ready: then it may be one of them.
    """
    turn, color = case.turn, case.pod.color
    if case.leftover or (case.role == "orphan" and not has_clients(turn, color)):
        return None
    gone = {action.uid for action in case.taken}
    ready = [
        pod for pod in turn.observed.pods if pod.color == color and pod.ready and pod.controlled and not pod.terminating
    ]
    others = sum(pod.uid not in gone and pod.uid != case.pod.uid for pod in ready)
    answering = turn.observed.endpoints.get(color, 0) - sum(pod.uid in gone for pod in ready)
    may_answer = case.pod.ready or answering > others
    if not may_answer or (others >= 1 and answering >= 2):
        return None
    return Held(
        f"It may be the last pod of {color} that answers: it stays until another one is ready.",
        turn.now + timedelta(seconds=5),
    )


def counted_in_a_trade(case: Case) -> Held | None:
    """What a trade promises to keep available are ready pods, of which it leaves no more than it must."""
    rollout = case.turn.status.rollout
    if rollout is None or not rollout.has("Trade") or not case.pod.ready:
        return None
    return Held("Pods are being traded, and the clients can spare no ready one: it stays until that is over.")


def one_at_a_time(case: Case) -> Held | None:
    """A plan takes one pod that clients may reach, so that the next look sees what came of it."""
    if case.leftover or case.found.remedy == "Force" or not has_clients(case.turn, case.pod.color):
        return None
    if not any(_touches_clients(case.turn, action) for action in case.taken):
        return None
    return Held("Another pod that clients may reach goes first.", case.turn.now + timedelta(seconds=1))


def _touches_clients(turn: Turn, action: RemovePod) -> bool:
    return action.kind != "Leftover" and action.remedy != "Force" and has_clients(turn, action.color)


def rehearsed(case: Case) -> Held | None:
    """Last of all, so that a rehearsal says what would really be done."""
    if not case.turn.observed.spec.cleanup.dry_run:
        return None
    return Held(f"spec.cleanup.dryRun is true: now it would be {DONE[case.found.remedy]}.")


DONE = {"None": "left alone", "Evict": "evicted", "Delete": "deleted", "Force": "deleted by force"}
"""What a remedy does to a pod, as a participle."""

SAFETY: tuple[Gate, ...] = (
    switched_off,
    no_controller,
    stale_view,
    nodes_unseen,
    most_is_broken,
    already_going,
    kept_by_finalizers,
    node_is_there,
    second_time,
    hopeless_candidate,
    owned_orphan,
    still_runs,
    last_ready,
    counted_in_a_trade,
    one_at_a_time,
)
