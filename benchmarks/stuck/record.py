"""Keeps what the API server told while a fault was there, for the tests that need no cluster (tests/recorded)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dev.cluster.shell import ClusterError
from dev.faults import Fault
from tests.e2e.scene import NAME, Scene

FOLDER = Path("tests/recorded/faults")
EVERY = 0.5
"""Seconds between two looks."""
KINDS = "modeldeployments,deployments,pods,events,resourcequotas,limitranges"
_META = {"name": ..., "uid": ..., "labels": ..., "creationTimestamp": ...}
_CONTAINER = {"name": ..., "image": ..., "resources": ...}
_TOLD = {"name": ..., "image": ..., "ready": ..., "started": ..., "restartCount": ..., "state": ..., "lastState": ...}
KEPT: Mapping[str, Any] = {
    "pods": {
        "metadata": {
            **_META,
            **dict.fromkeys(("annotations", "deletionTimestamp", "finalizers"), ...),
            "ownerReferences": {"kind": ..., "name": ..., "controller": ...},
        },
        "spec": {"nodeName": ..., "containers": _CONTAINER, "initContainers": _CONTAINER},
        "status": {
            **dict.fromkeys(("phase", "reason", "message"), ...),
            "conditions": dict.fromkeys(("type", "status", "reason", "message", "lastTransitionTime"), ...),
            "initContainerStatuses": _TOLD,
            "containerStatuses": _TOLD,
        },
    },
    "deployments": {
        "metadata": _META,
        "spec": {"replicas": ..., "template": {"metadata": {"labels": ...}}},
        "status": {"conditions": ..., "replicas": ..., "readyReplicas": ...},
    },
    "events": {
        "involvedObject": {"uid": ...},
        "metadata": {"creationTimestamp": ...},
        **dict.fromkeys(("reason", "message", "count", "series", "lastTimestamp", "eventTime"), ...),
    },
    "quotas": {"metadata": _META, "spec": ..., "status": ...},
    "limitRanges": {"metadata": _META, "spec": ...},
}
"""What is kept of each object, field by field; `...` is all of it. Nothing that tells of this machine."""
PLACES = ((re.compile(r"/\S*?/kubelet/"), "/var/lib/kubelet/"), (re.compile(r"\b10\.\d+\.\d+\.\d+"), "10.0.0.1"))
"""What a message may name of this machine, and what stands there instead."""


@dataclass(frozen=True)
class Look:
    """All that was there at one time, by kind."""

    at: datetime
    by_kind: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def status(self) -> Mapping[str, Any]:
        """The ModelDeployment's; empty when there is none."""
        return next((model.get("status") or {} for model in self.by_kind.get("ModelDeployment", ())), {})

    @property
    def pods(self) -> Sequence[Mapping[str, Any]]:
        """The model's pods."""
        pods = self.by_kind.get("Pod", ())
        return [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("verdigris.dev/model") == NAME]


@dataclass
class Watch:
    """Looks at a scene again and again while a fault is played out in it."""

    scene: Scene
    looks: list[Look] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """For the length of the block."""
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(EVERY):
            try:
                items = json.loads(self.scene.kube.run("get", KINDS, "-o", "json"))["items"]
            except ClusterError:
                # The namespace is not there yet, or not any more.
                continue
            by_kind: dict[str, list[Mapping[str, Any]]] = {}
            for item in items:
                by_kind.setdefault(item["kind"], []).append(item)
            self.looks.append(Look(datetime.now(UTC), by_kind))


