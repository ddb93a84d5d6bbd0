"""Clients of the model, who come each second by its Service: who answers them, and who stands behind that answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.runtime.fake_api import Json
from tests.simulation.controllers import Controllers
from tests.simulation.fronts import Behind, Fronts, Headers
from tests.simulation.objects import is_ready, labels_of
from tests.simulation.server import Server
from verdigris.adapters.kube.reading.port import Key
from verdigris.children.names import REVISION_LABEL
from verdigris.core.facts.evidence import BOTH

RATE = 40
"""Requests a second."""
UNIT, TESTER = "x-user-id", "x-tester"
"""Headers: whose request it is, which every second one says; and that of a tester."""


def _headers(number: int) -> Headers:
    found = {UNIT.encode(): f"user-{number}".encode()} if number % 2 == 0 else {}
    return {**found, TESTER.encode(): b"yes"} if number == 0 else found


REQUESTS = tuple(map(_headers, range(RATE)))
"""Of each second; the first one is the tester's."""


class Tally(NamedTuple):
    """What became of the requests of one second. `by`: the revisions whose pods the clients reached themselves."""

    at: float
    served: int
    bad: int
    lost: int
    by: frozenset[str] = frozenset()


@dataclass
class Clients:
    """They know the endpoints as the EndpointSlice of the Service has them, and no better."""

    server: Server
    controllers: Controllers
    fronts: Fronts
    key: Key
    seconds: list[Tally] = field(default_factory=list)
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    """By pod, how many answers of each status code it has given."""

    def second(self, at: float) -> None:
        """One second of requests, spread evenly. A pod that is gone answers nobody, and neither does no pod."""
        if self.server.objects.get(("Service", *self.key)) is None:
            return
        pods = [self.server.objects.get(("Pod", self.key.namespace, name)) for name in self.fronts.endpoints(*self.key)]
        if not pods:
            self.seconds.append(Tally(at, 0, 0, RATE))
            return
        served = bad = lost = 0
        by = set()
        # The next second begins with the next pod: each client meets all of them in time.
        for number, headers in enumerate(REQUESTS, start=len(self.seconds)):
            pod = pods[number % len(pods)]
            if pod is None or not is_ready(pod):
                lost += 1
                continue
            fails = self._fails(pod, headers)
            served, bad = served + (not fails), bad + fails
            by.add(labels_of(pod)[REVISION_LABEL])
        self.seconds.append(Tally(at, served, bad, lost, frozenset(by)))

    def counted(self, name: str) -> Counter[str]:
        """What the pod of this name shows on /metrics: its answers by status code, from 0 on."""
        return self.answers.setdefault(name, Counter({"200": 0, "500": 0}))

    @property
    def tester(self) -> bytes:
        """Whose requests are the tester's."""
        return REQUESTS[0][UNIT.encode()]

    def _fails(self, front: Json, headers: Headers) -> bool:
        """Whether a request that reached this pod is not answered well, by it or by the one that it asks first."""
        behind = self.fronts.pass_on(front, headers)
        if behind is not None and self._comes_back_well(behind):
            behind.counts["answered"] += 1
            return False
        fails = self._answer_of(front, self.controllers.behaviour(front).fails_clients)
        if behind is not None:
            behind.counts[behind.lost or "error"] += 1
            behind.counts[BOTH] += fails
        elif not fails:
            self.fronts.copy(front)
        return fails

    def _comes_back_well(self, behind: Behind) -> bool:
        """A late one has answered, too, and counts that; of what else goes wrong on the way it knows nothing."""
        if behind.pod is None or behind.lost not in (None, "late"):
            return False
        fails = self._answer_of(behind.pod, self.controllers.behaviour(behind.pod).error_rate)
        return not fails and behind.lost is None

    def _answer_of(self, pod: Json, rate: float) -> bool:
        """Whether its next answer is an error. Evenly, so that no chance decides: one of two, of ten, of a hundred."""
        counts = self.counted(pod["metadata"]["name"])
        fails = counts["500"] < rate * (counts.total() + 1) - 0.5
        counts["500" if fails else "200"] += 1
        return fails
