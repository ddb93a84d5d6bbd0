"""What Kubernetes' own controllers and a kubelet do, as far as a rollout depends on it. One pass at each tick."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.server import STAMP, Ref, Server, ref_of
from verdigris.children.names import COLOR_LABEL, MODEL_LABEL, RETRY_ANNOTATION, VERSION_ANNOTATION

Json = dict[str, Any]

ENDS_AFTER = timedelta(seconds=2)
"""A pod that was told to end still answers for so long: its preStop waits for the endpoints to forget it."""
BACK_OFF = timedelta(seconds=20)
"""How long a ReplicaSet waits after a quota has refused its pod, unless its Deployment is touched."""


@dataclass(frozen=True)
class Behaviour:
    """How the pods of one version behave. `ready_after` in seconds; None: never."""

    ready_after: float | None = 2.0
    error_rate: float = 0.0


@dataclass
class Controllers:
    """Deployments, ReplicaSets, autoscalers, EndpointSlices, the garbage collector, and the kubelet of one node."""

    server: Server
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    quota: int | None = None
    """Pods that the namespace may have; None: as many as anybody likes."""
    load: int = 1
    """Pods that the autoscalers find needed, within their bounds."""
    _serial: int = 0
    _seen: int = -1
    _refused: dict[str, tuple[datetime, Json]] = field(default_factory=dict)
    _scheduled: dict[str, datetime] = field(default_factory=dict)

    def tick(self) -> None:
        """One pass of all, in the order in which they hear of each other. Cheap while nothing happens."""
        if self.server.changes == self._seen and not self._something_is_due():
            return
        # What this pass changes is seen by the next.
        self._seen = self.server.changes
        self.server.collect_garbage()
        self._autoscalers()
        for deployment in self.server.of("Deployment"):
            self._deployment(deployment)
        for replica_set in self.server.of("ReplicaSet"):
            self._replica_set(replica_set)
        self._kubelet()
        for deployment in self.server.of("Deployment"):
            self._tell_how_it_stands(deployment)
        for service in self.server.of("Service"):
            self._endpoint_slice(service)

    def behaviour(self, pod: Mapping[str, Any]) -> Behaviour:
        """By the version in the pod's annotations."""
        version = pod["metadata"].get("annotations", {}).get(VERSION_ANNOTATION, "")
        return self.behaviours.get(version, Behaviour())

    def _something_is_due(self) -> bool:
        now = self.server.now()
        if any(now >= at + BACK_OFF for at, _ in self._refused.values()):
            return True
        return any(not is_ready(pod) or is_ending(pod) for pod in self.server.of("Pod") if is_placed(pod))

    def _autoscalers(self) -> None:
        for hpa in self.server.of("HorizontalPodAutoscaler"):
            ref = ("Deployment", hpa["metadata"]["namespace"], hpa["spec"]["scaleTargetRef"]["name"])
            size = self.server.objects.get(ref, {}).get("spec", {}).get("replicas", 0)
            if not size:
                continue
            least, most = hpa["spec"].get("minReplicas", 1), hpa["spec"]["maxReplicas"]
            # Shrinking waits for five quiet minutes, which no simulation lasts.
            wanted = max(min(size, most), min(max(self.load, least), most))
            if wanted != size:
                self.server.change(ref, lambda raw, to=wanted: raw["spec"].update(replicas=to), "hpa")  # type: ignore[misc]

    def _deployment(self, deployment: Json) -> None:
        if deployment["spec"].get("paused"):
            return
        template = deployment["spec"]["template"]
        # A real one has no hyphen in it either.
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        newest = f"{deployment['metadata']['name']}-{digest}"
        sets = [raw for raw in self.server.of("ReplicaSet") if is_owned(raw, deployment)]
        if all(raw["metadata"]["name"] != newest for raw in sets):
            self.server.put(_replica_set(deployment, newest, template))
        wanted = deployment["spec"].get("replicas", 1)
        self._resize(("ReplicaSet", deployment["metadata"]["namespace"], newest), wanted)
        surges = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] != 0
        ready = sum(is_ready(pod) for pod in self.server.of("Pod") if is_of(pod, newest))
        spare = max(0, wanted - ready) if surges else 0
        for old in sets:
            if old["metadata"]["name"] != newest:
                kept = min(old["spec"]["replicas"], spare)
                self._resize(ref_of(old), kept)
                spare -= kept

    def _resize(self, ref: Ref, replicas: int) -> None:
        if self.server.objects[ref]["spec"]["replicas"] != replicas:
            self.server.change(ref, lambda raw: raw["spec"].update(replicas=replicas), "deployments")

    def _replica_set(self, replica_set: Json) -> None:
        name, namespace = replica_set["metadata"]["name"], replica_set["metadata"]["namespace"]
        pods = [pod for pod in self.server.of("Pod") if is_of(pod, name) and not is_ending(pod)]
        missing = replica_set["spec"]["replicas"] - len(pods)
        # The youngest go first, and before them those that do not answer.
        for pod in sorted(pods, key=lambda pod: (is_ready(pod), -_number(pod)))[: max(0, -missing)]:
            self.server._remove(ref_of(pod))
        deployment = self._owner_of(replica_set)
        for _ in range(missing):
            if deployment is None or self._backs_off(name, deployment):
                return
            if (
                self.quota is not None
                and len([p for p in self.server.of("Pod") if MODEL_LABEL in labels_of(p)]) >= self.quota
            ):
                self._refused[name] = (self.server.now(), _touch(deployment))
                return
            self._refused.pop(name, None)
            self._serial += 1
            self.server.put(_pod(replica_set, f"{name}-{self._serial}", namespace))
        self._refused.pop(name, None)

    def _owner_of(self, replica_set: Json) -> Json | None:
        return next((raw for raw in self.server.of("Deployment") if is_owned(replica_set, raw)), None)

    def _backs_off(self, name: str, deployment: Json) -> bool:
        at, touched = self._refused.get(name, (None, None))
        return at is not None and self.server.now() < at + BACK_OFF and touched == _touch(deployment)

    def _kubelet(self) -> None:
        now = self.server.now()
        for pod in self.server.of("Pod"):
            if not is_placed(pod):
                continue
            ending = pod["metadata"].get("deletionTimestamp")
            if ending is not None:
                if now >= datetime.fromisoformat(ending) + ENDS_AFTER:
                    self.server.end(ref_of(pod))
                continue
            began = self._scheduled.setdefault(pod["metadata"]["uid"], now)
            after = self.behaviour(pod).ready_after
            runs = after is not None and now >= began + timedelta(seconds=after)
            if not pod.get("status") or runs != is_ready(pod):
                self.server.set_status(ref_of(pod), _pod_status(now, runs))

    def _tell_how_it_stands(self, deployment: Json) -> None:
        sets = {raw["metadata"]["name"] for raw in self.server.of("ReplicaSet") if is_owned(raw, deployment)}
        pods = [pod for pod in self.server.of("Pod") if _set_of(pod) in sets and not is_ending(pod)]
        ready = sum(map(is_ready, pods))
        refused = any(name in self._refused for name in sets)
        before = deployment.get("status") or {}
        conditions = before.get("conditions") or []
        if refused != bool(conditions):
            conditions = [_quota_condition(self.server.now(), self.quota)] if refused else []
        status = {
            "observedGeneration": deployment["metadata"].get("generation", 1),
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "conditions": conditions,
        }
        self.server.set_status(ref_of(deployment), status)

    def _endpoint_slice(self, service: Json) -> None:
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        ref = ("EndpointSlice", namespace, f"{name}-slice")
        endpoints = [
            {
                "addresses": [f"10.1.0.{_number(pod)}"],
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
                "conditions": {"ready": is_ready(pod) and not is_ending(pod)},
            }
            for pod in self.server.of("Pod")
            if selects(service, pod)
        ]
        if ref not in self.server.objects:
            self.server.put(_slice(service, ref, endpoints))
        elif self.server.objects[ref]["endpoints"] != endpoints:
            self.server.change(ref, lambda raw: raw.update(endpoints=endpoints), "endpointslices")


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
    return _set_of(pod) == replica_set


