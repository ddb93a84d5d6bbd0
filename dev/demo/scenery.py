"""PURE: the objects that the demo and the end-to-end tests put on the cluster around a ModelDeployment."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVING_IMAGE = "verdigris/serving:0.1.0"
ARTIFACT_PORT = 8000

_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass(frozen=True)
class Program:
    """A Python program run in a pod of the serving image (it holds nothing but Python that would be needed)."""

    name: str
    command: tuple[str, ...]
    files: str
    """Name of the ConfigMap that is mounted at /files."""


def namespace(name: str) -> dict[str, Any]:
    """A namespace that admits restricted pods only, as production namespaces should."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def files(name: str, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """A ConfigMap with these files."""
    data = {key: base64.b64encode(content).decode() for key, content in contents.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": data}


def pod(program: Program) -> dict[str, Any]:
    """A pod that runs the program once, at the restricted Pod Security level."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": program.name, "labels": {"app": program.name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "program",
                    "image": SERVING_IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "command": list(program.command),
                    "securityContext": _RESTRICTED,
                    "resources": {"requests": {"cpu": "100m", "memory": "24Mi"}},
                    "volumeMounts": [{"name": "files", "mountPath": "/files", "readOnly": True}],
                }
            ],
            "volumes": [{"name": "files", "configMap": {"name": program.files}}],
        },
    }


def service(name: str, port: int) -> dict[str, Any]:
    """A Service for the pod of that name."""
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def artifact_server(artifacts: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """An HTTP server for artifacts, as Service `artifacts`: GET /NAME gives the bytes."""
    command = ("python3", "-m", "http.server", str(ARTIFACT_PORT), "--directory", "/files")
    serving = pod(Program("artifacts", command, files="artifacts"))
    probe = {"tcpSocket": {"port": ARTIFACT_PORT}, "periodSeconds": 1}
    serving["spec"]["containers"][0]["readinessProbe"] = probe
    return [files("artifacts", artifacts), serving, service("artifacts", ARTIFACT_PORT)]


def artifact_uri(where: str, name: str) -> str:
    """The URI of an artifact on the server in namespace `where`."""
    return f"http://artifacts.{where}.svc/{name}"


def clients(program: Path, bodies: bytes, url: str, rate: float, seconds: float) -> list[dict[str, Any]]:
    """The clients: `dev/demo/clients.py` with these request bodies, sending to `url` at `rate` requests a second."""
    command = (
        *("python3", "-u", "/files/clients.py", "--url", url, "--requests", "/files/requests.jsonl"),
        *("--rate", f"{rate:g}", "--seconds", f"{seconds:g}"),
    )
    contents = {"clients.py": program.read_bytes(), "requests.jsonl": bodies}
    return [files("clients", contents), pod(Program("clients", command, files="clients"))]
