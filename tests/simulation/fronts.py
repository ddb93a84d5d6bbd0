"""The active pods that stand in front of a version on trial: the file that tells them, and what they pass on."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.runtime.fake_api import Json
from tests.simulation.controllers import Controllers
from tests.simulation.objects import is_ending, is_placed, is_ready
from tests.simulation.server import Server
from verdigris.children import pod_template
from verdigris.children.names import SHIELD_ANNOTATION
from verdigris.core.facts.evidence import BOTH, PASSED_ON
from verdigris.core.routing.shield import WHOLE

COMES_WITHIN = 0.25
"""Seconds until a kubelet shows a changed annotation in a file."""


class Behind(NamedTuple):
    """What became of a request that was passed on: the pod that got it, if any did; and what went wrong on the way.

    `counts` is where the pod in front counts how it went.
    """

    pod: Json | None
    lost: str | None
    counts: Counter[str]


@dataclass
class _File:
    """What a pod reads, since when its annotation says something else, and its share of a request as yet."""

    shows: str | None = None
    differs_since: float | None = None
    owed: float = 0.0


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

    def order(self, pod: Json) -> Json | None:
        """What this pod reads that it is to pass on; None: nothing."""
        file = self._files.get(pod["metadata"]["uid"])
        found: Json | None = json.loads(file.shows) if file is not None and file.shows is not None else None
        return found

    def counted(self, name: str) -> dict[str, Counter[str]]:
        """How it went with what the pod of this name has passed on, by the revision that it asked."""
        return self._counts.get(name, {})

    def pass_on(self, front: Json) -> Behind | None:
        """Let this pod pass the next request on, if it is one of those; None: it answers itself."""
        order = self.order(front)
        if order is None:
            return None
        file = self._files[front["metadata"]["uid"]]
        counts = self._counts[front["metadata"]["name"]].setdefault(
            order["revision"], Counter(dict.fromkeys((*PASSED_ON, BOTH), 0))
        )
        file.owed += order["share"] / WHOLE
        if file.owed < 1:
            return None
        file.owed -= 1
        self.asked[order["revision"]] += 1
        return Behind(*self._way(order), counts)

    def _way(self, order: Json) -> tuple[Json | None, str | None]:
        names = self._endpoints(order["host"])
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
