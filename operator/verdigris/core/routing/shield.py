"""The shield: while a version is on trial the clients stay on the active colour, whose pods stand in front of it.

Each active pod passes a share of the requests on and answers itself what does not come back well. It is told by an
annotation, which it reads as a file: `serving/verdigris_serving/http/shield/order.py` has the other end of it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, NamedTuple

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Color, ModelDeploymentStatus, RolloutStatus
from verdigris.children.names import COLOR_PORT, color_name
from verdigris.core.facts.observed import Observed, PodView
from verdigris.core.facts.policy import Policy, in_force

WHOLE = 10_000
"""A share is a whole number of these: hundredths of a percent."""

_PATIENCE = timedelta(seconds=1)
_TIMES_P95 = 4


def answer_within(policy: Policy) -> timedelta:
    """After how long an active pod answers itself: what the user declared, else by what an answer may take at all.

    Five of a hundred good answers may take longer than the limit of p95, so that is none: what is late counts against
    the version. Hardly a good one takes four times as long. Where no limit is known, a second.
    """
    if policy.rollout.answer_within is not None:
        return parse_duration(policy.rollout.answer_within)
    latency = policy.analysis.latency
    if latency is None or latency.factor is not None:
        return _PATIENCE
    return _TIMES_P95 * timedelta(seconds=latency.seconds)


def wanted_order(observed: Observed, status: ModelDeploymentStatus) -> str | None:
    """What the active pods are to be told; None: to answer themselves.

    Nothing is passed on before the wish itself is kept in the status: whoever reads it must know that the version is
    asked. To pass on no more needs no record, nor anything else (law 1).
    """
    rollout, kept = status.rollout, observed.status.rollout
    if rollout is None or status.active is None or kept is None or kept.revision != rollout.revision:
        return None
    host = observed.addresses.get(rollout.color)
    share, shadow = min(rollout.passed_on, kept.passed_on), min(rollout.shadowed, kept.shadowed)
    if host is None or not (share or shadow):
        return None
    order: dict[str, Any] = {
        "host": host,
        "port": COLOR_PORT,
        "revision": rollout.revision,
        "share": share,
        "within": answer_within(in_force(observed.spec, rollout)).total_seconds(),
        "salt": observed.owner.name,
        "version": rollout.version,
    }
    if shadow:
        order["shadow"] = shadow
    if in_force(observed.spec, rollout).rollout.schema_change:
        order["schemaChange"] = True
    traffic = observed.spec.traffic
    if traffic.unit is not None:
        order["unit"] = traffic.unit.header
    if traffic.testers is not None and share:
        order["testers"] = traffic.testers.dump()
    return json.dumps(order, sort_keys=True, separators=(",", ":"))


def order_for(pod: PodView, active: Color | None, order: str | None) -> str | None:
    """What this pod is to be told: only active ones stand in front, and of those the ones that can."""
    return order if pod.color == active and pod.forwards else None


def fronts(observed: Observed, active: Color) -> tuple[PodView, ...]:
    """The active colour's own ready pods, which have to stand in front. A copy that somebody made is told nothing."""
    mine = (pod for pod in observed.pods if pod.color == active and pod.controlled)
    return tuple(pod for pod in mine if pod.ready and not pod.terminating)


def is_passed_on(observed: Observed, rollout: RolloutStatus) -> bool:
    """Whether a pod in front was seen to be told still that it passes requests on to this revision."""
    return any(pod.color != rollout.color and pod.order is not None and not pod.terminating for pod in observed.pods)


def seen_share(observed: Observed, active: Color) -> float:
    """Percent of the clients' requests that are passed on, by what the pods in front were seen to be told."""
    ready = fronts(observed, active)
    return 100 * sum(shares(pod.order).passed_on for pod in ready) / WHOLE / len(ready) if ready else 0.0


class Shares(NamedTuple):
    """Of how many requests a pod passes on the request, or a copy, in hundredths of a percent."""

    passed_on: int
    shadowed: int


def shares(order: str | None) -> Shares:
    """What a pod in front was told; nothing where nobody here has written it."""
    try:
        told = json.loads(order or "{}")
    except ValueError:
        told = None
    found = [told.get(name, 0) if isinstance(told, dict) else 0 for name in ("share", "shadow")]
    return Shares(*(one if isinstance(one, int) and 0 <= one <= WHOLE else 0 for one in found))


def cannot_be_told(observed: Observed, rollout: RolloutStatus, active: Color) -> str | None:
    """Why the active pods cannot pass anything on to the candidate, in a sentence; None when they can."""
    ready = fronts(observed, active)
    older = [pod for pod in ready if not pod.forwards]
    if not ready:
        return "No active pod is ready to stand in front of it."
    if older:
        return (
            f"{len(older)} of {len(ready)} active pods were made by an operator that did not know the shield "
            f"({older[0].name}), so they cannot be told. The version after this one can have it."
        )
    if rollout.color not in observed.addresses:
        return f"The Service {color_name(observed.owner.name, rollout.color)}, by which it is asked, has no address."
    return None
