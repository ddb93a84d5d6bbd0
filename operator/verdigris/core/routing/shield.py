"""The shield: while a version is on trial the clients stay on the active colour, whose pods stand in front of it.

Each active pod passes a share of the requests on and answers itself what does not come back well. It is told by an
annotation, which it reads as a file: `serving/verdigris_serving/http/shield/order.py` has the other end of it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Color, ModelDeploymentStatus, RolloutStatus
from verdigris.children.names import COLOR_PORT
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
    if rollout is None or status.active is None or not rollout.passed_on or kept is None:
        return None
    host = observed.addresses.get(rollout.color)
    if host is None or not kept.passed_on or kept.revision != rollout.revision:
        return None
    order: dict[str, Any] = {
        "host": host,
        "port": COLOR_PORT,
        "revision": rollout.revision,
        "share": min(rollout.passed_on, kept.passed_on),
        "within": answer_within(in_force(observed.spec, rollout)).total_seconds(),
        "salt": observed.owner.name,
    }
    traffic = observed.spec.traffic
    if traffic.unit is not None:
        order["unit"] = traffic.unit.header
    if traffic.testers is not None:
        order["testers"] = traffic.testers.dump()
    return json.dumps(order, sort_keys=True, separators=(",", ":"))


def order_for(pod: PodView, active: Color | None, order: str | None) -> str | None:
    """What this pod is to be told: only active ones stand in front, and of those the ones that can."""
    return order if pod.color == active and pod.forwards else None


def fronts(observed: Observed, active: Color) -> tuple[PodView, ...]:
    """The active colour's ready pods: those that clients reach, and that have to stand in front."""
    return tuple(pod for pod in observed.pods if pod.color == active and pod.ready and not pod.terminating)


def is_passed_on(observed: Observed, rollout: RolloutStatus) -> bool:
    """Whether a pod in front was seen to be told still that it passes requests on to this revision."""
    return any(pod.color != rollout.color and pod.order is not None and not pod.terminating for pod in observed.pods)


def seen_share(observed: Observed, active: Color) -> float:
    """Percent of the clients' requests that are passed on, by what the pods in front were seen to be told."""
    ready = fronts(observed, active)
    return 100 * sum(share_of(pod.order) for pod in ready) / WHOLE / len(ready) if ready else 0.0


def share_of(order: str | None) -> int:
    """What a pod in front was told to pass on, in hundredths of a percent; 0 for what nobody here has written."""
    try:
        share = json.loads(order or "{}")["share"]
    except (ValueError, LookupError, TypeError):
        return 0
    return share if isinstance(share, int) and 0 <= share <= WHOLE else 0
