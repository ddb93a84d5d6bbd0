"""The policy in force: what the user had declared when the rollout began. Later edits count for the next one.

Who may edit a spec need not be who may approve, so an edit must not take away an approval that is waited for, a bake
that is under way, or a limit that a version is held against.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from verdigris.api.schema.fields import parse_duration
from verdigris.api.schema.reading import read
from verdigris.api.spec import AnalysisSpec, ModelDeploymentSpec, RolloutSpec
from verdigris.api.status import RolloutStatus

LIVE = frozenset({"onInsufficientCapacity", "minAvailable"})
"""Fields of spec.rollout that count at once: they say where pods find room, and decide about no version."""


@dataclass(frozen=True)
class Policy:
    """How a rollout goes, what its version is held against, and how often its pods are scraped (a duration)."""

    rollout: RolloutSpec
    analysis: AnalysisSpec
    scrape: str


def keep(spec: ModelDeploymentSpec) -> dict[str, Any]:
    """What the status keeps of a spec whose rollout begins."""
    return {"rollout": spec.rollout.dump(), "analysis": spec.analysis.dump(), _SCRAPE: _scrape(spec)}


_SCRAPE = "scrape"


def _scrape(spec: ModelDeploymentSpec) -> str:
    interval: str = spec.monitoring.service_monitor.interval
    return interval


def in_force(spec: ModelDeploymentSpec, rollout: RolloutStatus | None) -> Policy:
    """The policy that the rollout began with; that of the spec when there is none, or it was not kept."""
    kept = rollout.policy if rollout is not None else None
    began = _parsed(json.dumps(kept, sort_keys=True)) if kept else None
    if began is None:
        return Policy(spec.rollout, spec.analysis, _scrape(spec))
    asked = spec.rollout
    live = {"on_insufficient_capacity": asked.on_insufficient_capacity, "min_available": asked.min_available}
    return Policy(began.rollout.model_copy(update=live), began.analysis, began.scrape or _scrape(spec))


def can_be_read(rollout: RolloutStatus) -> bool:
    """Whether the policy that the rollout began with, if it was kept, means something to this operator."""
    return not rollout.policy or _parsed(json.dumps(rollout.policy, sort_keys=True)) is not None


def changed_since(spec: ModelDeploymentSpec, rollout: RolloutStatus) -> tuple[str, ...]:
    """The fields of the spec that say something else than the policy in force, by their path."""
    if not rollout.policy:
        return ()
    began = _parsed(json.dumps(rollout.policy, sort_keys=True))
    if began is None:
        return ()
    # As read, so that a field that an older operator did not keep has its default, and none that is not known counts.
    before = {"rollout": began.rollout.dump(), "analysis": began.analysis.dump()}
    after = {"rollout": spec.rollout.dump(), "analysis": spec.analysis.dump()}
    found = [f"spec.{section}.{name}" for section in after for name in _differing(before[section], after[section])]
    if began.scrape and _meaning(began.scrape) != _meaning(_scrape(spec)):
        found.append("spec.monitoring.serviceMonitor.interval")
    return tuple(found)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    names = sorted({*before, *after} - LIVE)
    return (name for name in names if _meaning(before.get(name)) != _meaning(after.get(name)))


def _meaning(value: Any) -> Any:
    """`5m` is `300s`, also within: what is only spelled otherwise was not edited."""
    if isinstance(value, Mapping):
        return {name: _meaning(inner) for name, inner in value.items()}
    try:
        return parse_duration(value) if isinstance(value, str) else value
    except ValueError:
        return value


@lru_cache(maxsize=256)
def _parsed(text: str) -> Policy | None:
    """None for what another version of the operator kept and this one cannot read. What it does not know is ignored."""
    kept = json.loads(text)
    rollout, analysis, scrape = kept.get("rollout") or {}, kept.get("analysis") or {}, kept.get(_SCRAPE) or ""
    if not isinstance(rollout, dict) or not isinstance(analysis, dict) or not isinstance(scrape, str):
        return None
    if scrape and not isinstance(_meaning(scrape), timedelta):
        return None
    parts = read(RolloutSpec, rollout), read(AnalysisSpec, analysis)
    return None if any(part.faults for part in parts) else Policy(parts[0].value, parts[1].value, scrape)
