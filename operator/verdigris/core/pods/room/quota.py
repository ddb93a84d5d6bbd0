"""What a namespace's ResourceQuotas and LimitRanges say to further pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from verdigris.api.status import Failure
from verdigris.core.facts.survey import Amounts, LimitRangeView, QuotaView
from verdigris.core.pods.room.needs import PODS, ContainerNeed, PodNeed
from verdigris.core.pods.room.words import spell

_PLAIN = frozenset({"cpu", "memory", "ephemeral-storage"})
"""A quota may name these without `requests.`."""
_DEMANDED = frozenset({"cpu", "memory"})
"""A quota on these refuses a pod with a container that says nothing about them."""


@dataclass(frozen=True)
class QuotaRoom:
    """One line of a quota that pods take from: how much it allows, what is used, what a pod takes."""

    quota: str
    resource: str
    hard: Decimal
    used: Decimal
    each: Decimal

    @property
    def pods(self) -> int:
        """How many more pods it lets in."""
        return int(max(Decimal(0), self.hard - self.used) // self.each)


def quota_rooms(quotas: Iterable[QuotaView], need: PodNeed) -> tuple[QuotaRoom, ...]:
    """Every line of every quota that such a pod takes from. Quotas with scopes are left to the API server."""
    return tuple(
        QuotaRoom(quota.name, resource, hard, quota.used.get(resource, Decimal(0)), each)
        for quota in quotas
        if not quota.scoped
        for resource, hard in sorted(quota.hard.items())
        if (each := _taken(resource, need)) > 0
    )


def _taken(resource: str, need: PodNeed) -> Decimal:
    side, name = _side(resource, need)
    return side.get(name, Decimal(0))


def _side(resource: str, need: PodNeed) -> tuple[Amounts, str]:
    """Where a pod has what a quota calls by this name. What is about no pod is in none of them."""
    kind, _, name = resource.partition(".")
    if resource in ("count/pods", PODS):
        return need.requests, PODS
    if kind == "requests":
        return need.requests, name
    if kind == "limits":
        return need.limits, name
    return need.requests, resource if resource in _PLAIN or resource.startswith("hugepages-") else ""


def refusal(quotas: Iterable[QuotaView], limit_ranges: Iterable[LimitRangeView], need: PodNeed) -> Failure | None:
    """Why not even one such pod will be let in, whatever is used at present."""
    for limits in limit_ranges:
        for words in (*_out_of_bounds(limits, need.containers), *_default_too_low(limits, need.containers)):
            return Failure(
                reason="LimitExceeded",
                message=f"LimitRange {limits.name} refuses the pods: {words}. Set spec.serving.resources within its "
                "bounds, or have the LimitRange changed.",
            )
    for quota in quotas:
        missing = () if quota.scoped else tuple(_unsaid(quota, need.containers))
        if missing:
            return Failure(
                reason="ResourcesNotSet",
                message=f"Quota {quota.name} refuses pods that do not say their {' and '.join(missing)}: set it in "
                "spec.serving.resources.",
            )
    return None


def _out_of_bounds(limits: LimitRangeView, containers: Iterable[ContainerNeed]) -> Iterator[str]:
    for container in containers:
        for resource, least in sorted(limits.minimum.items()):
            asked = container.requests.get(resource)
            if asked is None or asked < least:
                yield _words(container, "requests", resource, asked, f"at least {spell(resource, least)}")
        for resource, most in sorted(limits.maximum.items()):
            asked, allowed = container.requests.get(resource), container.limits.get(resource)
            if asked is not None and asked > most:
                yield _words(container, "requests", resource, asked, f"at most {spell(resource, most)}")
            if allowed is None or allowed > most:
                yield _words(container, "limits", resource, allowed, f"at most {spell(resource, most)}")


def _default_too_low(limits: LimitRangeView, containers: Iterable[ContainerNeed]) -> Iterator[str]:
    """Where the container states no limit, this LimitRange's default is one, and no request may be above it."""
    for container in containers:
        for resource, given in sorted(limits.default_limits.items()):
            asked = container.requests.get(resource)
            if resource not in container.stated_limits and asked is not None and asked > given:
                yield (
                    f"container {container.name} requests {spell(resource, asked)} {resource}, more than the limit of "
                    f"{spell(resource, given)} that it gives to containers that state none"
                )


def _words(container: ContainerNeed, kind: str, resource: str, amount: Decimal | None, bound: str) -> str:
    has = "no" if amount is None else spell(resource, amount)
    return f"container {container.name} has {has} {kind}.{resource}, it wants {bound}"


def _unsaid(quota: QuotaView, containers: tuple[ContainerNeed, ...]) -> Iterator[str]:
    for resource in sorted(quota.hard):
        kind, _, name = resource.partition(".")
        kind, name = (kind, name) if name else ("requests", kind)
        if name not in _DEMANDED or kind not in ("requests", "limits"):
            continue
        if any(name not in (c.limits if kind == "limits" else c.requests) for c in containers):
            yield f"{kind}.{name}"
