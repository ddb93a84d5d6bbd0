"""A second real node, of a size and with a taint as wanted: for pods that do not fit, and for a node that is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from dev.cluster import node
from dev.cluster.cluster import Cluster
from dev.cluster.second_machine import NODE_NAME, SecondMachine
from dev.cluster.shell import ClusterError, say, step, wait_for

NAME = NODE_NAME
TAINT = "verdigris.dev/second=true:NoSchedule"
TOLERATION = {"key": "verdigris.dev/second", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
LABELS = {"verdigris.dev/node": "second"}
"""With TOLERATION as a toleration and LABELS as its nodeSelector, a pod comes to this node and to no other."""

_UNITS = {"m": Decimal("0.001"), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9)}
_UNITS |= {"Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40)}
_SIZES = ("cpu", "memory", "pods")


def up(
    cluster: Cluster,
    *,
    allocatable: Mapping[str, str] | None = None,
    taint: str | None = TAINT,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Bring the node up and wait until it is Ready, with exactly the wanted part of the machine to give to pods.

    `allocatable` has quantities for cpu, memory and pods; what it does not name is as on node 1. `taint` is
    KEY=VALUE:EFFECT or None; `labels` are LABELS unless given. A node that was brought up with other wishes is
    registered anew: its pods are deleted, its images stay. Raises ClusterError for a wish that cannot be.
    """
    machine = _machine(cluster)
    wishes = {
        "allocatable": dict(allocatable or {}),
        "taint": taint,
        "labels": dict(LABELS if labels is None else labels),
    }
    config = _kubelet_config(cluster, wishes)
    with cluster.alone(), step(f"Bringing node {NAME} up"):
        if machine.exists and _wishes(machine) != wishes:
            machine.stop_kubelet()
            _forget(cluster)
        machine.settings.state.mkdir(exist_ok=True)
        _wishes_file(machine).write_text(json.dumps(wishes))
        _boot(cluster, machine, wishes, config)
    say(f"Node {NAME} is Ready, taint {taint or 'none'}.")


def stop(cluster: Cluster, *, kubelet_only: bool = False) -> None:
    """Lose the node, as when a machine loses power: its processes end and its addresses answer nothing any more.

    With `kubelet_only` its pods go on and serve, but nobody hears of them. Either way the cluster calls the node
    NotReady (Unknown) only when it has not heard from it for 50 s; this does not wait for that.
    """
    with cluster.alone():
        machine = _existing(cluster)
        if kubelet_only:
            machine.stop_kubelet()
        else:
            machine.cut_power()
    say(f"Node {NAME} is {'without its kubelet' if kubelet_only else 'off'}: NotReady in about 50 s.")


def start(cluster: Cluster) -> None:
    """Bring a stopped node back as it was, and wait until it is Ready. Pods that are still bound to it come back."""
    with cluster.alone(), step(f"Starting node {NAME}"):
        machine = _existing(cluster)
        wishes = _wishes(machine)
        _boot(cluster, machine, wishes, _kubelet_config(cluster, wishes))


def down(cluster: Cluster) -> None:
    """Remove the node with its pods, from the cluster and from this machine, drained or not."""
    machine = _machine(cluster)
    if not machine.exists:
        say(f"There is no node {NAME}.")
        return
    with cluster.alone(), step(f"Taking node {NAME} down"):
        machine.stop_kubelet()
        _forget(cluster)
        machine.remove()
        if remains := machine.leftovers():
            raise ClusterError(f"Not everything of node {NAME} could be removed: {'; '.join(remains)}.")


def is_ready(cluster: Cluster) -> bool:
    """Whether the cluster takes the node for Ready: until 50 s after it was lost, it does."""
    return _condition(_node(cluster)).get("status") == "True"


def _machine(cluster: Cluster) -> SecondMachine:
    if cluster.provider != "local":
        raise ClusterError("Only the local provider can have a second node: set VERDIGRIS_PROVIDER=local.")
    if not cluster.kubeconfig.exists():
        raise ClusterError("There is no cluster that a second node could join: `python -m dev.cluster up` first.")
    return SecondMachine(cluster.settings)


def _existing(cluster: Cluster) -> SecondMachine:
    machine = _machine(cluster)
    if not machine.exists:
        raise ClusterError(f"There is no node {NAME}: `python -m dev.cluster node up` first.")
    return machine


def _wishes_file(machine: SecondMachine) -> Path:
    return machine.settings.state / "wishes.json"


def _wishes(machine: SecondMachine) -> dict[str, Any]:
    wishes: dict[str, Any] = {}
    with suppress(FileNotFoundError):
        wishes = json.loads(_wishes_file(machine).read_text())
    return wishes


