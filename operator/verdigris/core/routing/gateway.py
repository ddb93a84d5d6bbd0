"""A gateway's HTTPRoute: which share of its requests each colour is to get, and which it was seen to get.

It goes where the clients' Service goes. Only in a trial it may give the candidate a share while the Service stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from verdigris.api.status import Color, ModelDeploymentStatus, RolloutStatus, other
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.route import HTTP_ROUTE
from verdigris.core.routing.service import candidate_share, reached, route, stale
from verdigris.core.routing.shield import WHOLE
from verdigris.core.routing.split import had_clients

PATIENCE = timedelta(seconds=60)
"""How long a version that was taken back keeps its pods for a gateway that has not followed yet: it may be away."""


def sends_to(observed: Observed, color: Color) -> bool:
    """Whether the route was seen to send clients there."""
    found = observed.routing.route
    return found is not None and found.reaches(color)


def may_send_to(observed: Observed, color: Color) -> bool:
    """The same, also where a route that there is could not be read."""
    unseen = HTTP_ROUTE in observed.unseen and observed.status.route is not None
    return unseen or sends_to(observed, color)


def meets_clients(observed: Observed, color: Color) -> bool:
    """Whether clients reach the colour now, by the clients' Service or by a gateway."""
    return color in reached(observed.selected) or sends_to(observed, color)


def lags(observed: Observed) -> bool:
    """Whether a gateway has not taken the route up as it stands, as far as it tells."""
    found = observed.routing.route
    return found is not None and found.accepted and found.lags


def wanted_share(observed: Observed, status: ModelDeploymentStatus) -> int | None:
    """Hundredths of a percent for the colour that is not active; None: nobody gets clients yet.

    Nothing goes to a colour without an endpoint while the other has one (law 2), nor to a candidate before the wish is
    kept in the status. What goes back to the active colour asks for nothing else (law 1).
    """
    selection, active = route(observed, status), status.active
    if active is None or selection is None:
        return None
    candidate = other(active.color)
    if selection == candidate:
        return WHOLE
    if not observed.endpoints.get(active.color, 0):
        return _to_who_answers(observed, status, candidate)
    if selection == "both":
        return 100 * candidate_share(observed, candidate)
    return _on_trial(observed, status.rollout) if observed.endpoints.get(candidate, 0) else 0


def _to_who_answers(observed: Observed, status: ModelDeploymentStatus, candidate: Color) -> int:
    """While no active pod answers, clients who have the other colour keep it, and the rest come there once the status
    as it was read says that it had any."""
    if not observed.endpoints.get(candidate, 0) or not _had_clients(observed, status, candidate):
        return 0
    found, kept = observed.routing.route, observed.status.rollout
    on_record = status.rollout is None or (kept is not None and (had_clients(kept) or kept.routed or kept.wanted))
    return WHOLE if on_record or found is None else round(100 * found.share(candidate))


def _had_clients(observed: Observed, status: ModelDeploymentStatus, candidate: Color) -> bool:
    """Whether the route sends clients there, or one that is gone may have done so."""
    rollout = status.rollout
    gone = observed.routing.route is None and rollout is not None and had_clients(rollout)
    return gone or sends_to(observed, candidate)


def _on_trial(observed: Observed, rollout: RolloutStatus | None) -> int:
    kept = observed.status.rollout
    if rollout is None or kept is None or kept.revision != rollout.revision or stale(observed, rollout) is not None:
        return 0
    return min(rollout.routed, kept.routed)


def weights(active: Color, share: int) -> Mapping[Color, int]:
    """Weights that give the other colour `share` hundredths of a percent: in percent where those are whole."""
    parts = 100 if share % 100 == 0 else 1
    return {active: (WHOLE - share) // parts, other(active): share // parts}


def gives(observed: Observed, color: Color, share: int) -> bool:
    """Whether the route was seen to give this colour just so many hundredths of a percent, and is followed."""
    found = observed.routing.route
    return found is not None and round(100 * found.share(color)) == share and not found.lags


def is_moved(observed: Observed, color: Color, share: int) -> bool:
    """Whether a route, where one is wanted, shows that share of new connections (none, some or all, in percent)."""
    found = observed.routing.route
    if not observed.spec.traffic.is_routed or not share:
        return True
    if found is None:
        return False
    return found.reaches(color) and (share < 100 or not found.reaches(other(color)))


def cannot_share(observed: Observed, rollout: RolloutStatus, active: Color) -> str | None:
    """Why no gateway can give the candidate a share, in a sentence; None when one can."""
    useless = _of_no_use(observed)
    if useless is not None:
        return useless
    if rollout.sizes is not None:
        return "Its pods take the places of the active ones: clients are shared by the pods that each version has."
    ready = observed.endpoints
    if not ready.get(active, 0) or not ready.get(rollout.color, 0):
        return "Only one of the two versions has a pod that is ready, so no gateway can share clients between them."
    return None


def _of_no_use(observed: Observed) -> str | None:
    """Why there is no route by which a gateway's clients come."""
    routing, found = observed.routing, observed.routing.route
    if not observed.spec.traffic.is_routed:
        return "No gateway can give it a share: spec.traffic.router is Service."
    if routing.fault is not None:
        return routing.fault.message
    if found is None:
        return "The HTTPRoute is not there yet."
    if found.accepted:
        return None
    return found.refused or f"No gateway serves HTTPRoute {found.name}."
