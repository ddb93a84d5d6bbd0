"""A namespace for the cluster's tests, and a pod in it from which they look at the cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from dev.cluster import Cluster, containerd, rootfs

NAMESPACE = f"cluster-tests-{os.getpid()}"
"""Of this process: another one has tests of the cluster as well."""

Python = Callable[[str], str]


@pytest.fixture(scope="session")
def python_image(cluster: Cluster) -> str:
    """An image with Python in it that the nodes have or can get."""
    if cluster.provider == "kind":
        return "python:3.11-slim"
    if rootfs.BASE not in containerd.image_names(cluster.settings):
        cluster.backend.load(rootfs.archives(cluster.settings)[0])
    return rootfs.BASE


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> Iterator[str]:
    """An empty namespace."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="session")
def in_pod(cluster: Cluster, namespace: str, python_image: str) -> Python:
    """Run a Python program in a pod; gives what it prints."""
    pause = "import time, signal; signal.signal(signal.SIGTERM, lambda *_: exit()); time.sleep(3600)"
    where = ("-n", namespace)
    image = (f"--image={python_image}", "--image-pull-policy=IfNotPresent")
    cluster.kubectl("run", "eyes", *where, *image, "--restart=Never", "--command", "--", "python3", "-c", pause)
    cluster.kubectl("wait", *where, "--for=condition=Ready", "--timeout=60s", "pod/eyes")
    return lambda program: cluster.kubectl("exec", *where, "eyes", "--", "python3", "-c", program)
