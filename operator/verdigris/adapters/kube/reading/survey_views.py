"""Raw nodes, quotas, limit ranges and Events as the plan's views of them. Pure: dicts in, frozen values out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from verdigris.adapters.kube.reading.views import MAX_MESSAGE, Raw, metadata, time_of
from verdigris.api.schema.quantity import amount_of
from verdigris.core.facts.observed import PodEvent
from verdigris.core.facts.survey import LimitRangeView, NodeView, QuotaView, Taint
from verdigris.core.pods.room.needs import pod_requests
from verdigris.core.words import clip, one_line


def add_requests(total: dict[str, dict[str, Decimal]], pods: Iterable[Raw]) -> None:
    """Add to the total of each node what these of its pods have been promised; those that have ended hold nothing.

    Raises ValueError for an amount that is no quantity.
    """
    for pod in pods:
        node = (pod.get("spec") or {}).get("nodeName")
        if not node or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        mine = total.setdefault(node, {})
        for name, amount in pod_requests(pod).items():
            mine[name] = mine.get(name, Decimal(0)) + amount


def node_view(raw: Raw) -> NodeView:
    """A node without its pods' requests. Raises ValueError for an amount that is no quantity."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    ready: Raw = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), {})
    turned = ready.get("lastTransitionTime")
    return NodeView(
        name=metadata(raw)["name"],
        ready=ready.get("status") == "True",
        since=time_of(turned) if turned else None,
        cordoned=bool(spec.get("unschedulable")),
        labels=metadata(raw).get("labels") or {},
        taints=tuple(Taint(t["key"], t.get("value") or "", t.get("effect") or "") for t in spec.get("taints") or ()),
        allocatable=_amounts(status.get("allocatable")),
    )


def quota_view(raw: Raw) -> QuotaView:
    """A ResourceQuota; one that its controller has not counted yet uses nothing. Raises ValueError."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    return QuotaView(
        name=metadata(raw)["name"],
        hard=_amounts(status.get("hard") or spec.get("hard")),
        used=_amounts(status.get("used")),
        scoped=bool(spec.get("scopes") or spec.get("scopeSelector")),
    )


def limit_range_view(raw: Raw) -> LimitRangeView:
    """What a LimitRange says about containers; its limits on whole pods and claims are left out. Raises ValueError."""
    items = [item for item in (raw.get("spec") or {}).get("limits") or () if item.get("type") == "Container"]

    def all_of(field: str) -> dict[str, Decimal]:
        return {name: amount for item in items for name, amount in _amounts(item.get(field)).items()}

    return LimitRangeView(
        name=metadata(raw)["name"],
        default_requests=all_of("defaultRequest"),
        default_limits=all_of("default"),
        minimum=all_of("min"),
        maximum=all_of("max"),
    )


def pod_events(raws: Iterable[Raw]) -> tuple[PodEvent, ...]:
    """The Events about one pod, the newest last."""
    found = [
        PodEvent(
            reason=str(raw.get("reason") or ""),
            message=clip(one_line(str(raw.get("message") or "")), MAX_MESSAGE),
            count=(raw.get("series") or {}).get("count") or raw.get("count") or 1,
            at=_last_seen(raw),
        )
        for raw in raws
    ]
    return tuple(sorted(found, key=lambda event: (event.at, event.reason, event.message)))


def _last_seen(raw: Raw) -> datetime:
    series = raw.get("series") or {}
    told = (series.get("lastObservedTime"), raw.get("lastTimestamp"), raw.get("eventTime"))
    return time_of(next(filter(None, told), None) or metadata(raw)["creationTimestamp"])


def _amounts(raw: Any) -> dict[str, Decimal]:
    return {name: amount_of(value) for name, value in (raw or {}).items()}
