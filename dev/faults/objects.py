"""PURE: the objects that faults need on the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.demo.scenery import Program, files, pod

REGISTRY_PORT = 15010
REGISTRY = f"localhost:{REGISTRY_PORT}"
"""Where the container runtime of the node finds the registry that refuses."""


def registry(namespace: str) -> list[dict[str, Any]]:
    """The registry that refuses, on the node's own address, in a namespace of its own that admits such a pod."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    room = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    program = Path(__file__).with_name("registry.py").read_bytes()
    command = ("python3", "-u", "/files/registry.py", str(REGISTRY_PORT))
    serving = pod(Program("registry", command, files="registry"))
    probe = {"tcpSocket": {"host": "127.0.0.1", "port": REGISTRY_PORT}, "periodSeconds": 1}
    serving["spec"]["containers"][0]["readinessProbe"] = probe
    serving["spec"]["hostNetwork"] = True
    things = [room, files("registry", {"registry.py": program}), serving]
    for thing in things[1:]:
        thing["metadata"]["namespace"] = namespace
    return things


def quota(hard: Mapping[str, str]) -> dict[str, Any]:
    """A ResourceQuota."""
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": dict(hard)}}


def memory_range(maximum: str) -> dict[str, Any]:
    """A LimitRange that allows a container so much memory."""
    limits = [{"type": "Container", "max": {"memory": maximum}}]
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "narrow"}, "spec": {"limits": limits}}


def broken_volume(name: str, claim: str, namespace: str) -> list[dict[str, Any]]:
    """A claim, bound to a volume whose folder is on no node."""
    return folder_as_volume(name, claim, namespace, f"/nowhere/{name}", "ReadOnlyMany")


def folder_as_volume(name: str, claim: str, namespace: str, folder: str, mode: str) -> list[dict[str, Any]]:
    """A folder of the node as a volume, and a claim that is bound to it; both with this access mode."""
    size = {"storage": "1Mi"}
    common = {"accessModes": [mode], "storageClassName": ""}
    volume = {
        **common,
        "capacity": size,
        "hostPath": {"path": folder, "type": "Directory"},
        "claimRef": {"namespace": namespace, "name": claim},
    }
    asked = {**common, "resources": {"requests": size}, "volumeName": name}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim}, "spec": asked},
    ]


def unbound_claim(claim: str) -> dict[str, Any]:
    """A claim that no volume will ever meet."""
    asked = {"accessModes": ["ReadOnlyMany"], "storageClassName": "", "resources": {"requests": {"storage": "1Mi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim}, "spec": asked}
