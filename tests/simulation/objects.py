"""The objects that controllers make, and what there is to see of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.simulation.server import STAMP, Ref
from verdigris.children.names import COLOR_LABEL, RETRY_ANNOTATION

Json = dict[str, Any]


def labels_of(raw: Mapping[str, Any]) -> Mapping[str, str]:
    """Its labels; empty when there are none."""
    found: Mapping[str, str] = raw["metadata"].get("labels") or {}
    return found


def selects(service: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether the Service has this pod behind it, ready or not. One without a selector has none."""
    selector = service["spec"].get("selector") or {}
    same_place = service["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return bool(selector) and same_place and selector.items() <= labels_of(pod).items()


def is_ready(pod: Mapping[str, Any]) -> bool:
    """As its kubelet says."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", ()))


def is_ending(pod: Mapping[str, Any]) -> bool:
    """Whether it was told to end."""
    return "deletionTimestamp" in pod["metadata"]


def is_placed(pod: Mapping[str, Any]) -> bool:
    """Whether it is on the simulated node: foreign pods are on none, and stay as they are."""
    return bool(pod["spec"].get("nodeName"))


def color_of(pod: Mapping[str, Any]) -> str:
    """`blue` or `green`."""
    return labels_of(pod)[COLOR_LABEL]


def is_owned(raw: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """Whether the owner's UID is among its owner references."""
    return any(ref["uid"] == owner["metadata"]["uid"] for ref in raw["metadata"].get("ownerReferences") or ())


def is_of(pod: Mapping[str, Any], replica_set: str) -> bool:
    """Whether this ReplicaSet made it."""
    return set_of(pod) == replica_set


def set_of(pod: Mapping[str, Any]) -> str:
    """Name of the ReplicaSet that made it; empty: none did."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["name"]) for owner in owners if owner["kind"] == "ReplicaSet"), "")


def number_of(pod: Mapping[str, Any]) -> int:
    """The number at the end of its name: the youngest has the highest."""
    tail = pod["metadata"]["name"].rpartition("-")[2]
    return int(tail) if tail.isdigit() else 0


def touch_of(deployment: Json) -> Json:
    """What makes a ReplicaSet that backs off try again when it changes."""
    annotations = deployment["metadata"].get("annotations") or {}
    return {"size": deployment["spec"].get("replicas"), "retries": annotations.get(RETRY_ANNOTATION)}


def reference(kind: str, api_version: str, owner: Json) -> Json:
    """The owner reference of what this one controls."""
    meta = owner["metadata"]
    return {"apiVersion": api_version, "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True}


def new_replica_set(deployment: Json, name: str, template: Json) -> Json:
    """A ReplicaSet of this Deployment, without pods yet."""
    meta = {
        "name": name,
        "namespace": deployment["metadata"]["namespace"],
        "labels": dict(template["metadata"]["labels"]),
        "ownerReferences": [reference("Deployment", "apps/v1", deployment)],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": meta,
        "spec": {"replicas": 0, "template": template},
    }


def new_pod(replica_set: Json, name: str, namespace: str) -> Json:
    """A pod of this ReplicaSet, on the one node."""
    template = replica_set["spec"]["template"]
    meta = {
        **template["metadata"],
        "name": name,
        "namespace": namespace,
        "ownerReferences": [reference("ReplicaSet", "apps/v1", replica_set)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**template["spec"], "nodeName": "n1"}}


def pod_status(now: datetime, runs: bool) -> Json:
    """What the kubelet says of a pod that runs and is ready, or else still fetches its model."""
    at = now.strftime(STAMP)
    server = {"running": {"startedAt": at}} if runs else {"waiting": {"reason": "PodInitializing"}}
    fetch: Json = {"terminated": {"exitCode": 0, "reason": "Completed"}} if runs else {"running": {"startedAt": at}}
    return {
        "phase": "Running" if runs else "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": str(runs), "lastTransitionTime": at},
        ],
        "initContainerStatuses": [{"name": "fetch", "restartCount": 0, "ready": runs, "state": fetch}],
        "containerStatuses": [{"name": "server", "restartCount": 0, "ready": runs, "state": server}],
    }


def quota_condition(now: datetime, quota: int | None) -> Json:
    """What a Deployment says whose pods a quota refuses."""
    message = f"pods is forbidden: exceeded quota: pods, requested: pods=1, used: pods={quota}, limited: pods={quota}"
    at = now.strftime(STAMP)
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": message,
        "lastTransitionTime": at,
    }


def new_slice(service: Json, ref: Ref, endpoints: list[Json]) -> Json:
    """The one EndpointSlice of a Service."""
    labels = {
        **labels_of(service),
        "kubernetes.io/service-name": service["metadata"]["name"],
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    meta = {
        "name": ref[2],
        "namespace": ref[1],
        "labels": labels,
        "ownerReferences": [reference("Service", "v1", service)],
    }
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "endpoints": endpoints}
