"""A scene: one namespace with one ModelDeployment in it, and the words in which the end-to-end tests are written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from dev.cluster import Cluster
from dev.cluster.patience import PACE, hold_out, seconds_of, stretched
from dev.demo.kube import Object, whoami
from dev.demo.models import Artifact, decision, model_deployment
from dev.demo.records import Reader, Request
from dev.demo.scenery import clients, namespace
from dev.demo.setting import CLIENTS
from tests.e2e.api import Api, QuickKube
from tests.e2e.stock import Stock

NAME = "diabetes"
Status = Mapping[str, Any]

QUICK: Mapping[str, Mapping[str, Any]] = {
    "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
    "serving": {"resources": {"requests": {"cpu": "25m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}},
    "rollout": {"shield": False, "bake": "0s", "progressDeadline": "5m"},
    "analysis": {"interval": "1s"},
    "monitoring": {"serviceMonitor": {"interval": "1s"}},
}
"""For a cluster that many scenes share. Without clients there is nothing to watch, so it bakes for 0 s.

Nothing waits for the deadline of a version that is to come through; who wants one to fail by it says a shorter one.
"""


LEAST_RATE = 20.0
"""Requests per second of a scene's clients, on however slow a machine."""
LONGEST = 400.0
"""Seconds for which a scene's clients send at most."""
STARTS_MAY_NOT_USE_UP = ("progressDeadline", "stuckAfter")
"""Durations of a spec that a pod's start runs against: on a slow machine a sound pod must not miss them."""
USUAL_ACTIVATION = 6.0
"""Seconds from applying a first version to its being active, on two quiet cores."""


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid over it, mapping by mapping. What is None there is left out."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
            continue
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def quick(artifact: Artifact, /, **spec: Any) -> dict[str, Any]:
    """The ModelDeployment of a scene: the quick spec, and `spec` laid over it."""
    made = model_deployment(NAME, artifact)
    return {**made, "spec": merged(merged(made["spec"], QUICK), spec)}


