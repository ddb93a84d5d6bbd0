"""Pods that should be gone: ended ones, those that do not end, those on a node that is lost, those of nobody."""

from __future__ import annotations

from datetime import datetime

from verdigris.api.status import Remedy
from verdigris.core.facts.observed import PodView
from verdigris.core.pods.diagnosis.check import Around, Check, Diagnosis
from verdigris.core.pods.diagnosis.questions import (
    TERMINAL,
    another_node,
    give_up_after,
    node_is_gone,
    node_is_lost,
    node_of,
    stuck_after,
)
from verdigris.core.pods.diagnosis.words import QUOTED, clip, tidy
from verdigris.core.words import sentence


def node_gone(pod: PodView, around: Around) -> Diagnosis | None:
    """On its way out, beyond its grace, and its node will never end it."""
    if not _overdue(pod, around) or not node_is_gone(pod, around) or pod.gone_by is None:
        return None
    message = f"The pod should have ended, but its node {pod.node} is gone, so no kubelet will ever end it."
    remedy: Remedy = "Force"
    if pod.finalizers:
        remedy, message = "None", f"{message} {_finalizers(pod)}"
    return Diagnosis("NodeGone", "NodeGone", clip(message), remedy, pod.gone_by, _ripe(pod.gone_by, around))


def terminating(pod: PodView, around: Around) -> Diagnosis | None:
    """On its way out, beyond its grace, and somebody there has still to let it go: never forced."""
    if not _overdue(pod, around) or pod.gone_by is None:
        return None
    reason, message = _who_holds_it(pod, around)
    return Diagnosis("Terminating", reason, clip(message), "None", pod.gone_by, _ripe(pod.gone_by, around))


def _who_holds_it(pod: PodView, around: Around) -> tuple[str, str]:
    if pod.finalizers:
        return "FinalizersPending", f"The pod should have ended. {_finalizers(pod)}"
    if node_is_lost(pod, around):
        return "NodeNotReady", (
            f"The pod should have ended, but its node {pod.node} does not report, so nobody knows whether it "
            "still runs. Bring the node back, or, when it is down for good, delete the Node."
        )
    return "KubeletStillEnding", (
        f"The pod should have ended, but the kubelet of node {pod.node or 'unknown'} has not ended it yet. Look at "
        "that node's kubelet and container runtime."
    )


def _finalizers(pod: PodView) -> str:
    names = ", ".join(sorted(pod.finalizers)[:5])
    return f"Its finalizers hold it: {names}. Whoever set them has to remove them; the operator never does."


def _overdue(pod: PodView, around: Around) -> bool:
    return pod.terminating and pod.gone_by is not None and around.now > pod.gone_by


def _ripe(gone_by: datetime, around: Around) -> datetime:
    return gone_by + give_up_after(around)


def node_lost(pod: PodView, around: Around) -> Diagnosis | None:
    """Its node does not report, or is no more. Whether the pod still runs, nobody knows."""
    if pod.terminating or pod.phase in TERMINAL or pod.ready:
        return None
    if not node_is_lost(pod, around) and not node_is_gone(pod, around):
        return None
    node = node_of(pod, around)
    what = "does not report" if node else "is gone"
    elsewhere = another_node(pod, around)
    then = "It can start on another node." if elsewhere else "There is no other node that takes pods: add one."
    since = max(pod.ready_changed or pod.created, (node.since if node else None) or pod.created)
    return Diagnosis(
        "NodeLost",
        "NodeNotReady" if node else "NodeGone",
        f"The pod's node {pod.node} {what}. {then}",
        "Evict" if elsewhere else "None",
        since,
        since + stuck_after(around),
    )


def leftover(pod: PodView, around: Around) -> Diagnosis | None:
    """It has ended for good and only its object is left."""
    if pod.phase not in TERMINAL or pod.terminating:
        return None
    reason = pod.reason or ("Completed" if pod.phase == "Succeeded" else "Failed")
    told = f": {sentence(clip(tidy(pod.message), QUOTED))}" if pod.message else "."
    where = f" on node {pod.node}" if pod.node else ""
    since = max((pod.ready_changed or pod.created, *(c.exit.at for c in pod.containers if c.exit and c.exit.at)))
    message = f"The pod has ended{where} ({reason}) and only its object is left{told}"
    return Diagnosis("Leftover", reason[:128], clip(message), "Delete", since, since + stuck_after(around))


def orphan(pod: PodView, around: Around) -> Diagnosis | None:
    """It has the model's labels, but its colour has no Deployment, and no ReplicaSet has it either."""
    if around.role != "orphan" or around.deployed or pod.controlled or pod.terminating:
        return None
    message = (
        f"The pod belongs to the colour {pod.color}, which has no Deployment, and to no ReplicaSet: nobody needs it."
    )
    return Diagnosis("Orphan", "Orphan", message, "Delete", pod.created, pod.created + stuck_after(around))


CHECKS = (
    Check(
        "NodeGone",
        "Beyond its deletionTimestamp, and its Node object is no more, or is not ready and has the taint "
        "node.kubernetes.io/out-of-service.",
        "Deleted by force, by its UID, after `giveUpAfter`. Not while it has finalizers.",
        "Nothing.",
        node_gone,
    ),
    Check(
        "Terminating",
        "Beyond its deletionTimestamp, and its node is there: finalizers (named), a node that does not report, or a "
        "kubelet that is not done.",
        "Only reported, never forced.",
        "Remove what set the finalizer, bring the node back or delete the Node, look at the kubelet.",
        terminating,
    ),
    Check(
        "Leftover",
        "Its phase is Failed or Succeeded: Evicted, UnexpectedAdmissionError, NodeAffinity, Preempting, Terminated, "
        "OutOfcpu, Completed, ...",
        "Deleted after `stuckAfter`.",
        "Nothing; when there are many, see what the reason says about the node.",
        leftover,
    ),
    Check(
        "Orphan",
        "Its colour has no Deployment, and no ReplicaSet controls it.",
        "Deleted after `stuckAfter`.",
        "Nothing.",
        orphan,
    ),
    Check(
        "NodeLost",
        "Not ready, and its node is not ready, or gone, for `stuckAfter`.",
        "Evicted when another node takes pods; otherwise only reported.",
        "Bring the node back, or delete the Node when it is down for good.",
        node_lost,
    ),
)
