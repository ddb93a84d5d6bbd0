"""Whether the candidate can answer at all, and whether its surroundings keep it from that.

A version whose pods are not ready loses its clients at once, as clients come first (law 2). That alone is no verdict on
the version (law 17): a drain, a reboot or one missed probe passes. It goes on when its pods are back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Failure
from verdigris.core.facts.observed import STAMP, PodView
from verdigris.core.facts.survey import NodeView
from verdigris.core.judges.crashes import SURROUNDINGS, TOGETHER
from verdigris.core.pods.diagnosis.candidate import candidate_fault, candidate_trouble
from verdigris.core.pods.diagnosis.injected import failing
from verdigris.core.turn import Turn
from verdigris.core.words import clip

DEBOUNCE = timedelta(seconds=10)
"""How long nobody may answer before pods of the active version, of which none is left, are made anew. The readiness
probe asks every 2 s, so a blip is over with the next good answer, and a server that was started again is mostly ready;
new active pods would hardly be ready sooner. Where active pods are ready, clients are moved to them at once."""


@dataclass(frozen=True)
class Unavailable:
    """The candidate has no ready pod: its clients are moved to the active version now, and it is not rejected for it.

    `excused` when its surroundings did it. What nobody can explain counts: a version that is unavailable again and
    again, with no reason in its surroundings, cannot be relied upon.
    """

    failure: Failure
    excused: bool


def unavailable(turn: Turn) -> Unavailable | None:
    """Whether the candidate must lose the clients that it has, because no pod of it can answer them."""
    rollout, active = turn.rollout, turn.active
    if active is None or turn.ready(rollout) > 0:
        return None
    around = _surroundings(turn)
    if not _helps(turn, excused=bool(around)):
        return None
    why = candidate_fault(turn) or candidate_trouble(turn)
    told = around or (why.message if why else _readiness(turn))
    failure = Failure(reason="CandidateUnavailable", message=clip(f"No pod of the candidate is ready any more. {told}"))
    return Unavailable(failure, excused=bool(around))


def _helps(turn: Turn, *, excused: bool) -> bool:
    """Whether to move the clients gains anything: where the active pods ended for it, they have to be made first.

    A pod that was evicted is being made anew already, and that takes no longer than to make an active one: it has
    `spec.cleanup.stuckAfter`.
    """
    rollout, active = turn.rollout, turn.active
    if active is not None and turn.ready(active) > 0:
        return True
    patience = parse_duration(turn.observed.spec.cleanup.stuck_after) if excused else DEBOUNCE
    return rollout.sizes is not None and turn.now >= _unready_since(turn) + patience


def _unready_since(turn: Turn) -> datetime:
    """Since when no pod has been ready: the last one ceased to be, or came in the place of one that is gone."""
    times = [pod.ready_changed or pod.created for pod in turn.pods(turn.rollout)]
    return max(times, default=turn.rollout.since)


def _surroundings(turn: Turn) -> str:
    """What beside the version itself explains that none of its pods is ready; "" for nothing."""
    rollout = turn.rollout
    mine = [
        p for p in turn.observed.pods if (p.color, p.revision) == (rollout.color, rollout.revision) and p.controlled
    ]
    survey = turn.observed.survey
    nodes = {node.name: node for node in survey.nodes} if survey else {}
    for pod in mine:
        told = _of_pod(turn, pod, nodes)
        if told:
            return told
    if not mine:
        return "None of its pods is there: somebody has removed them."
    # The operator evicts only pods that are stuck, which is no excuse.
    evicted = any(removed.color == rollout.color and removed.at >= rollout.since for removed in turn.status.removed)
    if not evicted and all(pod.created + STAMP > rollout.since for pod in mine):
        return "The pods that it had were removed, and the new ones are not ready yet."
    return ""


def _of_pod(turn: Turn, pod: PodView, nodes: dict[str, NodeView]) -> str:
    node = nodes.get(pod.node)
    if pod.evicting:
        return f"Pod {pod.name} was evicted from node {pod.node or 'unknown'} ({pod.evicting})."
    if node is not None and not node.ready:
        return f"Node {node.name} of pod {pod.name} is not ready."
    if nodes and pod.node and node is None:
        return f"Node {pod.node} of pod {pod.name} is gone."
    if pod.terminating:
        drained = (
            f", and node {node.name} is cordoned: it is being drained" if node is not None and node.cordoned else ""
        )
        return f"Pod {pod.name} was deleted{drained}."
    began_anew = any(
        entry.uid == pod.uid and entry.cause in SURROUNDINGS and turn.now <= entry.at + TOGETHER
        for entry in turn.rollout.exits
    )
    if began_anew:
        return f"Pod {pod.name} was started anew with its node {pod.node or 'unknown'}."
    injected = failing(pod)
    return f"In pod {pod.name}, container {injected} is not ready, which is not the model's." if injected else ""


def _readiness(turn: Turn) -> str:
    names = ", ".join(pod.name for pod in turn.pods(turn.rollout)[:5])
    return (
        f"Their containers run, but they are not ready: {names}. Look at their readiness probes with kubectl describe."
    )
