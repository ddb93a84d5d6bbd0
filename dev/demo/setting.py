"""The setting of the demo on the cluster: a namespace, an artifact server, the clients, and what follows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dev.demo.follow import Followers
from dev.demo.kube import Kube
from dev.demo.models import Artifact, Models, file_name
from dev.demo.scenery import artifact_server, artifact_uri, clients, namespace

NAMESPACE = "demo"
NAME = "diabetes"
CLIENTS = Path(__file__).with_name("clients.py")
LONGEST = 1800.0
"""Seconds after which the clients stop by themselves, whatever happens to the demo."""


@dataclass(frozen=True)
class Setting:
    """Where the models are and where results go."""

    kube: Kube
    models: Models
    out: Path
    rate: float

    def artifact(self, version: str) -> Artifact:
        """The artifact of a version, on the setting's own server."""
        return self.models.artifact(version, artifact_uri(NAMESPACE, file_name(version)))

    def build(self) -> None:
        """A fresh namespace with the artifact server in it, ready to answer."""
        self.kube.cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
        self.kube.apply(namespace(NAMESPACE))
        self.kube.apply(*artifact_server(self.models.files), server_side=True)
        self.kube.run("wait", "--for=condition=Ready", "pod/artifacts", "--timeout=60s")

    def start_clients(self, followers: Followers) -> None:
        """The clients' pod; its records are followed from the first on."""
        url = f"http://{NAME}.{NAMESPACE}.svc/v2/models/{NAME}/infer"
        self.kube.apply(*clients(CLIENTS, self.models.bodies, url, self.rate, LONGEST), server_side=True)
        self.kube.run("wait", "--for=condition=Ready", "pod/clients", "--timeout=60s")
        followers.follow("clients", self.kube.command("logs", "-f", "clients"))

    def stop_clients(self) -> None:
        """End the load."""
        self.kube.delete("pod", "clients", "--wait=false")

    def follow(self, followers: Followers) -> None:
        """Follow the ModelDeployment, its Events and its pods."""
        watch = ("--watch", "--output-watch-events", "-o", "json")
        pods = ("get", "pods", "-l", f"verdigris.dev/model={NAME}", *watch)
        followers.follow("model", self.kube.command("get", "modeldeployments", *watch))
        followers.follow("events", self.kube.command("get", "events", *watch))
        followers.follow("pods", self.kube.command(*pods))
