"""What the simulated cluster is made of: specs, pods, versions, and what a scrape gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Failure
from verdigris.children.names import Owner
from verdigris.core.facts.evidence import Series
from verdigris.core.facts.observed import PodView

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
OWNER = Owner("clinic", "diabetes", "uid-1")
TICK = timedelta(seconds=1)
SCRAPE = 5
FULL = Failure(reason="Unschedulable", message="0/1 nodes are available: 1 Insufficient cpu.")
REFUSED = Failure(
    reason="QuotaExceeded", message="exceeded quota: pods, requested: pods=1, used: pods=3, limited: pods=3"
)
ROLLOUT = {"shield": False, "bake": "30s", "progressDeadline": "60s", "keepWarm": "2m"}


def spec(version: str = "1.0.0", **sections: Any) -> ModelDeploymentSpec:
    """A spec with this version; other sections as the API server would hold them."""
    model = {"version": version, "uri": f"https://models.test/{version}.vmodel", "sha256": "a" * 64}
    raw = {
        "model": {**model, **sections.pop("model", {})},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
        "rollout": {**ROLLOUT, **sections.pop("rollout", {})},
        **sections,
    }
    return ModelDeploymentSpec.parse(raw)


@dataclass
class Pod:
    """A simulated pod; its counters are what a scrape would read."""

    view: PodView
    ready_at: datetime
    placed: bool = True
    requests: float = 0
    errors: float = 0
    samples: list[tuple[float, float, float]] = field(default_factory=list)
    passed: dict[str, float] = field(default_factory=dict)
    """What it passed on, by outcome; empty as long as it never passed anything on."""
    passed_samples: list[tuple[float, dict[str, float]]] = field(default_factory=list)


@dataclass
class Version:
    """How pods of one version behave."""

    error_rate: float = 0.0
    ready_after: float = 2.0
    fault: Failure | None = None
    never_ready: bool = False
    hangs: float = 0.0
    """Share of the requests that it never answers: its own counters do not know of them."""
    refuses: float = 0.0
    """Share of the requests that it turns away and the version before it answers."""
    unscraped: bool = False
    """Whether no ServiceMonitor covers its pods."""
    disagrees: float = 0.0
    """Share of the rows that it answers otherwise than the version before it."""


def born(manifest: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Its metadata as the API server would complete it."""
    return {**manifest["metadata"], "creationTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ")}


def series_of(pod: Pod, since: float) -> tuple[Series, ...]:
    """The pod's counters as scraped since then (unix seconds), and what they were before."""
    kept = [sample for sample in pod.samples if sample[0] < since][-1:] + [s for s in pod.samples if s[0] >= since]
    good = tuple((at, ok) for at, ok, _ in kept)
    bad = tuple((at, errors) for at, _, errors in kept)
    return (Series(pod.view.name, "200", good), Series(pod.view.name, "500", bad)) if good else ()


def passed_by(pod: Pod, since: float, *, shadowed: bool) -> tuple[Series, ...]:
    """How it went with what the pod passed on to a candidate, or with copies of it, as scraped since then."""
    taken = pod.passed_samples
    seen = [one for one in taken if one[0] < since][-1:] + [one for one in taken if one[0] >= since]
    codes = tuple(seen[-1][1]) if seen else ()
    found = (Series(pod.view.name, code, tuple((at, by.get(code, 0.0)) for at, by in seen)) for code in codes)
    return tuple(one for one in found if one.compared == shadowed)
