"""Faults that take a second node: a taint, and a node that is lost and then gone."""

from __future__ import annotations

from dev.cluster import second_node
from dev.cluster.cluster import Cluster
from dev.faults.candidates import SOON
from dev.faults.scenario import Fault, Spec

ON_SECOND: Spec = {"serving": {"nodeSelector": dict(second_node.LABELS), "tolerations": [second_node.TOLERATION]}}
"""Pods that come to the second node and to no other."""
ON_BOTH: Spec = {"serving": {"tolerations": [second_node.TOLERATION]}}
"""Pods that are spread over both nodes."""

UNTOLERATED = Fault(
    "taint that is not tolerated",
    *("Unschedulable", "Failed", "Unschedulable", "(?i)taint"),
    spec={"serving": {"nodeSelector": dict(second_node.LABELS)}, **SOON},
)


def lose(cluster: Cluster) -> None:
    """The second node is not heard of any more, though its pods run on. Kubernetes notices after about 50 s."""
    second_node.stop(cluster, kubelet_only=True)


def strike_out(cluster: Cluster) -> None:
    """Somebody says that the second node will not come back."""
    cluster.kubectl("delete", "node", second_node.NAME)
