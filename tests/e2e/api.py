"""Reads from the API server without a process for each: the scenes ask often."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from kubernetes.client import CustomObjectsApi
from kubernetes.config import new_client_from_config

GROUP, VERSION = "verdigris.dev", "v1alpha1"


class Api:
    """The ModelDeployments of a cluster, as its administrator sees them. May be used from several threads."""

    def __init__(self, kubeconfig: Path) -> None:
        self._objects = CustomObjectsApi(new_client_from_config(str(kubeconfig)))  # type: ignore[no-untyped-call]

    def model(self, namespace: str, name: str) -> dict[str, Any]:
        """The ModelDeployment. Raises the client's ApiException when there is none."""
        found = self._objects.get_namespaced_custom_object(GROUP, VERSION, namespace, "modeldeployments", name)
        return cast(dict[str, Any], found)
