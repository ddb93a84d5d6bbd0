"""Faults of the active version's pods. Its clients must not notice, and the pod must be replaced where that helps."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from dev.faults.candidates import ROOM, hold, let_go
from dev.faults.image import FAULTY
from dev.faults.scenario import Fault, Scene, Spec

FAULTY_ACTIVE: Spec = {"serving": {"image": FAULTY, "resources": {**ROOM, "limits": {"memory": "64Mi"}}}}
"""Active pods that can be told to have a fault. They answer whatever their fault is, so no request need be lost."""

ORPHAN, TURNED_AWAY = "orphan", "turned-away"


def _told(fault: str) -> Any:
    """Tell a pod that it has a fault from now on."""

    def strike(scene: Scene) -> str:
        pod = scene.active_pod()
        _tell(scene, pod, fault)
        return pod

    return strike


def _tell(scene: Scene, pod: str, fault: str) -> None:
    program = f"open('/tmp/fault', 'w').write({fault!r})"
    scene.kube.run("exec", pod, "-c", "server", "--", "python3", "-c", program)


def _held(scene: Scene) -> str:
    pod = scene.active_pod()
    hold(scene, pod)
    scene.kube.delete("pod", pod, "--wait=false", "--grace-period=15")
    return pod


def _stubborn(scene: Scene) -> str:
    pod = _told("stubborn")(scene)
    scene.kube.delete("pod", pod, "--wait=false")
    return str(pod)


def _out_of_time(scene: Scene) -> str:
    """The kubelet itself fails the pod."""
    pod = scene.active_pod()
    scene.kube.run("patch", "pod", pod, "--type=merge", "-p", '{"spec":{"activeDeadlineSeconds":1}}')
    return pod


def _turned_away(scene: Scene) -> str:
    """A pod of the active version, put on a node past the scheduler, that the kubelet there cannot take."""
    like = scene.kube.get("pod", scene.active_pod()) or {}
    pod = _copy(like, TURNED_AWAY, like["metadata"]["labels"])
    pod["spec"]["nodeName"] = like["spec"]["nodeName"]
    pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "1k"
    scene.kube.create(pod)
    return TURNED_AWAY


def _orphan(scene: Scene) -> str:
    """A pod of the other colour, which has no Deployment, left over from a revision of old."""
    like = scene.kube.get("pod", scene.active_pod()) or {}
    labels = {**like["metadata"]["labels"], "verdigris.dev/color": "green", "verdigris.dev/revision": "0000000000"}
    scene.kube.create(_copy(like, ORPHAN, labels))
    return ORPHAN


def _copy(like: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """A pod like that one, which belongs to no ReplicaSet and has no node yet."""
    # The API server has filled in what it refuses to be given.
    left_out = ("nodeName", "topologySpreadConstraints")
    spec = {field: value for field, value in copy.deepcopy(like["spec"]).items() if field not in left_out}
    kept = {label: value for label, value in labels.items() if label != "pod-template-hash"}
    annotations = {"verdigris.dev/version": "0.9.0"}
    meta = {"name": name, "labels": kept, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


ACTIVES = (
    Fault(
        "finalizer on an active pod",
        *("Terminating", "Reported", ".*", r"verdigris\.dev/held"),
        strike=_held,
        relieve=let_go,
        within=90,
    ),
    Fault(
        "active pod that ignores SIGTERM",
        *("Terminating", "Healed", ".*", ""),
        active=FAULTY_ACTIVE,
        strike=_stubborn,
        within=90,
    ),
    Fault(
        "active pod that is not ready any more",
        *("NeverReady", "Replaced", ".*", "(?i)503|probe|health/ready"),
        active=FAULTY_ACTIVE,
        strike=_told("unready"),
        within=90,
    ),
    Fault(
        "active pod that is ready by turns",
        *("Flapping", "Replaced", ".*", "(?i)ready"),
        active=FAULTY_ACTIVE,
        strike=_told("flaps"),
        within=120,
    ),
    Fault("pod that ran out of its time", *("Leftover", "Replaced", ".*", "DeadlineExceeded"), strike=_out_of_time),
    Fault("pod that its node turned away", *("Leftover", "Replaced", ".*", "(?i)OutOfcpu"), strike=_turned_away),
    Fault(
        "pod of a colour without a Deployment",
        *("Orphan", "Replaced", ".*", "(?i)green|colour|deployment"),
        strike=_orphan,
    ),
)
