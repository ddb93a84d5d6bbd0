"""What one pod takes from a node and from a quota, counted as the scheduler and the quota controller count it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from verdigris.api.schema.quantity import amount_of
from verdigris.core.facts.survey import Amounts, LimitRangeView

Raw = Mapping[str, Any]

PODS = "pods"
"""A pod takes one slot of its node."""


@dataclass(frozen=True)
class ContainerNeed:
    """A container's requests and limits as the API server will have completed them, and the limits that it states."""

    name: str
    requests: Amounts
    limits: Amounts
    stated_limits: Amounts


@dataclass(frozen=True)
class PodNeed:
    """What one pod takes: `requests` from its node (a pod slot included), and `limits` in sum. Nothing is zero."""

    requests: Amounts
    limits: Amounts
    containers: tuple[ContainerNeed, ...] = ()


def pod_need(template: Raw, limit_ranges: Iterable[LimitRangeView] = ()) -> PodNeed:
    """What a pod of this PodTemplateSpec (or this Pod) takes in a namespace with these LimitRanges.

    emptyDir volumes count nowhere: the scheduler does not look at them. Raises ValueError for an amount that is no
    quantity.
    """
    spec, ranges = template.get("spec") or {}, tuple(limit_ranges)
    needs = {id(raw): _container(raw, ranges) for raw in _containers(spec)}
    requests = _effective(spec, lambda raw: needs[id(raw)].requests, "requests")
    limits = _effective(spec, lambda raw: needs[id(raw)].limits, "limits")
    return PodNeed(
        requests={**_positive(requests), PODS: Decimal(1)}, limits=_positive(limits), containers=tuple(needs.values())
    )


def pod_requests(pod: Raw) -> Amounts:
    """What a Pod that exists has been promised by its node, a pod slot included."""
    spec = pod.get("spec") or {}
    requests = _effective(spec, lambda raw: _container(raw, ()).requests, "requests")
    return {**_positive(requests), PODS: Decimal(1)}


def _containers(spec: Raw) -> Iterator[Raw]:
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def _container(raw: Raw, ranges: tuple[LimitRangeView, ...]) -> ContainerNeed:
    """The API server first takes a missing request from the limit, then both from the LimitRanges."""
    resources = raw.get("resources") or {}
    limits = _amounts(resources.get("limits"))
    stated = limits
    requests = {**limits, **_amounts(resources.get("requests"))}
    for given in ranges:
        requests = {**given.default_requests, **requests}
        limits = {**given.default_limits, **limits}
    return ContainerNeed(raw.get("name", "?"), requests, limits, stated)


def _amounts(raw: Raw | None) -> dict[str, Decimal]:
    return {name: amount_of(value) for name, value in (raw or {}).items()}


def _effective(spec: Raw, of: Callable[[Raw], Amounts], kind: str) -> dict[str, Decimal]:
    """Init containers run one after the other, the restartable ones (sidecars) stay: they add to all that follow."""
    staying: Amounts = {}
    peak: Amounts = {}
    for raw in spec.get("initContainers") or ():
        running = _plus(staying, of(raw))
        if raw.get("restartPolicy") == "Always":
            staying = running
        peak = _most(peak, running)
    for raw in spec.get("containers") or ():
        staying = _plus(staying, of(raw))
    of_the_pod = _amounts((spec.get("resources") or {}).get(kind))
    total = {**_most(peak, staying), **of_the_pod}
    return _plus(total, _amounts(spec.get("overhead")), only_known=kind == "limits")


def _plus(left: Amounts, right: Amounts, only_known: bool = False) -> dict[str, Decimal]:
    total = dict(left)
    for name, amount in right.items():
        # A runtime's overhead sets no limit where there is none.
        if name in total or not only_known:
            total[name] = total.get(name, Decimal(0)) + amount
    return total


def _most(left: Amounts, right: Amounts) -> dict[str, Decimal]:
    return {name: max(left.get(name, Decimal(0)), right.get(name, Decimal(0))) for name in (*left, *right)}


def _positive(amounts: Amounts) -> dict[str, Decimal]:
    return {name: amount for name, amount in amounts.items() if amount > 0}
