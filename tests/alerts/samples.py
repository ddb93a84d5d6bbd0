"""Rules to look at, and the series of pods as a ServiceMonitor leaves them."""

from __future__ import annotations

from typing import Any

from verdigris.api.spec import MonitoringSpec
from verdigris.children.alerts.of_models import of_model
from verdigris.children.alerts.of_operator import Limits, of_operator
from verdigris.children.alerts.rule import Group
from verdigris.children.names import Owner

DIABETES = Owner("clinic", "diabetes", "uid-1")
SEPSIS = Owner("clinic", "sepsis", "uid-2")
OPERATOR = (of_operator("system", "verdigris", Limits(evidence_stale="120", held="1800", stuck_for="10m")),)


def rules(owner: Owner = DIABETES, **monitoring: Any) -> tuple[Group, ...]:
    """The groups of a model, of its default thresholds where nothing else is asked for."""
    return of_model(owner, MonitoringSpec.parse(monitoring))


def labels(owner: Owner = DIABETES, pod: str = "a", **more: str) -> str:
    """Labels of a series, in braces."""
    target = {"namespace": owner.namespace, "model": owner.name, "modeldeployment_uid": owner.uid, "pod": pod}
    return "{" + ",".join(f'{name}="{value}"' for name, value in {**target, **more}.items()) + "}"


def answers(owner: Owner = DIABETES, pod: str = "a", *, counter: str = "requests", **by_code: str) -> dict[str, str]:
    """A pod's counters by status code, written `c200="0+10x20"`."""
    return {
        f"verdigris_{counter}_total{labels(owner, pod, code=code.removeprefix('c'))}": values
        for code, values in by_code.items()
    }


def durations(pod: str = "a", **by_edge: str) -> dict[str, str]:
    """A pod's histogram, by upper edge: `le0_1` is 0.1."""
    return {
        f"verdigris_request_duration_seconds_bucket"
        f"{labels(pod=pod, le=edge.removeprefix('le').replace('_', '.').replace('Inf', '+Inf'))}": values
        for edge, values in by_edge.items()
    }
