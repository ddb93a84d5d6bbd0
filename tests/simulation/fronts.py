"""The active pods that stand in front of a version on trial: the file that tells them, what they pass on, and copies.

What the file says, and which requests that is about, is for the model server's own code to tell.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from tests.runtime.fake_api import Json
from tests.simulation.controllers import Controllers
from tests.simulation.objects import is_ending, is_placed, is_ready
from tests.simulation.server import Server
from verdigris.children import pod_template
from verdigris.children.names import SHIELD_ANNOTATION
from verdigris.core.facts.evidence import ALIKE, BOTH, PASSED_ON, UNANSWERED, UNLIKE
from verdigris_serving.http.shield.assignment import assigned
from verdigris_serving.http.shield.order import WHOLE, Order

COMES_WITHIN = 0.25
"""Seconds until a kubelet shows a changed annotation in a file."""
_GOLDEN = 0.6180339887498949

Headers = Mapping[bytes, bytes]
"""Of a request, by names in lower case."""


class Behind(NamedTuple):
    """What became of a request, or a copy: the pod that got it, if any did; and what went wrong on the way.

    `counts` is where the pod in front counts how it went.
    """

    pod: Json | None
    lost: str | None
    counts: Counter[str]


@dataclass
class _Draws:
    """Numbers from 0 up to 1, spread as evenly as can be, so that no chance decides."""

    _count: int = 0

    def __call__(self) -> float:
        self._count += 1
        return self._count * _GOLDEN % 1


@dataclass
class _File:
    """What a pod reads, since when its annotation says something else, and what it draws for its requests."""

    shows: str | None = None
    order: Order | None = None
    differs_since: float | None = None
    passes: _Draws = field(default_factory=_Draws)
    copies: _Draws = field(default_factory=_Draws)


@dataclass
class Fronts:
    """All pods that can be told. `delay` is in seconds; None: no file changes any more.

    `stuck` are the UIDs of pods whose file alone stays as it is.
    """

    server: Server
    controllers: Controllers
    delay: float | None = COMES_WITHIN
    stuck: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    """By revision, how many requests were passed on to it."""
    met: dict[tuple[str, bytes], int] = field(default_factory=dict)
    """By revision and unit, the smallest share at which a request of the unit was passed on to it."""
    strayed: set[tuple[str, bytes]] = field(default_factory=set)
    """Those that met it, and at that share or a larger one met the other version."""
    _files: dict[str, _File] = field(default_factory=lambda: defaultdict(_File))
    _counts: dict[str, dict[str, Counter[str]]] = field(default_factory=lambda: defaultdict(dict))
    _turn: int = 0

    def look(self, at: float) -> None:
        """What the kubelet does: bring the files up to date."""
        for pod in self.server.of("Pod"):
            told = is_placed(pod) and pod_template.shows(pod["spec"], SHIELD_ANNOTATION)
            if not told or pod["metadata"]["uid"] in self.stuck:
                continue
            file = self._files[pod["metadata"]["uid"]]
            wanted = (pod["metadata"].get("annotations") or {}).get(SHIELD_ANNOTATION)
            if wanted == file.shows:
                file.differs_since = None
                continue
            file.differs_since = at if file.differs_since is None else file.differs_since
            if self.delay is not None and at >= file.differs_since + self.delay:
                file.shows, file.differs_since = wanted, None
                file.order = None if wanted is None else msgspec.json.decode(wanted, type=Order)

    def order(self, pod: Json) -> Order | None:
        """What this pod reads that it is to do; None: to answer itself."""
        file = self._files.get(pod["metadata"]["uid"])
        return None if file is None else file.order

    def counted(self, name: str) -> dict[str, Counter[str]]:
        """How it went with what the pod of this name has passed on, and with copies, by the revision that it asked."""
        return self._counts.get(name, {})

    def pass_on(self, front: Json, headers: Headers) -> Behind | None:
        """Let this pod pass a request on, if it is one of those; None: it answers itself."""
        order = self.order(front)
        if order is None or not self._is_assigned(order, headers, self._files[front["metadata"]["uid"]].passes):
            return None
        self.asked[order.revision] += 1
        return Behind(*self._way(order), self._counts_of(front, order))

    def copy(self, front: Json) -> None:
        """Let another version answer a copy of what this pod has answered itself, if it is to, and compare."""
        order = self.order(front)
        if order is None or not order.shadow or self._files[front["metadata"]["uid"]].copies() * WHOLE >= order.shadow:
            return
        counts = self._counts_of(front, order)
        pod, lost = self._way(order)
        behaves = None if pod is None else self.controllers.behaviour(pod)
        if behaves is None or lost is not None or _is_next(counts, UNANSWERED, behaves.error_rate):
            counts[UNANSWERED] += 1
        else:
            counts[UNLIKE if _is_next(counts, UNLIKE, behaves.disagrees) else ALIKE] += 1

    def _counts_of(self, front: Json, order: Order) -> Counter[str]:
        """From the beginning each is there, at 0."""
        codes = (*PASSED_ON, BOTH, ALIKE, UNLIKE, UNANSWERED)
        counts = self._counts[front["metadata"]["name"]]
        return counts.setdefault(order.revision, Counter(dict.fromkeys(codes, 0)))

    def _is_assigned(self, order: Order, headers: Headers, draws: _Draws) -> bool:
        found = assigned(order, headers, draws)
        unit = headers.get(order.unit.encode()) if order.unit is not None else None
        if unit is not None:
            who = order.revision, unit
            if found:
                self.met[who] = min(order.share, self.met.get(who, WHOLE))
            elif self.met.get(who, WHOLE + 1) <= order.share:
                self.strayed.add(who)
        return found

    def _way(self, order: Order) -> tuple[Json | None, str | None]:
        names = self._endpoints(order.host)
        if not names:
            return None, "unreachable"
        self._turn += 1
        pod = self.server.objects.get(("Pod", "clinic", names[self._turn % len(names)]))
        if pod is None or not is_ready(pod) or is_ending(pod):
            return None, "reset"
        behaviour = self.controllers.behaviour(pod)
        return pod, behaviour.goes_wrong if self._turn % 2 else None

    def _endpoints(self, host: str) -> list[str]:
        service = next((raw for raw in self.server.of("Service") if raw["spec"].get("clusterIP") == host), None)
        if service is None:
            return []
        return self.endpoints(service["metadata"]["namespace"], service["metadata"]["name"])

    def endpoints(self, namespace: str, service: str) -> list[str]:
        """Names of the pods that new connections to this Service go to."""
        found: dict[str, Any] | None = self.server.objects.get(("EndpointSlice", namespace, f"{service}-slice"))
        return [e["targetRef"]["name"] for e in (found or {}).get("endpoints", ()) if e["conditions"]["ready"]]


def _is_next(counts: Counter[str], code: str, rate: float) -> bool:
    """Whether the next copy is one of these: evenly, so that no chance decides."""
    copies = sum(counts[one] for one in (ALIKE, UNLIKE, UNANSWERED))
    return counts[code] < rate * (copies + 1) - 0.5