def patient(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with no deadline for a start that is shorter than a start on this machine, and half of it again."""
    result, start = dict(spec), 1.5 * USUAL_ACTIVATION * PACE.slowest
    for key, value in spec.items():
        if isinstance(value, Mapping):
            result[key] = patient(value)
        elif key in STARTS_MAY_NOT_USE_UP:
            result[key] = f"{round(max(seconds_of(value), start))}s"
    return result


def stage(status: Status) -> str | None:
    """The stage of the rollout under way, or None."""
    return (status.get("rollout") or {}).get("stage")


def active(status: Status) -> str | None:
    """The active version, or None."""
    return (status.get("active") or {}).get("version")


def settled(version: str) -> Callable[[Status], bool]:
    """Whether that version is active and no rollout is under way."""
    return lambda status: active(status) == version and status.get("rollout") is None


@dataclass
class Scene:
    """Context manager: a fresh namespace, removed afterwards. An error that leaves it tells what could be seen."""

    cluster: Cluster
    api: Api
    stock: Stock
    namespace: str
    kube: QuickKube = field(init=False)
    _factor: float = 1.0
    """By which the deadlines in the spec have been stretched: what is waited for may come so late."""

    def __post_init__(self) -> None:
        self.kube = QuickKube(self.cluster, self.api, self.namespace)

    def __enter__(self) -> Scene:
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found")
        self.kube.apply(namespace(self.namespace))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            error.add_note(self.story())
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")

    # Given and when: what people and the world do.

    def apply(self, model: str | Artifact, /, **spec: Any) -> None:
        """`kubectl apply` a version of the model, with the quick spec and `spec` laid over it."""
        artifact = self.stock.artifact(model) if isinstance(model, str) else model
        self._factor = max(self._factor, PACE.factor)
        self.kube.apply(patient(quick(artifact, **spec)))

    def given_active(self, model: str | Artifact, /, **spec: Any) -> None:
        """A version that has been rolled out. How long that took tells how fast this machine is now."""
        began = time.monotonic()
        self.apply(model, **spec)
        version = model if isinstance(model, str) else model.version
        self.until(f"{version} to be active", settled(version))
        PACE.started(time.monotonic() - began, USUAL_ACTIVATION)

    def decide(self, verb: str, revision: str) -> str:
        """Create a RolloutDecision about a revision, as the person that the kubeconfig is for; returns its name."""
        name = f"{verb}-{time.monotonic_ns()}"
        self.kube.create(decision(name, model=NAME, revision=revision, verb=verb, by=whoami(self.kube)))
        return name

    def patch(self, change: Object, kind: str = "modeldeployment", name: str = NAME) -> None:
        """Merge this change into an object."""
        self._factor = max(self._factor, PACE.factor)
        self.kube.run("patch", kind, name, "--type=merge", "-p", json.dumps(patient(change)))

    @contextmanager
    def clients(
        self, rate: float = 60.0, *, paced: bool = True, seconds: float = LONGEST, at: str = ""
    ) -> Iterator[Clients]:
        """Clients that send while the block runs, for `seconds` at most, half of them over kept connections.

        To the model's Service, or to the address `at`. `rate` is in requests per second; where `paced`, on a quiet
        machine: pods that get less of a slow one answer fewer.
        """
        rate = max(LEAST_RATE, rate / PACE.factor) if paced else rate
        url = f"{at or f'http://{NAME}.{self.namespace}.svc'}/v2/models/diabetes/infer"
        self.kube.apply(*clients(CLIENTS, self.stock.models.bodies, url, rate, stretched(seconds)), server_side=True)
        self.kube.run("wait", "--for=condition=Ready", "pod/clients", "--timeout=60s")
        sending = Clients(self.kube)
        wait_for("the clients' first answers", lambda: len(sending.so_far()) >= rate, within=30, every=0.5)
        yield sending
        sending.finish()

    # Then: what is seen.

    def status(self) -> Status:
        """The status of the ModelDeployment; empty before the operator has written any."""
        return self.api.read("modeldeployment", self.namespace, name=NAME).get("status") or {}

    def generation(self) -> int:
        """How often its spec has been written."""
        return int(self.api.read("modeldeployment", self.namespace, name=NAME)["metadata"]["generation"])

    def until(self, what: str, holds: Callable[[Status], bool], within: float = 90.0) -> Status:
        """Wait until the status is so, and return it. Raises AssertionError with what there was instead."""
        seen: dict[str, Status] = {}

        def so() -> bool:
            seen["status"] = self.status()
            return holds(seen["status"])

        wait_for(what, so, within=within, every=0.25, least=self._factor)
        return seen["status"]

    def until_condition(self, kind: str, holds: Callable[[Mapping[str, Any]], bool], within: float = 60.0) -> None:
        """Wait until a condition is so."""
        wait_for(f"condition {kind}", lambda: holds(self.condition(kind)), within=within, every=0.25)

    def condition(self, kind: str) -> Mapping[str, Any]:
        """A condition by its type; empty when there is none."""
        return next((c for c in self.status().get("conditions", ()) if c["type"] == kind), {})

    def event(self, reason: str, *words: str) -> str:
        """The messages of the ModelDeployment's Events with that reason which say all of this, a line each.

        Waits for the first: Events are written after the status. Raises AssertionError when there is none.
        """
        found: list[str] = []

        def written() -> bool:
            events = [e for e in self.kube.list("events") if e["involvedObject"]["kind"] == "ModelDeployment"]
            told = [e["message"] for e in events if e["reason"] == reason]
            found[:] = [message for message in told if all(word in message for word in words)]
            return bool(found)

        wait_for(f"an Event {reason} that says {words}", written, within=15, every=0.25)
        return "\n".join(found)

    def pods(self) -> dict[str, str]:
        """UID -> version of the model's pods that are not on their way out."""
        return {
            pod["metadata"]["uid"]: pod["metadata"]["annotations"]["verdigris.dev/version"]
            for pod in self.kube.list("pods", f"verdigris.dev/model={NAME}")
            if "deletionTimestamp" not in pod["metadata"]
        }

    def ready(self) -> int:
        """How many of the model's pods are ready and stay."""
        pods = self.kube.list("pods", f"verdigris.dev/model={NAME}")
        return sum(is_ready(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"])

    def active_pod(self) -> str:
        """The name of one of the active pods, the first by name."""
        labels = f"verdigris.dev/model={NAME},verdigris.dev/revision={self.status()['active']['revision']}"
        return min(pod["metadata"]["name"] for pod in self.kube.list("pods", labels))

    def pod_on(self, node: str) -> str:
        """The name of the model's pod on that node. Raises AssertionError unless there is just one."""
        pods = self.kube.list("pods", f"verdigris.dev/model={NAME}")
        (found,) = [pod["metadata"]["name"] for pod in pods if pod["spec"].get("nodeName") == node] or [None]
        assert found, f"the model has no pod on node {node}"
        return str(found)

    def selected(self) -> str | None:
        """The colour that the clients' Service selects."""
        service = self.kube.get("service", NAME) or {}
        color: str | None = service.get("spec", {}).get("selector", {}).get("verdigris.dev/color")
        return color

    def story(self) -> str:
        """All that helps to understand a failure: the status, the Events and the pods."""
        parts = (
            ("get", "modeldeployment", NAME, "-o", "jsonpath={.spec}{'\\n'}{.status}"),
            ("get", "rolloutdecisions", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("get", "pods,deployments,services,hpa", "-o", "wide"),
        )
        return "\n\n".join(f"$ kubectl {' '.join(part[:2])}\n{self._said(part)}" for part in parts)

    def _said(self, words: tuple[str, ...]) -> str:
        try:
            return self.kube.run(*words)
        except Exception as error:  # whatever it is: it must not hide the failure that is being explained
            return str(error)


@dataclass
class Clients:
    """Clients that are sending, and what they have recorded."""

    kube: QuickKube
    requests: list[Request] = field(default_factory=list)
    _reader: Reader = field(default_factory=Reader)

    def so_far(self) -> list[Request]:
        """What has been recorded until now."""
        reader = Reader()
        log = self.kube.log("clients")
        self.requests = [request for line in log.splitlines() for request in reader.read(line)]
        self._reader = reader
        return self.requests

    def until_answered_by(self, version: str) -> None:
        """Wait until a client has had an answer by that version."""
        wait_for(f"an answer by {version}", lambda: version in {r.version for r in self.so_far()}, 30, every=0.5)

    def finish(self) -> list[Request]:
        """Everything sent until now, waiting until each has been answered or lost."""
        now = time.time()
        wait_for("the clients' records", lambda: bool(self.so_far()) and self._reader.flushed > now + 5, 30, every=0.5)
        self.requests = [request for request in self.requests if request.due < now]
        self.kube.delete("pod", "clients", "--wait=false")
        return self.requests

    def lost(self) -> list[Request]:
        """The requests that got neither an answer nor the model's own 500."""
        return [request for request in self.requests if request.result == "lost"]

    def bad(self) -> list[Request]:
        """The requests that the model failed."""
        return [request for request in self.requests if request.result == "bad"]


def is_ready(pod: Object) -> bool:
    """Whether its condition Ready is True."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def wait_for(
    what: str, holds: Callable[[], bool], within: float, every: float = 0.1, least: float | None = None
) -> None:
    """Ask until it is so. Raises AssertionError when it is not within so many seconds at this machine's pace.

    `least`: the wait is stretched by this factor at least (default: as the machine is as it begins).
    """
    began = time.monotonic()
    if not hold_out(holds, within, every=every, least=PACE.factor if least is None else least):
        raise AssertionError(f"waited {time.monotonic() - began:.0f} s for {what}, in vain")
