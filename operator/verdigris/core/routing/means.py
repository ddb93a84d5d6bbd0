"""By which means a candidate can be given a share of the clients while the clients' Service stays where it is.

The shield comes first: no client's answer depends on it. A gateway's weights are for where that cannot be had.
"""

from __future__ import annotations

from typing import Literal

from verdigris.api.status import Color, RolloutStatus
from verdigris.core.facts.observed import Observed
from verdigris.core.routing import gateway
from verdigris.core.routing.shield import WHOLE, cannot_be_told, fronts, shares

Means = Literal["Shield", "Gateway"]


def chosen(observed: Observed, rollout: RolloutStatus, active: Color, *, shielded: bool) -> Means | None:
    """The means; None: there is none. It stays the same for as long as a rollout is asked anything by it.

    `shielded`: the policy wants the shield where it can be had.
    """
    if rollout.routed:
        return "Gateway"
    if rollout.passed_on or (shielded and cannot_be_told(observed, rollout, active) is None):
        return "Shield"
    return "Gateway" if gateway.cannot_share(observed, rollout, active) is None else None


def missing(observed: Observed, rollout: RolloutStatus, active: Color, *, shielded: bool) -> str | None:
    """Why the means that is chosen cannot be used (any more), or why there is none, in a sentence; None when it can."""
    means = chosen(observed, rollout, active, shielded=shielded)
    if means == "Shield":
        return cannot_be_told(observed, rollout, active)
    by_gateway = gateway.cannot_share(observed, rollout, active)
    if by_gateway is None or means == "Gateway":
        return by_gateway
    by_shield = cannot_be_told(observed, rollout, active) if shielded else "spec.rollout.shield is false."
    return f"{by_shield} {by_gateway}" if observed.spec.traffic.is_routed else by_shield


def is_given(observed: Observed, rollout: RolloutStatus, active: Color, share: int) -> tuple[bool, str]:
    """Whether anybody was seen to give the candidate this share (hundredths of a percent), and who, in a sentence."""
    if rollout.routed:
        found = observed.routing.route
        now = found.share(rollout.color) if found is not None else 0.0
        late = " The gateway has not taken it up yet." if gateway.lags(observed) else ""
        return gateway.gives(observed, rollout.color, share), f"A gateway's HTTPRoute sends {now:g} % to it.{late}"
    ready = fronts(observed, active)
    told = sum(shares(pod.order).passed_on == share for pod in ready)
    what = "its requests" if share == WHOLE else f"{share / 100:g} % of their requests"
    return told > 0, f"{told} of {len(ready)} active pods pass {what} on."
