"""Fixtures of the chart's tests."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from dev.cluster import Cluster
from tests.chart import helm as tool
from tests.chart.helm import NAMESPACE, Helm, Manifest, of_kind
from tests.chart.kubectl import Kubectl


@pytest.fixture(scope="session")
def helm() -> Helm:
    return tool.find()


@pytest.fixture(scope="session")
def default_manifests(helm: Helm) -> list[Manifest]:
    return helm.render()


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    return Kubectl(cluster.tool("kubectl"), cluster.kubeconfig)


@pytest.fixture(scope="session")
def audit_log(cluster: Cluster) -> Path:
    """Audit events as JSON lines. Skips where the cluster keeps them to itself (kind)."""
    if cluster.audit_log is None:
        pytest.skip(f"the provider {cluster.provider} shows no audit log")
    return cluster.audit_log


@pytest.fixture(scope="session")
def crds(kubectl: Kubectl, default_manifests: list[Manifest]) -> None:
    """The chart's CRDs, served. As if by release verdigris, so that it can be installed on the same cluster later."""
    manifests = copy.deepcopy(of_kind(default_manifests, "CustomResourceDefinition"))
    for crd in manifests:
        owner = {"meta.helm.sh/release-name": "verdigris", "meta.helm.sh/release-namespace": NAMESPACE}
        crd["metadata"]["annotations"].update(owner)
    kubectl.apply(manifests)
    names = [f"crd/{crd['metadata']['name']}" for crd in manifests]
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", *names)
