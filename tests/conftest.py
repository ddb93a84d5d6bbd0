"""What every test may ask for: the local real cluster, and the operator installed on it by its chart."""

from __future__ import annotations

import pytest

from dev.cluster import Cluster, ensure_up
from dev.demo.install import install_operator


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A real Kubernetes cluster with DNS, metrics-server and Prometheus; brought up when it is not up yet."""
    return ensure_up()


@pytest.fixture(scope="session")
def operator(cluster: Cluster) -> Cluster:
    """The cluster with the project's images on its nodes and the operator installed as a user would."""
    cluster.load_images()
    install_operator(cluster)
    return cluster
