"""What the parts share: specs, the version on trial and its pods, and the figures of what clients saw."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from kubernetes.client import ApiException

from dev.cluster.shell import say
from dev.demo.figures import latencies
from dev.demo.records import Request, within
from dev.demo.spared import PORT
from dev.faults import processes
from tests.e2e.rounds import BAD
from tests.e2e.scene import NAME, Clients, Scene, Status, is_ready, merged, settled, wait_for

Row = dict[str, Any]
Spec = Mapping[str, Any]

FIRST, GOOD = "1.0.0", "1.1.0"
"""The version that is active in most parts, and another that is as good."""
SCRAPE = 5.0
"""Seconds between two scrapes: what a spec says that says nothing. So is the time between two looks of the judge."""
AS_USUAL: Spec = {
    "autoscaling": {"minReplicas": 2, "maxReplicas": 2},
    "rollout": {"shield": True, "bake": "60s"},
    "analysis": {"interval": f"{SCRAPE:g}s"},
    "monitoring": {"serviceMonitor": {"interval": f"{SCRAPE:g}s"}},
}
"""Two pods of each version, looked at as often as by default."""
HELD: Spec = {"rollout": {"bake": "1h", "answerWithin": "20s"}}
"""Laid over a spec: on trial for as long as the part likes, and nothing is late on a machine that is slow."""

_SHARE = re.compile(r'^verdigris_shield_share\{revision="([^"]+)"\} ([0-9.e+-]+)$', re.MULTILINE)


def numbered(spec: Spec, number: int) -> dict[str, Any]:
    """The spec as a revision of its own, so that it is a rollout whatever was rejected or is warm."""
    return merged(spec, {"serving": {"env": [{"name": "TRIAL", "value": str(number)}]}})


def all_clients(scene: Scene, rate: float, seconds: float = 600.0) -> AbstractContextManager[Clients]:
    """Clients that send at this rate however slow the machine is."""
    return scene.clients(rate, paced=False, seconds=seconds)


def end_clients(scene: Scene) -> None:
    """Wait until the clients' pod is gone: the next ones need its name."""
    scene.kube.delete("pod", "clients")


def pods_of(scene: Scene, version: str) -> list[dict[str, Any]]:
    """The pods of that version that are not on their way out."""
    pods = scene.kube.list("pods", f"verdigris.dev/model={NAME}")
    its = [pod for pod in pods if pod["metadata"]["annotations"]["verdigris.dev/version"] == version]
    return [pod for pod in its if "deletionTimestamp" not in pod["metadata"]]


def servers_of(scene: Scene, version: str) -> list[int]:
    """The pids of all server processes of that version. Raises ClusterError when there is none."""
    return [pid for pod in pods_of(scene, version) for pid in processes.of_pod(pod)]


def until_told(scene: Scene, share: float) -> None:
    """Wait until both active pods pass this share (0 to 1) on to the version on trial, as they themselves say."""

    def so() -> bool:
        status = scene.status()
        revision = (status.get("rollout") or {}).get("revision")
        pods = [pod for pod in pods_of(scene, str(status["active"]["version"])) if is_ready(pod)]
        return len(pods) == 2 and all(share_told(scene, pod["metadata"]["name"], revision) == share for pod in pods)

    wait_for(f"{100 * share:g} % to be passed on by both active pods", so, within=120, every=0.25)


def share_told(scene: Scene, pod: str, revision: str | None) -> float | None:
    """The share that this pod passes on to the revision; None when it knows of none, or cannot be asked just now."""
    try:
        shown = scene.kube.metrics(pod, PORT)
    except ApiException:
        return None
    return next((float(share) for found, share in _SHARE.findall(shown) if found == revision), None)


def taken_back(version: str = FIRST) -> Any:
    """Whether a version on trial is rejected and the one before it has the clients."""
    return lambda status: bool(status.get("rejected")) and settled(version)(status)


def let_pass(seconds: float) -> tuple[float, float]:
    """Let a span pass in which clients are watched; returns when it began and ended, unix seconds."""
    began = time.time()
    time.sleep(seconds)
    return began, time.time()


def spans(clients: Clients, *between: tuple[float, float]) -> list[list[Request]]:
    """What was due in each of these spans."""
    return [list(within(clients.requests, *span)) for span in between]


def asked_of(requests: Sequence[Request], version: str = BAD) -> int:
    """How many of these requests that version answered well: where it is 0 nothing has been shown."""
    return sum(request.version == version for request in requests)


def seen(requests: Sequence[Request]) -> Row:
    """What clients saw, and how busy the machine is: programs that want a processor, for each core."""
    told = latencies(requests)
    return {
        "requests": len(requests),
        "bad": sum(request.result == "bad" for request in requests),
        "lost": sum(request.result == "lost" for request in requests),
        "outcomes": dict(Counter(request.outcome for request in requests if request.result != "answered")),
        "p50_ms": told.get("p50"),
        "p99_ms": told.get("p99"),
        "load_per_core": round(os.getloadavg()[0] / (os.cpu_count() or 1), 1),
    }


def tell(row: Row, what: str) -> Row:
    """Say what a row shows, and return it."""
    say(f"{what}: {row['bad']} bad and {row['lost']} lost of {row['requests']}")
    return row


def on_trial(status: Status) -> bool:
    """Whether active pods were seen to be told to pass anything on."""
    return any(share.get("shielded") for share in status.get("traffic", ()))
