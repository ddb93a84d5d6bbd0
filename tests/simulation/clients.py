"""Clients of the model, who come each second by its Service, and the Prometheus that scrapes the pods they reached."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.runtime.fake_api import Json
from tests.simulation.controllers import Controllers
from tests.simulation.objects import color_of, is_ready, labels_of
from tests.simulation.server import Server
from verdigris.adapters.kube.reading.observe import Key
from verdigris.adapters.prometheus.fake import FakePrometheus, Pod
from verdigris.children.names import REVISION_LABEL
from verdigris.core.facts.evidence import Evidence, Question, Usage, UsageQuestion

RATE = 40
"""Requests a second."""
SCRAPE = 2
"""Seconds between two scrapes, as the specs of the workloads say."""
ASKED = 0.02
"""Seconds that Prometheus takes to answer."""


class Tally(NamedTuple):
    """What became of the requests of one second."""

    at: float
    served: int
    bad: int
    lost: int


@dataclass
class Clients:
    """They know the endpoints as the EndpointSlice of the Service has them, and no better."""

    server: Server
    controllers: Controllers
    key: Key
    seconds: list[Tally] = field(default_factory=list)
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    """By pod, how many answers of each status code it has given."""
    reached: Counter[str] = field(default_factory=Counter)
    """By revision, how many requests have reached it."""

    def second(self, at: float) -> None:
        """One second of requests, spread evenly. A pod that is gone answers nobody, and neither does no pod."""
        if self.server.objects.get(("Service", *self.key)) is None:
            return
        pods = [self.server.objects.get(("Pod", self.key.namespace, name)) for name in self._endpoints()]
        if not pods:
            self.seconds.append(Tally(at, 0, 0, RATE))
            return
        served = bad = lost = 0
        for number in range(RATE):
            pod = pods[number % len(pods)]
            if pod is None or not is_ready(pod):
                lost += 1
                continue
            fails = self._fails(pod)
            served, bad = served + (not fails), bad + fails
            self.reached[labels_of(pod)[REVISION_LABEL]] += 1
        self.seconds.append(Tally(at, served, bad, lost))

    def _endpoints(self) -> list[str]:
        """Names of the pods that new connections go to."""
        found = self.server.objects.get(("EndpointSlice", self.key.namespace, f"{self.key.name}-slice"))
        return [e["targetRef"]["name"] for e in (found or {}).get("endpoints", ()) if e["conditions"]["ready"]]

    def _fails(self, pod: Json) -> bool:
        """Evenly, so that no chance decides: one of two, of ten, of a hundred."""
        name, rate = pod["metadata"]["name"], self.controllers.behaviour(pod).error_rate
        counts = self.answers.setdefault(name, Counter({"200": 0, "500": 0}))
        fails = counts["500"] < rate * (counts.total() + 1) - 0.5
        counts["500" if fails else "200"] += 1
        return fails


@dataclass
class Prometheus:
    """Scrapes the pods that run, and answers the operator's questions from that."""

    server: Server
    clients: Clients
    found: FakePrometheus = field(default_factory=FakePrometheus)

    def scrape(self, at: float) -> None:
        """Take in the counters of every pod of the model that runs, from 0 on."""
        key = self.clients.key
        for raw in self.server.of("Pod"):
            name = raw["metadata"]["name"]
            if not is_ready(raw) or not raw["spec"].get("nodeName"):
                continue
            pod = Pod(key.namespace, key.name, color_of(raw), labels_of(raw)[REVISION_LABEL], name)
            counts = self.clients.answers.setdefault(name, Counter({"200": 0, "500": 0}))
            self.found.scrape(at, pod, {code: float(count) for code, count in counts.items()})

    async def gather(self, question: Question) -> Evidence:
        """As `EvidenceSource.gather`."""
        await asyncio.sleep(ASKED)
        return await self.found.gather(question)

    async def usage(self, question: UsageQuestion) -> Usage:
        """As `UsageSource.usage`: nothing is known of what pods use."""
        await asyncio.sleep(ASKED)
        return await self.found.usage(question)
