"""Raw nodes, quotas, limit ranges and Events as the plan's views of them. Pure: dicts in, frozen values out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from verdigris.cluster.views import MAX_MESSAGE, Raw, metadata, time_of
from verdigris.resources.quantity import amount_of
from verdigris.rollout.capacity_needs import pod_requests
from verdigris.rollout.observed import Amounts, LimitRangeView, NodeView, PodEvent, QuotaView, Taint


def node_views(nodes: Iterable[Raw], pods: Iterable[Raw]) -> tuple[NodeView, ...]:
    """The nodes by name, with what their pods have been promised. Pods that have ended hold nothing any more.

    Raises ValueError for an amount that is no quantity.
    """
    requested: dict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for pod in pods:
        node = (pod.get("spec") or {}).get("nodeName")
        if not node or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        for name, amount in pod_requests(pod).items():
            requested[node][name] += amount
    return tuple(
        _node_view(raw, dict(requested[metadata(raw)["name"]]))
        for raw in sorted(nodes, key=lambda raw: str(metadata(raw)["name"]))
    )


def _node_view(raw: Raw, requested: Amounts) -> NodeView:
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
        requested=requested,
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
            message=str(raw.get("message") or "")[:MAX_MESSAGE],
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
