"""A fault played out in a scene: clients send to the active version, the fault strikes, and the verdict is awaited."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dev.cluster.shell import ClusterError
from dev.demo.records import Request
from dev.faults import Fault
from tests.e2e.scene import Scene, Status, active, merged, wait_for

REPLICAS = 2
RATE = 20.0
"""Requests a second of the clients of one scene."""
SPEC: Mapping[str, Any] = {"autoscaling": {"minReplicas": REPLICAS, "maxReplicas": REPLICAS}}
GIVEN_UP: Mapping[str, Any] = {"cleanup": {"giveUpAfter": "5s", "crashes": 2}}
"""For a new version. Its pods keep their usual time to start: on a busy machine they need it."""
IMPATIENT: Mapping[str, Any] = {
    "giveUpAfter": "5s",
    "stuckAfter": "10s",
    "flaps": 2,
    "backoff": "1s",
    # All scenes share one node.
    "nodeBudget": 100,
}
"""spec.cleanup for active pods that have started."""


@dataclass(frozen=True)
class Seen:
    """What the operator said of the fault, and when (seconds from the fault)."""

    seconds: float
    reason: str
    message: str


@dataclass(frozen=True)
class Verdict(Seen):
    """The same, with what the clients saw meanwhile, and what is wrong with it, if anything is."""

    requests: int
    failed: tuple[Request, ...]
    wrong: AssertionError | None = None


def play(scene: Scene, fault: Fault) -> Verdict:
    """Nothing is raised for a verdict that is not the truth, or comes too late: what the clients lost counts then, too.

    Raises AssertionError when the scene could not be set, ClusterError when kubectl refuses.
    """
    scene.given_active("1.0.0", **merged(SPEC, fault.active))
    try:
        with scene.clients(RATE) as clients:
            seen, wrong = _judged(scene, fault)
    finally:
        fault.relieve(scene)
    failed = tuple(request for request in clients.requests if request.result != "answered")
    return Verdict(seen.seconds, seen.reason, seen.message, len(clients.requests), failed, wrong)


def _judged(scene: Scene, fault: Fault) -> tuple[Seen, AssertionError | None]:
    began = time.monotonic()
    try:
        return (_strike(scene, fault) if fault.strike else _roll_out(scene, fault)), None
    except AssertionError as wrong:
        seconds = time.monotonic() - began
        # Later there would be less to see.
        wrong.add_note(scene.story())
        return Seen(seconds, "Wrong", str(wrong)), wrong


def _roll_out(scene: Scene, fault: Fault) -> Seen:
    pods = scene.pods()
    fault.prepare(scene)
    began = time.monotonic()
    try:
        scene.apply(fault.artifact(scene.stock), **merged(merged(SPEC, GIVEN_UP), fault.spec))
    except ClusterError as refusal:
        return _refused(scene, fault, str(refusal), time.monotonic() - began)
    assert fault.ending == "Failed", f"kubectl apply must refuse this, and took it: {fault.name}"
    if fault.worsen:
        fault.worsen(scene, _first_candidate(scene))
    status = scene.until("the rollout to end", lambda status: bool(status.get("rejected")), fault.within)
    seconds = time.monotonic() - began
    stalled = scene.condition("Stalled")
    assert (active(status), scene.selected()) == ("1.0.0", "blue")
    assert status["history"][-1]["outcome"] == "Failed"
    assert stalled["reason"] == status["rejected"][-1]["reason"]
    told = scene.event("RolloutFailed", "1.0.0 stays active")
    assert stalled["message"] in told or re.search(fault.says, told), told
    if fault.worsen:
        _until_reported(scene, fault, lambda entry: entry["kind"] == fault.kind)
    else:
        wait_for("active's pods to be the same, and the only ones", lambda: scene.pods() == pods, 60, every=0.5)
    return _true(fault, Seen(seconds, stalled["reason"], stalled["message"]))


def _refused(scene: Scene, fault: Fault, refusal: str, seconds: float) -> Seen:
    assert fault.ending == "Refused", refusal
    assert active(scene.status()) == "1.0.0"
    return _true(fault, Seen(seconds, "Invalid", refusal))


def _first_candidate(scene: Scene) -> str:
    names: list[str] = []

    def there() -> bool:
        names.extend(pod["metadata"]["name"] for pod in scene.kube.list("pods", "verdigris.dev/color=green"))
        return bool(names)

    wait_for("a pod of the new version", there, 30)
    return names[0]


def _strike(scene: Scene, fault: Fault) -> Seen:
    assert fault.strike is not None
    before = scene.pods()
    began = time.monotonic()
    pod = fault.strike(scene)
    # Afterwards, because a pod that no Deployment misses is only seen when there is something else to look for.
    scene.patch({"spec": {"cleanup": IMPATIENT}})
    match fault.ending:
        case "Replaced":
            entry = _until_removed(scene, fault, pod)
        case "Healed":
            wait_for(f"{pod} to go by itself", lambda: scene.kube.get("pod", pod) is None, fault.within, every=0.5)
            entry = {"reason": "", "message": "", "kind": fault.kind}
            assert [e for e in scene.status().get("removed", ()) if e["pod"] == pod] == [], "it needed no help"
        case _:
            entry = _until_reported(scene, fault, lambda entry: entry["pod"] == pod)
            assert scene.kube.get("pod", pod) is not None, "a finalizer must be honoured"
    seconds = time.monotonic() - began
    assert entry["kind"] == fault.kind
    assert active(scene.status()) == "1.0.0"
    wait_for("as many ready pods as before", lambda: scene.ready() == len(before), 60, every=0.5)
    return _true(fault, Seen(seconds, entry["reason"], entry["message"]))


def _until_removed(scene: Scene, fault: Fault, pod: str) -> Mapping[str, Any]:
    """The status's entry of the removal, once the pod is gone. Its reason is its kind: only that is remembered."""

    def entries(status: Status) -> list[Mapping[str, Any]]:
        return [entry for entry in status.get("removed", ()) if entry["pod"] == pod]

    status = scene.until(f"{pod} to be removed", lambda status: bool(entries(status)), fault.within)
    wait_for(f"{pod} to be gone", lambda: scene.kube.get("pod", pod) is None, 60, every=0.5)
    scene.event("StuckPodRemoved", pod)
    entry = entries(status)[0]
    return {**entry, "reason": entry["kind"]}


def _until_reported(scene: Scene, fault: Fault, holds: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
    def entries(status: Status) -> list[Mapping[str, Any]]:
        return [entry for entry in status.get("stuck", ()) if holds(entry)]

    status = scene.until("the stuck pod to be reported", lambda status: bool(entries(status)), fault.within)
    return entries(status)[0]


def _true(fault: Fault, seen: Seen) -> Seen:
    assert re.fullmatch(fault.reason, seen.reason), f"{seen.reason}: {seen.message}"
    assert re.search(fault.says, seen.message), f"{seen.reason}: {seen.message}"
    return seen
