"""Raw objects as an API server gives them, with what a test does not care about filled in."""

from __future__ import annotations

from typing import Any

from verdigris.adapters.kube.reading.port import Key
from verdigris.children.meta import owner_reference
from verdigris.children.names import API_VERSION, KIND, Owner

Json = dict[str, Any]

KEY = Key("clinic", "diabetes")
UID = "parent-uid"
OWNER_REFERENCE = owner_reference(Owner(KEY.namespace, KEY.name, UID))
SHA = "a" * 64
AT = "2026-11-23T10:00:00Z"


def parent(**spec: Any) -> Json:
    """A ModelDeployment as a user applies it."""
    model = {"version": "1.0.0", "uri": "https://models.example.com/d-1.0.0.vmodel", "sha256": SHA}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": KEY.name,
            "namespace": KEY.namespace,
            "uid": UID,
            "generation": 1,
            "creationTimestamp": AT,
        },
        "spec": {"model": model, "autoscaling": {"minReplicas": 2, "maxReplicas": 4}} | spec,
    }


def owned(kind: str, api_version: str, name: str, **rest: Any) -> Json:
    """A child of `parent()`."""
    meta = {
        "name": name,
        "namespace": KEY.namespace,
        "uid": f"{kind}-{name}",
        "resourceVersion": "1",
        "creationTimestamp": AT,
        "labels": {"verdigris.dev/model": KEY.name},
        "ownerReferences": [OWNER_REFERENCE],
    }
    meta |= rest.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": meta} | rest


def pod(name: str = "p", color: str = "blue", revision: str = "v1-0", **rest: Any) -> Json:
    """A pod of a colour; `status` as given, else running and ready."""
    status = rest.pop("status", {"conditions": [{"type": "Ready", "status": "True"}]})
    labels = {"verdigris.dev/model": KEY.name, "verdigris.dev/color": color, "verdigris.dev/revision": revision}
    replica_set = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{KEY.name}-{color}-7d4f", "uid": color}
    meta = {"labels": labels, "ownerReferences": [{**replica_set, "controller": True}]} | rest.pop("metadata", {})
    made = owned("Pod", "v1", name, metadata=meta, status=status, **rest)
    made["metadata"]["ownerReferences"] = meta["ownerReferences"]
    return made


def container(name: str = "server", **status: Any) -> Json:
    """One entry of containerStatuses."""
    return {"name": name, "restartCount": 0, "state": {}, **status}


def ended(code: int, message: str = "", reason: str = "Error") -> Json:
    """A state or lastState."""
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


def waiting(reason: str, message: str = "") -> Json:
    """A state."""
    return {"waiting": {"reason": reason, "message": message}}


def endpoint_slice(service: str, *ready: bool | None, start: int = 0) -> Json:
    """An EndpointSlice of a Service; None leaves `ready` out, which means ready."""
    endpoints = [
        {
            "addresses": [f"10.0.0.{number}"],
            "targetRef": {"uid": f"pod-{number}"},
            "conditions": {} if state is None else {"ready": state},
        }
        for number, state in enumerate(ready, start)
    ]
    labels = {
        "kubernetes.io/service-name": service,
        "verdigris.dev/model": KEY.name,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    name = f"{service}-{start}"
    return owned("EndpointSlice", "discovery.k8s.io/v1", name, metadata={"labels": labels}, endpoints=endpoints)
