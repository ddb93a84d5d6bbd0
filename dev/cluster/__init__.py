"""The local real Kubernetes cluster for tests and the demo: brings it up, says how to reach it, takes it down.

Nothing here knows about Verdigris itself, except for the names of the images that it builds.
"""

from dev.cluster.cluster import Cluster, ensure_up, find
from dev.cluster.shell import ClusterError

__all__ = ["Cluster", "ClusterError", "ensure_up", "find"]
