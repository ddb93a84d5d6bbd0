"""The HTTPRoute of a model that has one: what is written of it, what is remembered, and what is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from verdigris.api.spec.traffic import GatewaySpec, TestersSpec
from verdigris.api.status import ActiveStatus, Color, RouteStatus, other
from verdigris.children import http_route
from verdigris.core.actions import Action, Keep, MoveRoute, Remove
from verdigris.core.engine.names import Line
from verdigris.core.facts.route import HTTP_ROUTE, RouteView
from verdigris.core.routing.gateway import wanted_share, weights
from verdigris.core.turn import Turn

CONDITION = "Routed"
WEIGHTS_EDITED = "WeightsEdited"

LOOK_AGAIN = timedelta(seconds=10)
"""After this long a route that is of no use is looked at again: one that no model claims is not watched."""


def move_route(turn: Turn) -> Iterator[Action]:
    """The weights, beside the move of the clients' Service: either may be a rollback, and waits for nothing."""
    active, share = turn.active, wanted_share(turn.observed, turn.status)
    if active is None or share is None or not _is_ours_to_write(turn):
        return
    rollout, route, own = turn.status.rollout, turn.observed.routing.route, _own(turn)
    back = rollout is not None and rollout.taken_back
    seen = route.share(other(active.color)) if route is not None else 0.0
    yield MoveRoute(
        _name(turn),
        weights(active.color, share),
        _manifest(turn, active, own, share) if own is not None else None,
        as_seen=share > round(100 * seen) and not back,
        back=back,
    )


def keep_route(turn: Turn) -> Iterator[Action]:
    """All else of a route of ours, after the move; and one that is not asked for any more goes."""
    active, own, share = turn.active, _own(turn), wanted_share(turn.observed, turn.status)
    if active is not None and own is not None and share is not None and _is_ours_to_write(turn):
        yield Keep(_manifest(turn, active, own, share))
    if turn.observed.routing.left:
        yield Remove(http_route.API_VERSION, HTTP_ROUTE, turn.observed.owner.name)


def _is_ours_to_write(turn: Turn) -> bool:
    return turn.observed.spec.traffic.is_routed and turn.observed.routing.fault is None


def _own(turn: Turn) -> GatewaySpec | None:
    """Where the operator makes the route itself."""
    gateway = turn.observed.spec.traffic.gateway
    return gateway if gateway is not None and gateway.route is None else None


def _name(turn: Turn) -> str:
    gateway = turn.observed.spec.traffic.gateway
    return gateway.route if gateway is not None and gateway.route is not None else turn.observed.owner.name


def _manifest(turn: Turn, active: ActiveStatus, gateway: GatewaySpec, share: int) -> Mapping[str, Any]:
    return http_route.build(turn.observed.owner, gateway, weights(active.color, share), _testers(turn, share))


def _testers(turn: Turn, share: int) -> tuple[TestersSpec, Color] | None:
    """Who meets the candidate whatever its share is. Behind the shield the active pods see to that."""
    rollout, testers = turn.status.rollout, turn.observed.spec.traffic.testers
    if testers is None or rollout is None or not rollout.routed or not share:
        return None
    return testers, rollout.color


def remember_route(turn: Turn) -> Turn:
    """Keep which route there is: one of ours goes when it is not wanted any more, and none is taken for absent."""
    if turn.observed.spec.traffic.is_routed:
        wanted: RouteStatus | None = RouteStatus(
            name=_name(turn), own=_own(turn) is not None or turn.observed.routing.left
        )
    else:
        wanted = turn.status.route if turn.observed.routing.left or HTTP_ROUTE in turn.observed.unseen else None
    return turn if wanted == turn.status.route else turn.change(route=wanted)


def mind_route(turn: Turn) -> Turn:
    """Come back for a route that is of no use, and say once why it is, or that it was edited."""
    fault = turn.observed.routing.fault
    if fault is None:
        edited = _edited(turn)
        told = edited is None or any(c.reason == WEIGHTS_EDITED for c in turn.status.conditions)
        return turn if edited is None or told else turn.note("Warning", WEIGHTS_EDITED, edited)
    again = turn.now + LOOK_AGAIN
    turn = replace(turn, look_at=min(turn.look_at or again, again))
    told = any(c.reason == fault.reason and c.message == fault.message for c in turn.status.conditions)
    return turn if told else turn.note("Warning", fault.reason, fault.message)


def _edited(turn: Turn) -> str | None:
    """That the route sends clients to the other colour although nothing is rolled out; None when it does not."""
    route, active = turn.observed.routing.route, turn.active
    if route is None or active is None or turn.status.rollout is not None or not route.reaches(other(active.color)):
        return None
    return f"HTTPRoute {route.name} sends clients to {other(active.color)}, too: it is being put back."


def lines(turn: Turn) -> Mapping[str, Line]:
    """The conditions that the route decides, by type; nothing for a model that has none."""
    if not turn.observed.spec.traffic.is_routed:
        gone = any(c.type == CONDITION for c in turn.status.conditions)
        return {CONDITION: (CONDITION, "True", "ByService", "Clients come by the Service.")} if gone else {}
    routed = _routed(turn)
    found = {CONDITION: routed}
    fault, waits = turn.observed.routing.fault, turn.status.rollout is not None
    if routed[1] != "True" and not waits:
        found["Ready"] = ("Ready", "False", routed[2], routed[3])
        found["Reconciling"] = ("Reconciling", "False" if fault else "True", routed[2], routed[3])
    if fault is not None:
        found["Stalled"] = ("Stalled", "True", fault.reason, fault.message)
    return found


def _routed(turn: Turn) -> Line:
    """Whether the clients of a gateway come to the version that they are to come to."""
    routing, name = turn.observed.routing, _name(turn)
    if routing.fault is not None:
        return CONDITION, "False", routing.fault.reason, routing.fault.message
    if HTTP_ROUTE in turn.observed.unseen:
        message = (
            f"HTTPRoute {name} cannot be read, so no version goes on: does the operator have the right to "
            "(gatewayApi.enabled of its chart)?"
        )
        return CONDITION, "Unknown", "NotSeen", message
    if routing.route is None:
        return CONDITION, "False", "NoRouteYet", "The HTTPRoute is made once a version is active."
    return _by_gateways(turn, routing.route)


def _by_gateways(turn: Turn, route: RouteView) -> Line:
    """What the gateways say of the route."""
    if route.refused:
        return CONDITION, "False", "NotAccepted", route.refused
    if not route.accepted:
        message = (
            f"No gateway has answered for HTTPRoute {route.name}: do the Gateways of its parentRefs exist, and does a "
            "controller run for their GatewayClass?"
        )
        return CONDITION, "False", "NoGateway", message
    edited = _edited(turn)
    if edited is not None:
        return CONDITION, "False", WEIGHTS_EDITED, edited
    late = " It has yet to take up the last change." if route.lags else ""
    return CONDITION, "True", "Accepted", f"A gateway serves HTTPRoute {route.name}.{late}"