def _set_of(pod: Mapping[str, Any]) -> str:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["name"]) for owner in owners if owner["kind"] == "ReplicaSet"), "")


def _number(pod: Mapping[str, Any]) -> int:
    tail = pod["metadata"]["name"].rpartition("-")[2]
    return int(tail) if tail.isdigit() else 0


def _touch(deployment: Json) -> Json:
    """What makes a ReplicaSet that backs off try again when it changes."""
    annotations = deployment["metadata"].get("annotations") or {}
    return {"size": deployment["spec"].get("replicas"), "retries": annotations.get(RETRY_ANNOTATION)}


def _reference(kind: str, api_version: str, owner: Json) -> Json:
    meta = owner["metadata"]
    return {"apiVersion": api_version, "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True}


def _replica_set(deployment: Json, name: str, template: Json) -> Json:
    meta = {
        "name": name,
        "namespace": deployment["metadata"]["namespace"],
        "labels": dict(template["metadata"]["labels"]),
        "ownerReferences": [_reference("Deployment", "apps/v1", deployment)],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": meta,
        "spec": {"replicas": 0, "template": template},
    }


def _pod(replica_set: Json, name: str, namespace: str) -> Json:
    template = replica_set["spec"]["template"]
    meta = {
        **template["metadata"],
        "name": name,
        "namespace": namespace,
        "ownerReferences": [_reference("ReplicaSet", "apps/v1", replica_set)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {**template["spec"], "nodeName": "n1"}}


def _pod_status(now: datetime, runs: bool) -> Json:
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


def _quota_condition(now: datetime, quota: int | None) -> Json:
    message = f"pods is forbidden: exceeded quota: pods, requested: pods=1, used: pods={quota}, limited: pods={quota}"
    at = now.strftime(STAMP)
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": message,
        "lastTransitionTime": at,
    }


def _slice(service: Json, ref: Ref, endpoints: list[Json]) -> Json:
    labels = {
        **labels_of(service),
        "kubernetes.io/service-name": service["metadata"]["name"],
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    meta = {
        "name": ref[2],
        "namespace": ref[1],
        "labels": labels,
        "ownerReferences": [_reference("Service", "v1", service)],
    }
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "endpoints": endpoints}
