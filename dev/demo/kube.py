"""kubectl for the demo and the end-to-end tests: apply objects, read them back, build command lines to follow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

Object = Mapping[str, Any]


class Kubectl(Protocol):
    """What is needed of `dev.cluster`'s Cluster."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""

    @property
    def bin(self) -> Path:
        """The folder with kubectl."""

    def kubectl(self, *args: str, input: str | None = None) -> str:
        """Run kubectl and return its stdout; raises with what kubectl said."""


class Kube:
    """One namespace of a cluster."""

    def __init__(self, cluster: Kubectl, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def run(self, *args: str, input: str | None = None) -> str:
        """kubectl in this namespace."""
        return self.cluster.kubectl("-n", self.namespace, *args, input=input)

    def command(self, *args: str) -> list[str]:
        """The command line of kubectl in this namespace, for a process that goes on."""
        kubectl = str(self.cluster.bin / "kubectl")
        return [kubectl, "--kubeconfig", str(self.cluster.kubeconfig), "-n", self.namespace, *args]

    def apply(self, *objects: Object, server_side: bool = False) -> str:
        """`kubectl apply` these objects. Server-side for what is too large for kubectl's own annotation."""
        flags = ("--server-side", "--force-conflicts") if server_side else ()
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self.run("apply", *flags, "-f", "-", input=json.dumps(document))

    def create(self, thing: Object) -> str:
        """`kubectl create` this object."""
        return self.run("create", "-f", "-", input=json.dumps(thing))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """The object, or None when there is none."""
        text = self.run("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of that kind, or those with these labels."""
        chosen = ("-l", selector) if selector else ()
        items: list[dict[str, Any]] = json.loads(self.run("get", kind, *chosen, "-o", "json"))["items"]
        return items

    def metrics(self, pod: str, port: int) -> str:
        """What the pod shows to Prometheus at this port, now."""
        return self.cluster.kubectl(
            "get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{port}/proxy/metrics"
        )

    def delete(self, kind: str, name: str, *flags: str) -> None:
        """Delete an object if it is there, and wait until it is gone (unless the flags say otherwise)."""
        self.run("delete", kind, name, "--ignore-not-found", *flags)


def whoami(kube: Kube) -> str:
    """The user name by which the API server knows the kubeconfig's user."""
    answer = json.loads(kube.run("auth", "whoami", "-o", "json"))
    return str(answer["status"]["userInfo"]["username"])
