"""What Kubernetes' own controllers and a kubelet do, as far as a rollout depends on it. One pass at each tick."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.objects import (
    is_ending,
    is_of,
    is_owned,
    is_placed,
    is_ready,
    new_pod,
    new_replica_set,
    new_slice,
    number_of,
    pod_status,
    quota_condition,
    selects,
    set_of,
    touch_of,
)
from tests.simulation.server import Ref, Server, ref_of
from verdigris.children.names import VERSION_ANNOTATION

Json = dict[str, Any]

ENDS_AFTER = timedelta(seconds=2)
"""A pod that was told to end still answers for so long: its preStop waits for the endpoints to forget it."""
BACK_OFF = timedelta(seconds=20)
"""How long a ReplicaSet waits after a quota has refused its pod, unless its Deployment is touched."""


@dataclass(frozen=True)
class Behaviour:
    """How the pods of one version behave. `ready_after` in seconds; None: never.

    `error_rate` of its answers; `goes_wrong`: how every second request that is passed on to it goes wrong on the way
    (of `FAULTS`), which is an error to who reaches it without anybody in front. `disagrees`: the share of rows that it
    answers otherwise than the version before it. `lies`: by its own counters all its answers are good, and so are those
    that it says it has passed on to itself. `fails_gates`: each gate finds it wanting.
    """

    ready_after: float | None = 2.0
    error_rate: float = 0.0
    goes_wrong: str | None = None
    disagrees: float = 0.0
    lies: bool = False
    fails_gates: bool = False

    @property
    def fails_clients(self) -> float:
        """The rate of errors among the requests of those who reach such a pod themselves."""
        return self.error_rate if self.goes_wrong is None else 0.5


@dataclass
class Controllers:
    """Deployments, ReplicaSets, autoscalers, EndpointSlices, the garbage collector, and the kubelet of one node."""

    server: Server
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    quota: int | None = None
    """Pods that the namespace may have; None: as many as anybody likes."""
    load: int = 1
    """Pods that the autoscalers find needed, within their bounds."""
    slices_late: timedelta = timedelta()
    """How long the EndpointSlices take to follow."""
    _serial: int = 0
    _seen: int = -1
    _digests: list[tuple[Json, str]] = field(default_factory=list)
    _refused: dict[str, tuple[datetime, Json]] = field(default_factory=dict)
    _scheduled: dict[str, datetime] = field(default_factory=dict)
    _differ_since: dict[Ref, datetime] = field(default_factory=dict)

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
        if self._differ_since:
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
        newest = f"{deployment['metadata']['name']}-{self._digest(template)}"
        sets = [raw for raw in self.server.of("ReplicaSet") if is_owned(raw, deployment)]
        if all(raw["metadata"]["name"] != newest for raw in sets):
            self.server.put(new_replica_set(deployment, newest, template))
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

    def _digest(self, template: Json) -> str:
        """As real ones, it has no hyphen. Comparing takes less time than computing it anew at each pass."""
        for known, digest in self._digests:
            if known == template:
                return digest
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        self._digests.append((template, digest))
        return digest

    def _resize(self, ref: Ref, replicas: int) -> None:
        if self.server.objects[ref]["spec"]["replicas"] != replicas:
            self.server.change(ref, lambda raw: raw["spec"].update(replicas=replicas), "deployments")

    def _replica_set(self, replica_set: Json) -> None:
        name, namespace = replica_set["metadata"]["name"], replica_set["metadata"]["namespace"]
        pods = [pod for pod in self.server.of("Pod") if is_of(pod, name) and not is_ending(pod)]
        missing = replica_set["spec"]["replicas"] - len(pods)
        # The youngest go first, and before them those that do not answer.
        for pod in sorted(pods, key=lambda pod: (is_ready(pod), -number_of(pod)))[: max(0, -missing)]:
            self.server.remove(ref_of(pod))
        deployment = self._owner_of(replica_set)
        for _ in range(missing):
            if deployment is None or self._backs_off(name, deployment):
                return
            if self.quota is not None and sum(map(is_placed, self.server.of("Pod"))) >= self.quota:
                self._refused[name] = (self.server.now(), touch_of(deployment))
                return
            self._refused.pop(name, None)
            self._serial += 1
            self.server.put(new_pod(replica_set, f"{name}-{self._serial}", namespace))
        self._refused.pop(name, None)

    def _owner_of(self, replica_set: Json) -> Json | None:
        return next((raw for raw in self.server.of("Deployment") if is_owned(replica_set, raw)), None)

    def _backs_off(self, name: str, deployment: Json) -> bool:
        at, touched = self._refused.get(name, (None, None))
        return at is not None and self.server.now() < at + BACK_OFF and touched == touch_of(deployment)

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
                self.server.set_status(ref_of(pod), pod_status(now, runs))

    def _tell_how_it_stands(self, deployment: Json) -> None:
        sets = {raw["metadata"]["name"] for raw in self.server.of("ReplicaSet") if is_owned(raw, deployment)}
        pods = [pod for pod in self.server.of("Pod") if set_of(pod) in sets and not is_ending(pod)]
        ready = sum(map(is_ready, pods))
        refused = any(name in self._refused for name in sets)
        before = deployment.get("status") or {}
        conditions = before.get("conditions") or []
        if refused != bool(conditions):
            conditions = [quota_condition(self.server.now(), self.quota)] if refused else []
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
                "addresses": [f"10.1.0.{number_of(pod)}"],
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
                "conditions": {"ready": is_ready(pod) and not is_ending(pod)},
            }
            for pod in self.server.of("Pod")
            if selects(service, pod)
        ]
        if ref not in self.server.objects:
            self.server.put(new_slice(service, ref, endpoints))
        elif self.server.objects[ref]["endpoints"] == endpoints:
            self._differ_since.pop(ref, None)
        elif self.server.now() >= self._differ_since.setdefault(ref, self.server.now()) + self.slices_late:
            del self._differ_since[ref]
            self.server.change(ref, lambda raw: raw.update(endpoints=endpoints), "endpointslices")
