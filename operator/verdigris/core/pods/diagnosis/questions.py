"""What several checks ask of a pod: since when, what passes by itself, who else is well, and where else it could go."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from verdigris.api.schema.fields import parse_duration
from verdigris.core.facts.observed import ContainerView, PodView
from verdigris.core.facts.survey import NodeView
from verdigris.core.pods.diagnosis.check import Around

TERMINAL = ("Failed", "Succeeded")
BEFORE_A_START = ("ContainerCreating", "PodInitializing")
"""What a container waits for in a new pod, or in one whose node has come back; never between two crashes."""
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""The taint by which a person vouches that a node is down: nothing runs there any more."""
_REPELLING = ("NoSchedule", "NoExecute")


def give_up_after(around: Around) -> timedelta:
    """How long a state that no fresh start heals may last."""
    return _length(around.policy.give_up_after)


def stuck_after(around: Around) -> timedelta:
    """How long a state that usually passes may last."""
    return _length(around.policy.stuck_after)


def _length(text: Any) -> timedelta:
    return parse_duration(text)


def began(pod: PodView) -> datetime:
    """Since when its containers could have got ready: it ceased to be ready, or its init steps were done."""
    ended = (c.exit.at for c in pod.containers if c.init and c.exit and c.exit.code == 0 and c.exit.at)
    return max((pod.ready_changed or pod.created, *ended))


def starting(pod: PodView) -> bool:
    """Whether it is for its containers to get going: placed nowhere or somewhere, not ready, not ended nor ending."""
    return not pod.ready and not pod.terminating and pod.phase not in TERMINAL


def waiting(pod: PodView, *reasons: str) -> ContainerView | None:
    """The first container that waits for one of these reasons."""
    return next((container for container in pod.containers if container.waiting in reasons), None)


def others_are_ready(pod: PodView, around: Around) -> bool:
    """Whether another pod of the same revision is ready: then it is this pod or its node, not the version."""
    return any(other.ready and other.uid != pod.uid for other in around.siblings)


def another_node(pod: PodView, around: Around) -> bool:
    """Whether there is a node beside its own that takes pods. False when nobody may look."""
    return any(node.name != pod.node and takes_pods(node) for node in (around.nodes or {}).values())


def takes_pods(node: NodeView) -> bool:
    """Whether any pod may be put there: it reports, and neither a cordon nor a taint keeps pods away."""
    return node.ready and not node.cordoned and not any(taint.effect in _REPELLING for taint in node.taints)


def node_of(pod: PodView, around: Around) -> NodeView | None:
    """Its node, None when it has none, or when the node is not known."""
    return (around.nodes or {}).get(pod.node) if pod.node else None


def node_is_gone(pod: PodView, around: Around) -> bool:
    """Whether its node will never end it: the Node object is no more, or a person vouches that it is down.

    An empty list of nodes is no list: the operator itself runs on one.
    """
    if not pod.node or not around.nodes:
        return False
    node = around.nodes.get(pod.node)
    return node is None or (not node.ready and any(taint.key == OUT_OF_SERVICE for taint in node.taints))


def node_is_lost(pod: PodView, around: Around) -> bool:
    """Whether its node does not report, though it may come back."""
    node = node_of(pod, around)
    return node is not None and not node.ready and not node_is_gone(pod, around)