def _boot(cluster: Cluster, machine: SecondMachine, wishes: dict[str, Any], config: dict[str, Any]) -> None:
    heard_before = _condition(_node(cluster)).get("lastHeartbeatTime")
    started = machine.boot(cluster.tool, labels=wishes["labels"], more=config)

    def ready() -> bool:
        machine.daemons.require("kubelet")
        item = _node(cluster)
        # What the last kubelet said of itself may still stand there.
        heard = not started or _condition(item).get("lastHeartbeatTime") != heard_before
        return heard and _takes_pods(item) and _has_size(item, wishes["allocatable"])

    hint = f"See {machine.settings.logs / 'kubelet.log'}; `kubectl describe node {NAME}` says what it lacks."
    wait_for(f"node {NAME} to be Ready", ready, timeout=90, hint=hint, interval=0.3)


def _forget(cluster: Cluster) -> None:
    """Delete the Node and the pods that are bound to it; their kubelet, which would confirm it, is off."""
    cluster.kubectl("delete", "node", NAME, "--ignore-not-found")
    bound = cluster.kubectl("get", "pods", "-A", f"--field-selector=spec.nodeName={NAME}", "-o", "json")
    for pod in json.loads(bound)["items"]:
        meta = pod["metadata"]
        how = ("--force", "--grace-period=0", "--wait=false", "--ignore-not-found")
        cluster.kubectl("delete", "pod", meta["name"], "-n", meta["namespace"], *how)


def _kubelet_config(cluster: Cluster, wishes: dict[str, Any]) -> dict[str, Any]:
    """What the kubelet must be told so that pods get what was wanted. Raises ClusterError where that cannot be."""
    wanted = wishes["allocatable"]
    if unknown := sorted(set(wanted) - set(_SIZES)):
        raise ClusterError(f"A node's {', '.join(unknown)} cannot be chosen; {', '.join(_SIZES)} can.")
    # Both nodes are this machine, so the second has the capacity of the first.
    capacity = json.loads(cluster.kubectl("get", "node", node.NODE_NAME, "-o", "json"))["status"]["capacity"]
    config: dict[str, Any] = {}
    reserved = {}
    if "cpu" in wanted:
        reserved["cpu"] = f"{_left(wanted, capacity, 'cpu') * 1000:.0f}m"
    if "memory" in wanted:
        reserved["memory"] = f"{_left(wanted, capacity, 'memory', kept=node.EVICTION_MEMORY):.0f}"
    if reserved:
        config["systemReserved"] = reserved
    if "pods" in wanted:
        config["maxPods"] = int(wanted["pods"])
    if wishes["taint"]:
        config["registerWithTaints"] = [_taint(wishes["taint"])]
    return config


def _left(wanted: Mapping[str, str], capacity: Mapping[str, str], what: str, *, kept: str = "0") -> Decimal:
    """How much of a resource has to be reserved so that pods get what is wanted."""
    left = _quantity(capacity[what]) - _quantity(kept) - _quantity(wanted[what])
    if left < 0:
        most = f"it has {capacity[what]}" + (f", {kept} of it kept back" if kept != "0" else "")
        raise ClusterError(f"The second node cannot give {wanted[what]} {what} to pods: it is this machine, {most}.")
    return left


def _quantity(text: str) -> Decimal:
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return Decimal(text.removesuffix(unit)) * factor
    return Decimal(text)


def _taint(text: str) -> dict[str, str]:
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    if not key:
        raise ClusterError(f"The taint {text!r} is not of the form KEY=VALUE:EFFECT, as {TAINT} is.")
    return {"key": key, "value": value, "effect": effect}


def _node(cluster: Cluster) -> dict[str, Any]:
    """The Node, or an empty mapping when the cluster does not know it."""
    text = cluster.kubectl("get", "node", NAME, "--ignore-not-found", "-o", "json")
    item: dict[str, Any] = json.loads(text) if text else {}
    return item


def _condition(item: dict[str, Any]) -> dict[str, Any]:
    conditions = item.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def _takes_pods(item: dict[str, Any]) -> bool:
    taints = item.get("spec", {}).get("taints", [])
    well = not any(taint["key"].startswith("node.kubernetes.io/") for taint in taints)
    return well and _condition(item).get("status") == "True"


def _has_size(item: dict[str, Any], wanted: Mapping[str, str]) -> bool:
    has = item.get("status", {}).get("allocatable", {})
    return all(_quantity(has.get(what, "0")) == _quantity(size) for what, size in wanted.items())
