"""The cluster's Prometheus and its alerts, asked from this machine."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from dev.cluster.shell import ClusterError
from dev.demo.kube import Kubectl

EVERY = 1.0
"""Seconds between two looks."""


class Firing(NamedTuple):
    """An alert that fires: its name, how bad it is, which namespace it is about, and the window of a burn rate."""

    name: str
    severity: str
    namespace: str
    window: str = ""

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Firing:
        """The alert with these labels."""
        about = (labels.get(name, "") for name in ("severity", "namespace", "window"))
        return cls(labels["alertname"], *about)


@dataclass(frozen=True)
class Prometheus:
    """One server by its address."""

    address: str

    def firing(self) -> frozenset[Firing]:
        """What fires now. Raises OSError when it does not answer."""
        found = (alert for alert in self._asked("alerts")["alerts"] if alert["state"] == "firing")
        fired = (Firing.of(alert["labels"]) for alert in found)
        return frozenset(alert for alert in fired if alert.name.startswith("Verdigris"))

    def rules(self) -> frozenset[str]:
        """The names of the files of rules that it has loaded, which have namespace and name of their PrometheusRule."""
        return frozenset(str(group["file"]).rpartition("/")[2] for group in self._asked("rules")["groups"])

    def tells(self, alertmanager: str) -> bool:
        """Whether it sends its alerts to this Alertmanager, by the beginning of its URL."""
        return any(one["url"].startswith(alertmanager) for one in self._asked("alertmanagers")["activeAlertmanagers"])

    def values(self, query: str) -> list[Any]:
        """The series that a query yields now."""
        found: list[Any] = self._asked(f"query?{urllib.parse.urlencode({'query': query})}")["result"]
        return found

    def over(self, query: str, start: float, end: float, step: float) -> list[Any]:
        """The series that a query yields over a span, with a value every `step` seconds; times are Unix seconds."""
        asked = {"query": query, "start": start, "end": end, "step": step}
        found: list[Any] = self._asked(f"query_range?{urllib.parse.urlencode(asked)}")["result"]
        return found

    def until_loaded(self, *namespaces: str, within: float = 120.0) -> None:
        """Wait until it has a rule file of each namespace. Raises ClusterError when it does not get them."""
        self._until(lambda: _missing(self.rules(), namespaces) == [], within, f"rules of {', '.join(namespaces)}")

    def until(self, alert: Firing, fires: bool, within: float) -> float | None:
        """Seconds until this alert fires, or does so no more; None when that does not come within so many seconds.

        A look that is not answered is one look less.
        """
        began = time.monotonic()
        while (waited := time.monotonic() - began) < within:
            with suppress(OSError):
                if (alert in self.firing()) is fires:
                    return round(waited, 1)
            time.sleep(EVERY)
        return None

    def _until(self, so: Any, within: float, what: str) -> None:
        end = time.monotonic() + within
        while not so():
            if time.monotonic() > end:
                raise ClusterError(f"Prometheus at {self.address} has no {what} after {within:g} s: see its targets.")
            time.sleep(EVERY)

    def _asked(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.address}/api/v1/{path}", timeout=20) as answer:
            found: dict[str, Any] = json.load(answer)["data"]
        return found


def _missing(files: frozenset[str], namespaces: tuple[str, ...]) -> list[str]:
    return [name for name in namespaces if not any(file.startswith(f"{name}-") for file in files)]


def of_cluster(cluster: Kubectl) -> Prometheus:
    """The cluster's own."""
    where = ("get", "service", "prometheus", "-n", "monitoring", "-o", "jsonpath={.spec.clusterIP}")
    return Prometheus(f"http://{cluster.kubectl(*where)}:9090")
