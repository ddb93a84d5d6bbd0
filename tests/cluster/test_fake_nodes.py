"""Fake nodes: many pods that cost nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dev.cluster import Cluster, fake_nodes
from dev.cluster.shell import wait_for

pytestmark = pytest.mark.cluster


def _deployment(replicas: int) -> dict[str, Any]:
    pod = {
        "nodeSelector": {"type": "kwok"},
        "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
        "containers": [{"name": "nothing", "image": "no-such-image"}],
    }
    labels = {"app": "fake"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fake"}, "spec": spec}


def test_pods_on_fake_nodes_are_ready_without_an_image_and_go_with_the_nodes(cluster: Cluster, namespace: str) -> None:
    fake_nodes.scale(cluster, 2)
    try:
        cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(_deployment(40)))
        ready = ("get", "deployment", "fake", "-n", namespace, "-o", "jsonpath={.status.readyReplicas}")
        wait_for("40 fake pods to be Ready", lambda: cluster.kubectl(*ready) == "40", timeout=60, interval=0.5)
    finally:
        cluster.kubectl("delete", "deployment", "fake", "-n", namespace, "--ignore-not-found")
        fake_nodes.scale(cluster, 0)

    assert cluster.kubectl("get", "nodes", "-l", fake_nodes.SELECTOR, "-o", "name") == ""
