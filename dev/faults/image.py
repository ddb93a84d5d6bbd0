"""The faulty image: in the place of the model server a small program that has the fault that FAULT names."""

from __future__ import annotations

from pathlib import Path

from dev.cluster.cluster import Cluster
from dev.cluster.images import ProjectImage, build_and_load
from dev.cluster.shell import exclusive

FAULTY = "verdigris/faulty:0.1.0"
_IMAGE = ProjectImage(f"docker.io/{FAULTY}", "Dockerfile", Path(__file__).with_name("image"))


def load(cluster: Cluster) -> None:
    """Build the image when its source has changed, and give it to the nodes. Raises ClusterError."""
    with exclusive(cluster.settings.cache / f"{cluster.settings.name}.lock"):
        build_and_load(cluster.settings, cluster.backend, (_IMAGE,))
