"""The operator on the cluster, as a user installs it: `helm install` of the chart, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from dev.cluster.images import PROJECT_IMAGES, inputs_hash
from dev.demo.kube import Kubectl

CHART = Path(__file__).resolve().parents[2] / "charts" / "verdigris"
NAMESPACE, RELEASE = "verdigris-system", "verdigris"


class Cluster(Kubectl, Protocol):
    """What is needed of `dev.cluster`'s Cluster."""

    def helm(self, *args: str) -> str:
        """Run helm and return its stdout; raises with what helm said."""


def install_operator(cluster: Cluster, *values: str) -> None:
    """Install the chart, or upgrade what is there; waits until both replicas are ready.

    `values` are `key=value` pairs for --set. An annotation names the source of the image: while one works on the
    operator its image changes under the same tag, and Kubernetes would not notice.
    """
    sets = [word for value in values for word in ("--set", value)]
    source = rf"podAnnotations.verdigris\.dev/source={inputs_hash(PROJECT_IMAGES[0])}"
    cluster.helm(
        *("upgrade", "--install", RELEASE, str(CHART), "-n", NAMESPACE, "--create-namespace"),
        # Tests of the API may have put the CRDs there by themselves.
        *("--take-ownership", "--wait", "--timeout", "120s", "--set-string", source, *sets),
    )


def operator_pods(cluster: Kubectl) -> list[str]:
    """Names of the operator's pods."""
    listed = json.loads(
        cluster.kubectl("-n", NAMESPACE, "get", "pods", "-l", f"app.kubernetes.io/instance={RELEASE}", "-o", "json")
    )
    return [pod["metadata"]["name"] for pod in listed["items"]]
