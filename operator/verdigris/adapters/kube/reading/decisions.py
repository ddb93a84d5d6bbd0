"""What people have decided about a model, as far as nobody has answered it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.port import Lister
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import Invalid
from verdigris.api.decision import RolloutDecisionSpec
from verdigris.api.schema.reading import read
from verdigris.core.facts.observed import Decision
from verdigris.core.words import plain

Raw = Mapping[str, Any]


async def open_decisions(lister: Lister, namespace: str, name: str) -> list[dict[str, Any]]:
    """Those about this model that nobody has answered. The others are history, of which there may be thousands.

    Raises ApiError.
    """
    fields = f"spec.modelDeployment={name},status.outcome="
    try:
        return await lister.list(kinds.ROLLOUT_DECISION, namespace, fields=fields)
    except Invalid:
        # Kubernetes 1.30, or a CRD from before, selects by no field of ours.
        return await lister.list(kinds.ROLLOUT_DECISION, namespace)


def understood(raws: Iterable[Raw]) -> tuple[Decision, ...]:
    """Those that can be understood, the oldest first. The others decide nothing."""
    found = (_decision(raw) for raw in raws)
    return tuple(sorted(filter(None, found), key=lambda decision: (decision.created, decision.name)))


def _decision(raw: Raw) -> Decision | None:
    try:
        spec = read(RolloutDecisionSpec, raw.get("spec") or {}).value
    except ValidationError:
        return None
    meta = views.metadata(raw)
    return Decision(
        uid=meta["uid"],
        name=meta["name"],
        revision=spec.revision,
        verb=spec.verb,
        reason=plain(spec.reason),
        by=plain(spec.requested_by),
        created=views.time_of(meta["creationTimestamp"]),
        answered=bool((raw.get("status") or {}).get("outcome")),
    )
