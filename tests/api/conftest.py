"""What the tests of the API need on the real cluster: the CRDs as they are made now, and a namespace of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.cluster import Cluster
from tests.api.api_server import ApiServer
from verdigris.api import crd

NAMESPACE = "verdigris-api-tests"
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="package")
def kubectl(cluster: Cluster) -> Kubectl:
    """Runs kubectl and returns what it said, also when it failed."""

    def run(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [cluster.tool("kubectl"), "--kubeconfig", cluster.kubeconfig, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture(scope="package")
def user(kubectl: Kubectl) -> str:
    """Who the API server takes us for; where the chart is installed, nobody else may sign our decisions."""
    return kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout


@pytest.fixture(scope="package")
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace of these tests' own in a cluster that has our CRDs; those that were not there before go again."""
    before = kubectl("get", "crd", "-o", "name").stdout
    kubectl("apply", "--server-side", "--force-conflicts", "-f", crd.FOLDER).check_returncode()
    names = [resource.name for resource in crd.RESOURCES]
    kubectl("wait", "--for=condition=Established", *(f"crd/{name}" for name in names)).check_returncode()
    kubectl("create", "namespace", NAMESPACE).check_returncode()
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE, "--wait=false").check_returncode()
    kubectl("delete", "crd", "--ignore-not-found", *(name for name in names if name not in before))


@pytest.fixture(scope="package")
def api_server(cluster: Cluster, namespace: str) -> ApiServer:
    return ApiServer(cluster.kubeconfig, namespace)
