"""Reads from the API server without a process for each: the scenes ask often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from kubernetes.client import ApiException, CoreV1Api
from kubernetes.config import new_client_from_config
from kubernetes.dynamic import DynamicClient

from dev.demo.kube import Kube, Kubectl

OURS = "verdigris.dev/v1alpha1"
KINDS = {
    "deployment": ("apps/v1", "Deployment"),
    "event": ("v1", "Event"),
    "hpa": ("autoscaling/v2", "HorizontalPodAutoscaler"),
    "httproute": ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    "modeldeployment": (OURS, "ModelDeployment"),
    "networkpolicy": ("networking.k8s.io/v1", "NetworkPolicy"),
    "pdb": ("policy/v1", "PodDisruptionBudget"),
    "pod": ("v1", "Pod"),
    "rolloutdecision": (OURS, "RolloutDecision"),
    "service": ("v1", "Service"),
    "serviceaccount": ("v1", "ServiceAccount"),
    "servicemonitor": ("monitoring.coreos.com/v1", "ServiceMonitor"),
    "prometheusrule": ("monitoring.coreos.com/v1", "PrometheusRule"),
}
"""What the scenes read often, by names that kubectl knows too (in the plural with an s); the rest kubectl reads."""


class Api:
    """The objects of a cluster, as its administrator sees them. May be used from several threads."""

    def __init__(self, kubeconfig: Path) -> None:
        client = new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        self._client, self._core = DynamicClient(client), CoreV1Api(client)

    def read(self, kind: str, namespace: str, **what: str) -> dict[str, Any]:
        """One object with `name`, else a list, with `label_selector` where given. Raises the client's ApiException."""
        api_version, name = KINDS[kind.removesuffix("s")]
        resource = self._client.resources.get(api_version=api_version, kind=name)
        answer = resource.get(namespace=namespace, serialize=False, **what)
        return cast(dict[str, Any], json.loads(answer.data))

    def metrics(self, namespace: str, pod: str, port: int) -> str:
        """What the pod shows to Prometheus at this port. Raises the client's ApiException."""
        ask = self._core.connect_get_namespaced_pod_proxy_with_path
        return str(ask(f"{pod}:{port}", namespace, "metrics", _preload_content=False).data, "utf-8")

    def log(self, namespace: str, pod: str) -> str:
        """What the pod has written until now. Raises the client's ApiException."""
        return str(self._core.read_namespaced_pod_log(pod, namespace, _preload_content=False).data, "utf-8")


class QuickKube(Kube):
    """One namespace of a cluster: kubectl for what is written, the API itself for what is read often."""

    def __init__(self, cluster: Kubectl, api: Api, namespace: str) -> None:
        super().__init__(cluster, namespace)
        self._api = api

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """The object, or None when there is none."""
        if kind.removesuffix("s") not in KINDS:
            return super().get(kind, name)
        try:
            return self._api.read(kind, self.namespace, name=name)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of that kind, or those with these labels."""
        if kind.removesuffix("s") not in KINDS:
            return super().list(kind, selector)
        items: list[dict[str, Any]] = self._api.read(kind, self.namespace, label_selector=selector)["items"]
        return items

    def metrics(self, pod: str, port: int) -> str:
        """What the pod shows to Prometheus at this port, now."""
        return self._api.metrics(self.namespace, pod, port)

    def log(self, pod: str) -> str:
        """What the pod has written until now."""
        return self._api.log(self.namespace, pod)
