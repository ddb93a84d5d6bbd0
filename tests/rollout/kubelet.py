"""Pods as an API server tells of them, and the surroundings in which a check looks at one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from verdigris.adapters.kube.reading.views import pod_view
from verdigris.api.spec import CleanupSpec
from verdigris.core.facts.observed import PodEvent, PodView
from verdigris.core.facts.survey import NodeView
from verdigris.core.pods.diagnosis.chain import diagnose
from verdigris.core.pods.diagnosis.check import Around, Diagnosis

Json = dict[str, Any]

BORN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
NOW = BORN + timedelta(minutes=1)
IMAGE = "registry.example.com/verdigris/serving:1.2.0"
REVISION = "v1-0123456789"
NODES = {name: NodeView(name) for name in ("worker-1", "worker-2")}
POLICY = CleanupSpec()


def at(seconds: float) -> str:
    """So many seconds after the pod was born, as the API writes it."""
    return (BORN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def raw_pod(name: str = "diabetes-green-7c9d8b6f5-x2x9p", **fields: Any) -> Json:
    """A pod of the green colour on worker-1, whose two containers are being created; `status`, `metadata` replace."""
    limits = {"resources": {"limits": {"memory": "256Mi"}}}
    metadata = {
        "name": name,
        "namespace": "clinic",
        "uid": f"uid-{name}",
        "creationTimestamp": at(0),
        "labels": {
            "verdigris.dev/model": "diabetes",
            "verdigris.dev/color": "green",
            "verdigris.dev/revision": REVISION,
            "pod-template-hash": "7c9d8b6f5",
        },
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "diabetes-green-7c9d8b6f5",
                "uid": "rs",
                "controller": True,
            }
        ],
    }
    spec = {
        "nodeName": "worker-1",
        "initContainers": [{"name": "fetch", "image": IMAGE, **limits}],
        "containers": [{"name": "server", "image": IMAGE, **limits}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | fields.pop("metadata", {}),
        "spec": spec | fields.pop("spec", {}),
        "status": fields.pop("status", status()),
    }


def status(fetch: Json | None = None, server: Json | None = None, *, ready: bool = False, **fields: Any) -> Json:
    """A pod's status from those of its two containers."""
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(0)},
        {"type": "Initialized", "status": str(fetch == FETCHED), "lastTransitionTime": at(0)},
        {"type": "Ready", "status": str(ready), "lastTransitionTime": at(0)},
    ]
    return {
        "phase": "Running" if server and "running" in server["state"] else "Pending",
        "conditions": conditions,
        "initContainerStatuses": [{"name": "fetch", "image": IMAGE, **(fetch or waiting("PodInitializing"))}],
        "containerStatuses": [{"name": "server", "image": IMAGE, **(server or waiting("PodInitializing"))}],
    } | fields


def unscheduled(message: str, reason: str = "Unschedulable") -> Json:
    """The status of a pod that no node takes."""
    placed = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return {"phase": "Pending", "conditions": [{**placed, "lastTransitionTime": at(0)}]}


def waiting(reason: str, message: str = "", last: Json | None = None, restarts: int = 0) -> Json:
    """A container that waits, and how it ended before."""
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    return {"state": state, "lastState": last or {}, "restartCount": restarts, "ready": False}


def running(since: float = 5, last: Json | None = None, restarts: int = 0) -> Json:
    """A container that runs, and how it ended before."""
    return {"state": {"running": {"startedAt": at(since)}}, "lastState": last or {}, "restartCount": restarts}


def ended(code: int, message: str = "", reason: str = "Error", when: float = 3) -> Json:
    """How a container ended."""
    said = {"message": message} if message else {}
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": at(when), "finishedAt": at(when), **said}}


def now_ended(code: int, message: str = "", reason: str = "Error", restarts: int = 0) -> Json:
    """A container that has ended and is not started again yet."""
    return {"state": ended(code, message, reason), "lastState": {}, "restartCount": restarts}


FETCHED = {
    "state": ended(0, '{"reason": "Verified", "message": "ok"}', "Completed"),
    "lastState": {},
    "restartCount": 0,
}


def view(raw: Json) -> PodView:
    """As the operator sees it."""
    found = pod_view(raw)
    assert found is not None
    return found


def event(reason: str, message: str, count: int = 3, when: float = 30) -> PodEvent:
    """An Event about the pod."""
    return PodEvent(reason, message, count, BORN + timedelta(seconds=when))


def around(**known: Any) -> Around:
    """A minute after the pod was born, with two well nodes, as a candidate."""
    return Around(**{"now": NOW, "role": "candidate", "policy": POLICY, "nodes": NODES, "deployed": True, **known})


def look(raw: Json, **known: Any) -> Diagnosis:
    """The diagnosis of a pod that has one."""
    found = diagnose(view(raw), around(**known))
    assert found is not None
    assert len(found.message) <= 900
    return found


READY_SIBLING = view(raw_pod("sibling", status=status(FETCHED, running(), ready=True)))


def injected(container: Json, name: str = "log-shipper", **spec: Any) -> Json:
    """A pod whose own server is ready and that a webhook has given one more container, which is as told."""
    told = status(FETCHED, running())
    told["containerStatuses"] += [{"name": name, "image": "vendor/agent:1", **container}]
    own = raw_pod()["spec"]
    return raw_pod(
        status=told, spec={"containers": [*own["containers"], {"name": name, "image": "vendor/agent:1", **spec}]}
    )
