"""Nodes that only pretend to run pods (kwok), to see the operator at a scale that this machine could not carry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dev.cluster.cluster import Cluster
from dev.cluster.processes import Daemons
from dev.cluster.shell import say, wait_for

SELECTOR = "type=kwok"
_TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}


def node(number: int) -> dict[str, Any]:
    """The manifest of one fake node. Only pods that tolerate its taint are put there; they become Ready at once."""
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "500"}
    name = f"fake-{number}"
    labels = {"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"taints": [_TAINT]},
        "status": {"allocatable": capacity, "capacity": capacity},
    }


def scale(cluster: Cluster, count: int) -> None:
    """Make it so that there are `count` fake nodes, all Ready; 0 ends kwok as well."""
    daemons = Daemons(cluster.settings.state / "pids", cluster.settings.logs)
    names = {item["metadata"]["name"] for item in _fake_nodes(cluster)}
    wanted = {f"fake-{number}": node(number) for number in range(count)}
    if surplus := sorted(names - set(wanted)):
        cluster.kubectl("delete", "node", "--wait=false", *surplus)
    if not count:
        daemons.stop("kwok")
        say("There are no fake nodes any more.")
        return
    daemons.start("kwok", _kwok(cluster))
    manifest = {"apiVersion": "v1", "kind": "List", "items": list(wanted.values())}
    cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifest))

    def all_ready() -> bool:
        daemons.require("kwok")
        return sum(map(_is_ready, _fake_nodes(cluster))) == count

    hint = f"See {cluster.settings.logs / 'kwok.log'}."
    wait_for(f"{count} fake nodes to be Ready", all_ready, timeout=60, hint=hint, interval=0.5)
    say(f"There are {count} fake nodes, taint {_TAINT['key']}={_TAINT['value']}:{_TAINT['effect']}.")


def _kwok(cluster: Cluster) -> list[str | Path]:
    program = cluster.tool("kwok")
    # kwok's own "stages" say what happens to a node or a pod: here, that it is Ready at once.
    stages = cluster.toolchain.module_file("kwok", "kustomize/stage")
    files = sorted([*stages.glob("*/fast/*-*.yaml"), *stages.glob("node/heartbeat-with-lease/*-*.yaml")])
    flags = ["--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", "--cidr=10.245.0.0/16"]
    # Without leases the nodes would be taken for lost after 50 s.
    flags += ["--node-ip=10.245.0.1", "--node-lease-duration-seconds=40", f"--kubeconfig={cluster.kubeconfig}"]
    return [program, *flags, *(f"--config={file}" for file in files)]


def _fake_nodes(cluster: Cluster) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = json.loads(cluster.kubectl("get", "nodes", "-l", SELECTOR, "-o", "json"))["items"]
    return nodes


def _is_ready(item: dict[str, Any]) -> bool:
    conditions = item.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
