"""A plain Deployment beside Verdigris: the same pods, the same fault, and what Kubernetes alone makes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from dev.cluster.patience import hold_out
from dev.demo.kube import Kube, Kubectl, Object
from dev.demo.scenery import SERVING_IMAGE, namespace
from dev.faults import Fault
from tests.e2e.matrix import SPEC
from tests.e2e.scene import is_ready, merged, quick
from tests.e2e.stock import Stock
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.children import pod_template
from verdigris.children.meta import labels
from verdigris.children.names import COLOR_LABEL, MODEL_LABEL, Defaults, Owner

NAME = "plain"
PICKED = {MODEL_LABEL: NAME}


@dataclass
class Plain:
    """Context manager: a namespace with a plain Deployment of the old version in it; removed afterwards."""

    cluster: Kubectl
    stock: Stock
    namespace: str

    def __post_init__(self) -> None:
        self.kube = Kube(self.cluster, self.namespace)

    def __enter__(self) -> Plain:
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found")
        self.kube.apply(namespace(self.namespace))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")

    def active_pod(self) -> str:
        """The name of one of the pods, the first by name."""
        return min(str(pod["metadata"]["name"]) for pod in self._pods())

    def suffer(self, fault: Fault, seconds: float) -> bool:
        """Give it the fault; whether it is still stuck after so many seconds."""
        old = quick(self.stock.artifact("1.0.0"), **merged(SPEC, fault.active))["spec"]
        self.kube.apply(*objects(old, self.namespace))
        self.kube.run("rollout", "status", f"deployment/{NAME}", "--timeout=120s")
        try:
            struck = self._begin(fault)
            # What counts is how it stands when Verdigris is done: this is the measured time, not a wait for anything.
            time.sleep(seconds)
            return self._is_stuck(struck)
        finally:
            fault.relieve(self)

    def _begin(self, fault: Fault) -> str | None:
        if fault.strike:
            return fault.strike(self)
        fault.prepare(self)
        new = quick(fault.artifact(self.stock), **merged(SPEC, fault.spec))["spec"]
        self.kube.apply(*objects(new, self.namespace))
        if fault.worsen:
            fault.worsen(self, self._newest())
        return None

    def _newest(self) -> str:
        if found := hold_out(self._new_pods, 30, every=0.5):
            return str(found[-1]["metadata"]["name"])
        raise TimeoutError(f"the plain Deployment in {self.namespace} made no pod of the new version in time")

    def _new_pods(self) -> list[dict[str, Any]]:
        """All pods, the newest last, once there is one more than before; none until then."""
        pods = sorted(self._pods(), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        return pods if len(pods) > int(SPEC["autoscaling"]["minReplicas"]) else []

    def _is_stuck(self, struck: str | None) -> bool:
        """Whether a rollout is open, a pod is missing, or what was struck is still there."""
        deployment = self.kube.get("deployment", NAME) or {}
        leftover = struck is not None and any(pod["metadata"]["name"] == struck for pod in self._pods())
        return leftover or not is_complete(deployment) or not all(is_ready(pod) for pod in self._pods())

    def _pods(self) -> list[dict[str, Any]]:
        return self.kube.list("pods", f"{MODEL_LABEL}={NAME}")


def is_complete(deployment: Object) -> bool:
    """Whether all its pods are of the newest template and available, and no others are left (as `kubectl rollout`)."""
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    return seen and counts == {wanted}


def objects(spec: Mapping[str, Any], namespace: str) -> list[dict[str, Any]]:
    """What a team without Verdigris would apply for this spec: a Deployment with the defaults, and its Service."""
    serving = dict(spec.get("serving", {}))
    # Only Verdigris' own schema looks at the image's name before it is too late.
    image = serving.pop("image", SERVING_IMAGE)
    parsed = ModelDeploymentSpec.parse({**spec, "serving": serving})
    owner = Owner(namespace, NAME, "")
    template = pod_template.build(owner, parsed, "0", Defaults(image))
    # The spread of the pods asks for a colour; there is but one.
    template["metadata"]["labels"] = {**labels(owner), COLOR_LABEL: "blue"}
    template["spec"].pop("serviceAccountName")
    deployment = {
        "replicas": parsed.autoscaling.min_replicas,
        "selector": {"matchLabels": PICKED},
        "template": template,
    }
    service = {"selector": PICKED, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    meta = {"name": NAME}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
    ]
