"""What the tests of the API need on the real cluster: the CRDs as they are made now, and a namespace of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.cluster import Cluster
from dev.cluster.patience import stretched
from tests.api.api_server import ApiServer
from verdigris.api.schema import crd
from verdigris.tools import crds

NAMESPACE = "verdigris-api-tests"
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="package")
def kubectl(cluster: Cluster) -> Kubectl:
    """Runs kubectl and returns what it said, also when it failed."""

    def run(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [cluster.tool("kubectl"), "--kubeconfig", cluster.kubeconfig, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=stretched(60))

    return run


@pytest.fixture(scope="package")
def user(kubectl: Kubectl) -> str:
    """Who the API server takes us for; where the chart is installed, nobody else may sign our decisions."""
    return kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").stdout


@pytest.fixture(scope="package")
def namespace(cluster: Cluster, kubectl: Kubectl) -> Iterator[str]:
    """A namespace of these tests' own in a cluster that has our CRDs, which stay: another process may use them."""
    names = [resource.name for resource in crd.RESOURCES]
    with cluster.alone():
        kubectl("apply", "--server-side", "--force-conflicts", "-f", crds.FOLDER).check_returncode()
        kubectl("wait", "--for=condition=Established", *(f"crd/{name}" for name in names)).check_returncode()
    # One that was left by a run that was killed is no namespace of these tests' own.
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found").check_returncode()
    kubectl("create", "namespace", NAMESPACE).check_returncode()
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE, "--wait=false").check_returncode()


@pytest.fixture(scope="package")
def api_server(cluster: Cluster, namespace: str) -> ApiServer:
    return ApiServer(cluster.kubeconfig, namespace)
