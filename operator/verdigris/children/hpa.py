"""The HorizontalPodAutoscaler of a colour: each colour has its own scale target, so that both can be sized at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from verdigris.api.schema.quantity import by_value
from verdigris.api.spec import HpaMetric
from verdigris.api.spec.autoscaling import ScalingBehavior
from verdigris.api.status import Color
from verdigris.children.meta import Manifest, metadata
from verdigris.children.names import SERVER_CONTAINER, Owner, color_name

CPU_PERCENT = 70
_QUANTITIES = ("value", "averageValue")


_SHRINK_GENTLY: Manifest = {
    "stabilizationWindowSeconds": 300,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Percent", "value": 10, "periodSeconds": 60},
        {"type": "Pods", "value": 1, "periodSeconds": 60},
    ],
}


def build(
    owner: Owner,
    color: Color,
    minimum: int,
    maximum: int,
    metrics: Iterable[HpaMetric] = (),
    *,
    behavior: ScalingBehavior | None = None,
    with_sidecars: bool = False,
) -> Manifest:
    """Between `minimum` and `maximum` pods, by `metrics` (autoscaling/v2, passed through) or else CPU at 70 %.

    It grows as fast as Kubernetes lets it and shrinks by a tenth a minute after five quiet minutes, unless `behavior`
    says otherwise: a lull must not cost the pods that the next peak needs. `with_sidecars`: there are other containers
    in the pods, whose CPU is not to count.
    """
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(owner, color_name(owner.name, color), color),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": color_name(owner.name, color)},
            "minReplicas": minimum,
            "maxReplicas": maximum,
            "metrics": _in_one_order(metrics) or [_cpu(with_sidecars)],
            "behavior": _behavior(behavior),
        },
    }


def _behavior(wished: ScalingBehavior | None) -> Manifest:
    rules = {} if wished is None else {way: _rules(stated) for way, stated in wished.dump().items()}
    return {"scaleDown": _SHRINK_GENTLY} | {way: stated for way, stated in rules.items() if stated}


def _rules(stated: Manifest) -> Manifest:
    """Without an empty list of policies: the API server fills its own in."""
    return {name: value for name, value in stated.items() if value != []}


def _cpu(with_sidecars: bool) -> Manifest:
    """Of the server alone beside sidecars: one of them without a request would leave the pod without a measure."""
    target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
    if with_sidecars:
        source = {"name": "cpu", "container": SERVER_CONTAINER, "target": target}
        return {"type": "ContainerResource", "containerResource": source}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _in_one_order(metrics: Iterable[HpaMetric]) -> list[Manifest]:
    """Sorted: the autoscaler takes the largest of what they ask for, so their order means nothing."""
    return sorted(
        (_canonical_metric(metric.dump()) for metric in metrics), key=lambda made: json.dumps(made, sort_keys=True)
    )


def _canonical_metric(metric: Mapping[str, Any]) -> Manifest:
    return {key: _canonical_source(value) if isinstance(value, Mapping) else value for key, value in metric.items()}


def _canonical_source(source: Mapping[str, Any]) -> Manifest:
    target = source.get("target")
    if not isinstance(target, Mapping):
        return dict(source)
    spelled = {key: _spell(value) if key in _QUANTITIES else value for key, value in target.items()}
    return {**source, "target": spelled}


def _spell(value: Any) -> Any:
    """A quantity in the one spelling of its value; what is none stays, for the API server to refuse by name."""
    try:
        return by_value(value)
    except ValueError:
        return value
