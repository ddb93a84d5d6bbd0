"""Who owns what was read: which names that a model needs are taken, and which children lost their owner reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.port import Lister
from verdigris.adapters.kube.transport import kinds
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Color, ModelDeploymentStatus
from verdigris.children.inventory import Ref, every_name
from verdigris.children.names import COLORS, Owner, color_name, snapshot_name
from verdigris.children.ownership import whose
from verdigris.core.facts.observed import FOREIGN_AUTOSCALER, TakenName

Raw = Mapping[str, Any]

LEAVING_PATIENCE = timedelta(seconds=60)
"""How long the garbage collector may take with what a deleted ModelDeployment of the same name has left."""


def needed_names(owner: Owner, spec: ModelDeploymentSpec, target: str) -> tuple[Ref, ...]:
    """Every name that this model will ever need, as its spec stands; `target` is the revision that it asks for."""
    scaling = spec.autoscaling
    return every_name(
        owner,
        target,
        autoscaled=not scaling.external and scaling.min_replicas != scaling.max_replicas,
        monitored=spec.monitoring.service_monitor.enabled,
        alerted=spec.monitoring.prometheus_rule.enabled,
        fenced=spec.serving.network_policy.enabled,
        gated=any(step.gate is not None for step in spec.rollout.steps),
        routed=spec.traffic.gateway is not None and spec.traffic.gateway.route is None,
    )


def kept_names(owner: Owner, status: ModelDeploymentStatus) -> Iterator[Ref]:
    """The snapshots of the revisions in use: one that lost its labels is no lost one."""
    for ref in filter(None, (status.active, status.rollout, status.warm)):
        yield Ref("apps/v1", kinds.CONTROLLER_REVISION.kind, snapshot_name(owner.name, ref.revision))


def is_new(parent: Raw, now: datetime | None) -> bool:
    """Whether it has been there so short a time that what an earlier one left may still be on its way out."""
    return now is None or now < views.time_of(views.metadata(parent)["creationTimestamp"]) + LEAVING_PATIENCE


@dataclass(frozen=True)
class OwnershipFilter:
    """Tells a model's own objects from others of the same names.

    `patient`: children of a deleted model of this name are left to the garbage collector, not adopted yet.
    """

    owner: Owner
    patient: bool

    def ours(self, raw: Raw) -> bool:
        """Whether it may be written, and judged by."""
        found = whose(raw, self.owner)
        return found in ("Ours", "Orphan") or (found == "Leaving" and not self.patient)

    def mine(self, live: Mapping[tuple[str, str], Raw]) -> dict[tuple[str, str], Raw]:
        """Those that are ours, by kind and name."""
        return {ref: raw for ref, raw in live.items() if self.ours(raw)}

    def taken(self, name: Ref, live: Mapping[tuple[str, str], Raw]) -> TakenName | None:
        """The name as one that somebody else has; None when it is free or ours."""
        raw = live.get((name.kind, name.name))
        if raw is None or self.ours(raw):
            return None
        return TakenName(name.kind, name.name, leaving=whose(raw, self.owner) == "Leaving")

    def orphans(self, mine: Iterable[Raw]) -> tuple[Ref, ...]:
        """Those of ours that have to get our owner reference (again)."""
        lost = (raw for raw in mine if whose(raw, self.owner) != "Ours")
        return tuple(Ref(raw["apiVersion"], raw["kind"], views.metadata(raw)["name"]) for raw in lost)


async def foreign_scalers(
    reader: Lister, owner: Owner, status: ModelDeploymentStatus, least: int, mine: Mapping[tuple[str, str], Raw]
) -> dict[Color, str]:
    """Autoscalers of somebody else on our Deployments. All of a namespace are read only when there is a sign of one.

    `least` is the smallest size that is asked for.
    """
    targets = {
        color: raw
        for color in COLORS
        if (raw := mine.get((kinds.DEPLOYMENT.kind, color_name(owner.name, color)))) is not None
    }
    told = any(condition.reason == FOREIGN_AUTOSCALER for condition in status.conditions)
    signs = (
        views.is_sized_by_others(raw, mine.get((kinds.AUTOSCALER.kind, color_name(owner.name, color))), least)
        for color, raw in targets.items()
    )
    if not told and not any(signs):
        return {}
    found = await reader.list(kinds.AUTOSCALER, owner.namespace)
    return views.foreign_scalers(found, owner, targets)