def recording(fault: Fault, looks: Sequence[Look]) -> dict[str, Any] | None:
    """What is kept of these looks: the last one in which the fault was there, and when it was over; None: no such look.

    The model's status is not kept but for whose pods are whose: what is recorded is what Kubernetes says.
    """
    there = _struck(looks) if fault.strike or fault.worsen else _candidate_there
    found = [number for number, look in enumerate(looks) if there(look)]
    if not found:
        return None
    look = looks[found[-1]]
    over = looks[min(found[-1] + 1, len(looks) - 1)]
    (model,) = look.by_kind["ModelDeployment"]
    uids = {pod["metadata"]["uid"] for pod in look.pods}
    events = [event for event in look.by_kind.get("Event", ()) if event["involvedObject"].get("uid") in uids]
    kept = {
        "fault": fault.name,
        "now": over.at.isoformat(timespec="seconds"),
        "spec": {key: value for key, value in model["spec"].items() if key in ("model", "cleanup")},
        "active": _ref(look.status.get("active"), "version", "since"),
        "rollout": _ref(look.status.get("rollout"), "version", "startedAt", "deadline"),
        "unsteady": look.status.get("unsteady", []),
        "pods": look.pods,
        "deployments": look.by_kind.get("Deployment", ()),
        "events": events,
        "quotas": look.by_kind.get("ResourceQuota", ()),
        "limitRanges": look.by_kind.get("LimitRange", ()),
    }
    return {key: _trimmed(value, KEPT.get(key, ...)) for key, value in kept.items()}


def write(folder: Path, kept: Mapping[str, Any]) -> None:
    """As a file that is named for the fault."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", kept["fault"].lower()).strip("-")
    parts = [f"{json.dumps(key)}: {_laid_out(value)}" for key, value in kept.items()]
    (folder / f"{name}.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")


def _laid_out(value: Any) -> str:
    """As JSON, each object of a list on a line of its own."""
    if not isinstance(value, list) or not value:
        return json.dumps(value, ensure_ascii=False)
    return "[\n" + ",\n".join(f"  {json.dumps(item, ensure_ascii=False)}" for item in value) + "\n]"


def _candidate_there(look: Look) -> bool:
    rollout = look.status.get("rollout") or {}
    # Once it is being taken back its time is no matter any more, and is not told.
    if not rollout or "failure" in rollout or not look.status.get("active"):
        return False
    pods = [pod for pod in look.pods if pod["metadata"]["labels"].get("verdigris.dev/color") == rollout["color"]]
    going = any("deletionTimestamp" in pod["metadata"] for pod in pods)
    return not going and (bool(pods) or _refused(look, rollout["color"]))


def _refused(look: Look, color: str) -> bool:
    """Whether the colour's Deployment says that its pods are not let in."""
    return any(
        condition["type"] == "ReplicaFailure" and condition["status"] == "True"
        for deployment in look.by_kind.get("Deployment", ())
        if deployment["metadata"]["name"] == f"{NAME}-{color}"
        for condition in (deployment.get("status") or {}).get("conditions", ())
    )


def _struck(looks: Sequence[Look]) -> Callable[[Look], bool]:
    """Whether the pod that was struck is there: the one that was removed or told of; else the one that is leaving."""
    told = [entry["pod"] for look in looks for key in ("removed", "stuck") for entry in look.status.get(key, ())]
    gone = {entry["pod"] for look in looks for entry in look.status.get("removed", ())}

    def there(look: Look) -> bool:
        names = {pod["metadata"]["name"]: "deletionTimestamp" in pod["metadata"] for pod in look.pods}
        if told:
            # Once the operator has removed it, it is its own doing that is seen.
            return told[-1] in names and not (told[-1] in gone and names[told[-1]])
        return any(names.values())

    return there


def _ref(status: Mapping[str, Any] | None, *more: str) -> dict[str, Any] | None:
    return {key: status[key] for key in ("color", "revision", *more) if key in status} if status else None


def _trimmed(value: Any, kept: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_trimmed(inner, kept) for inner in value]
    if isinstance(value, Mapping):
        inside = dict.fromkeys(value, ...) if kept is ... else kept
        # Null says no more than absence.
        return {
            k: _trimmed(v, inside[k]) for k, v in value.items() if k in inside and v is not None and k != "containerID"
        }
    if isinstance(value, str):
        for pattern, instead in PLACES:
            value = pattern.sub(instead, value)
    return value
