"""A second version that bakes beside the first, on the fake API, and a Prometheus that sees all its pods."""

from __future__ import annotations

from typing import Any

from tests.runtime.raws import KEY, endpoint_slice, pod
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.port import Key
from verdigris.app.queue import Backoff, WorkQueue
from verdigris.app.work import _one
from verdigris.core.facts.evidence import Evidence, Question, Series, Usage, UsageQuestion


class Sees:
    """A Prometheus that scrapes every pod; the candidate's (green) answers are all errors when `failing`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._requests = 0.0
        self.failing = False
        self.away = False

    async def gather(self, question: Question) -> Evidence:
        if self.away:
            return Evidence(problem=f"Prometheus at {question.address} cannot be reached.")
        # Prometheus knows milliseconds. With finer times each look of a test would find a little more to write.
        at = round(self._stage.now.timestamp() - 1, 3)
        self._requests += 100
        bad, good = (self._requests, 0.0) if self.failing else (0.0, self._requests)
        return Evidence(
            counters={"green": self._scraped("green", at, good, bad), "blue": self._scraped("blue", at, 100.0, 0.0)}
        )

    def _scraped(self, color: str, at: float, good: float, bad: float) -> tuple[Series, ...]:
        """What each pod of the colour has answered in the last minute."""
        pods = [name for (kind, _, name), raw in self._stage.api.objects.items() if kind == "Pod" and _is(color, raw)]
        return tuple(
            Series(name, code, ((at - 60, 0.0), (at, count)))
            for name in pods
            for code, count in (("200", good), ("500", bad))
        )

    async def usage(self, question: UsageQuestion) -> Usage:
        return Usage(problem=f"nobody answers at {question.address}")


def _is(color: str, raw: dict[str, Any]) -> bool:
    return bool(raw["metadata"]["labels"]["verdigris.dev/color"] == color)


async def candidate_starts(stage: Stage) -> Sees:
    """The first version is active, the second asked for; its pods are there and ready."""
    await settled(stage)
    prometheus = Sees(stage)
    stage.reconciler._evidence = prometheus
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"]["version"] = "2.0.0"
    raw["metadata"]["generation"] += 1
    await stage.reconcile(3)
    made = stage.api.at("Deployment", KEY.namespace, "diabetes-green")
    revision = made["spec"]["template"]["metadata"]["labels"]["verdigris.dev/revision"]
    for number in range(made["spec"]["replicas"]):
        stage.api.put(pod(f"g{number}", color="green", revision=revision))
    stage.api.put(endpoint_slice("diabetes-green", *[True] * made["spec"]["replicas"], start=10))
    return prometheus


async def bakes(stage: Stage) -> Sees:
    """The second version has the clients and is watched."""
    prometheus = await candidate_starts(stage)
    await stage.reconcile(4)
    assert rollout(stage)["stage"] == "Baking"
    assert selected(stage) == "green"
    return prometheus


def rollout(stage: Stage) -> Any:
    return stage.api.at("ModelDeployment", *KEY)["status"].get("rollout")


def selected(stage: Stage) -> Any:
    return stage.api.at("Service", *KEY)["spec"]["selector"].get("verdigris.dev/color")


async def looks(stage: Stage, seconds: float) -> list[float]:
    """When the queue has the model looked at within so many seconds, from now. The stage's clock goes along."""
    begin = stage.seconds()
    queue: WorkQueue[Key] = WorkQueue(Backoff(), clock=stage.seconds, chance=lambda: 0.0)
    queue.add(KEY)
    found = []
    while True:
        if not queue.depth:
            due = queue._schedule.next_due()
            if due is None or due > begin + seconds:
                return found
            stage.to(due)
        key = await queue.get()
        found.append(stage.seconds() - begin)
        await _one(queue, stage.reconciler, key)
        queue.done(key)
