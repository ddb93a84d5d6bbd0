"""What runs in the cluster from the start: DNS, metrics-server, the Prometheus Operator and one Prometheus.

The images hold nothing but our own build of a program; the manifests are the files of `manifests/`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dev.cluster.archive import forget_older, write_image
from dev.cluster.settings import HERE, Settings
from dev.cluster.shell import ClusterError, step, wait_for
from dev.cluster.toolchain import ALL_TOOLS, Toolchain

MANIFESTS = HERE / "manifests"
DNS = "coredns"
METRICS = "metrics-server"
MONITORING = ("prometheus", "prometheus-operator", "prometheus-config-reloader")

# Of the operator's ten CRDs those that this cluster uses; without the others it only logs that they are not there.
_CRDS = ("prometheuses", "servicemonitors", "podmonitors", "probes", "prometheusrules")
_CRD_FOLDER = "example/prometheus-operator-crd"

# Everything that has a condition Available. kind's DNS has the same name as ours.
_WORKLOADS = (
    ("kube-system", "deployment/coredns"),
    ("kube-system", "deployment/metrics-server"),
    ("kube-system", "apiservice/v1beta1.metrics.k8s.io"),
    ("monitoring", "deployment/prometheus-operator"),
    ("monitoring", "prometheus/main"),
)

Kubectl = Callable[..., str]


def image_name(tool: str) -> str:
    """The name under which manifests know the image of one of our programs."""
    return f"docker.io/verdigris/{tool}:dev"


def image_archive(settings: Settings, toolchain: Toolchain, tool: str) -> Path:
    """The archive of a tool's image, written when the tool has changed."""
    program = toolchain.path(tool)
    archive = settings.image_archives / f"{tool}-{program.parent.name}.tar"
    if not archive.exists():
        path = f"/bin/{tool}"
        write_image(archive, name=image_name(tool), files={path: program}, entrypoint=[path])
        forget_older(archive, f"{tool}-{ALL_TOOLS[tool].module}-*.tar")
    return archive


def crd_folder(toolchain: Toolchain) -> Path:
    """The CRDs of the Prometheus Operator, from the source of its module."""
    toolchain.path("prometheus-operator")
    return toolchain.module_file("prometheus-operator", _CRD_FOLDER)


def install_dns(kubectl: Kubectl) -> None:
    """Apply the DNS (kind brings its own)."""
    kubectl("apply", "--server-side", "-f", MANIFESTS / "coredns.yaml")


def install_metrics(kubectl: Kubectl) -> None:
    """Apply metrics-server. Early, since it answers no sooner than 10 s after its start."""
    kubectl("apply", "--server-side", "-f", MANIFESTS / "metrics-server.yaml")


def install_monitoring(kubectl: Kubectl, toolchain: Toolchain) -> None:
    """Apply the Prometheus Operator with its CRDs, and the Prometheus that it shall run."""
    folder = crd_folder(toolchain)
    crds = [folder / f"monitoring.coreos.com_{name}.yaml" for name in _CRDS]
    kubectl("apply", "--server-side", *_files(crds))

    def served() -> bool:
        try:
            kubectl("get", "--all-namespaces", ",".join(_CRDS))
        except ClusterError:
            return False
        return True

    wait_for("the CRDs of the Prometheus Operator to be served", served, timeout=60, interval=0.3)
    manifests = (MANIFESTS / f"{name}.yaml" for name in ("prometheus-operator", "prometheus"))
    kubectl("apply", "--server-side", *_files(manifests))


def wait_until_ready(kubectl: Kubectl, *, timeout: float = 180) -> None:
    """Wait until all addons are available at the same time. Raises ClusterError that names the pods and their state."""
    addons = "DNS, metrics-server and Prometheus"

    def available() -> bool:
        return all(ok for _, ok in status(kubectl))

    with step(f"Waiting for {addons}"):
        try:
            wait_for(f"{addons} to be available", available, timeout=timeout, interval=0.3)
        except ClusterError as error:
            raise ClusterError(f"{error}\nThe pods are:\n{_pods(kubectl)}") from error


def status(kubectl: Kubectl) -> list[tuple[str, bool]]:
    """Each addon, and whether it is available."""
    return [
        (f"{workload} in {namespace}", _available(kubectl, namespace, workload)) for namespace, workload in _WORKLOADS
    ]


def wait_for_node(kubectl: Kubectl, *, timeout: float = 90) -> None:
    """Wait until a node takes pods."""

    def ready() -> bool:
        nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
        return any(_has_condition(node, "Ready") for node in nodes)

    hint = "See logs/kubelet.log in the state directory."
    wait_for("the node to be Ready", ready, timeout=timeout, hint=hint, interval=0.3)


def _files(paths: Iterable[Path]) -> list[str]:
    return [word for path in paths for word in ("-f", str(path))]


def _available(kubectl: Kubectl, namespace: str, workload: str) -> bool:
    # Neither `kubectl wait` nor jsonpath: both fail on an object whose status has no conditions yet.
    text = kubectl("get", "-n", namespace, workload, "--ignore-not-found", "-o", "json")
    return bool(text) and _has_condition(json.loads(text), "Available")


def _has_condition(item: dict[str, Any], name: str) -> bool:
    conditions = item.get("status", {}).get("conditions") or []
    return any(condition["type"] == name and condition["status"] == "True" for condition in conditions)


def _pods(kubectl: Kubectl) -> str:
    fields = "NS:.metadata.namespace,POD:.metadata.name,PHASE:.status.phase"
    reasons = "WHY:.status.containerStatuses[*].state.waiting.message"
    return kubectl("get", "pods", "-A", "-o", f"custom-columns={fields},{reasons}")
