"""What is told of a gateway's route, and what is remembered of it, whatever is the matter with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.test_gateway import GATEWAY, MISSING, served
from tests.rollout.test_seldom_plans import TAKEN, planned, said, seen
from tests.rollout.world import serving
from verdigris.api.status import RouteStatus
from verdigris.core.actions import Remove
from verdigris.core.engine import gateway
from verdigris.core.engine.gateway import mind_route, remember_route
from verdigris.core.facts.observed import TakenName
from verdigris.core.facts.route import HTTP_ROUTE, RouteView, Routing

ROUTE = RouteView("diabetes", own=True, rules=({"blue": 100, "green": 0},), accepted=True)
EDITED = replace(ROUTE, rules=({"blue": 50, "green": 50},))


@pytest.mark.parametrize(
    ("seen_as", "status", "reason", "words"),
    [
        ({"routing": Routing(ROUTE)}, "True", "Accepted", "A gateway serves HTTPRoute diabetes."),
        ({"routing": Routing(replace(ROUTE, lags=True))}, "True", "Accepted", "yet to take up the last change"),
        ({"routing": Routing(fault=MISSING)}, "False", "RouteMissing", "create it"),
        ({"unseen": frozenset({HTTP_ROUTE})}, "Unknown", "NotSeen", "gatewayApi.enabled"),
        ({"routing": Routing()}, "False", "NoRouteYet", "once a version is active"),
        ({"routing": Routing(replace(ROUTE, refused="no such port"))}, "False", "NotAccepted", "no such port"),
        ({"routing": Routing(replace(ROUTE, accepted=False))}, "False", "NoGateway", "GatewayClass"),
        ({"routing": Routing(EDITED)}, "False", "WeightsEdited", "it is being put back"),
    ],
)
def test_where_clients_of_a_gateway_come_is_told(seen_as: Any, status: str, reason: str, words: str) -> None:
    found = gateway.lines(seen(served(), **seen_as))
    assert found["Routed"][1:3] == (status, reason)
    assert words in found["Routed"][3]
    assert ("Ready" in found) is (status != "True"), "clients who come by it are clients"
    assert ("Stalled" in found) is (reason == "RouteMissing")


def test_that_clients_come_by_the_service_is_told_where_they_did_not() -> None:
    world = served().apply(spec("1.0.0"))
    assert gateway.lines(seen(world))["Routed"][1:3] == ("True", "ByService")
    assert gateway.lines(seen(serving("1.0.0"))) == {}


@pytest.mark.parametrize(
    ("routing", "reason"), [(Routing(fault=MISSING), "RouteMissing"), (Routing(EDITED), "WeightsEdited")]
)
def test_what_is_the_matter_with_a_route_is_said_once(routing: Routing, reason: str) -> None:
    observed = replace(served().observe(), routing=routing)
    found = planned(observed)
    assert [note.reason for note in found.notes] == [reason]
    again = planned(replace(observed, status=found.status))
    assert again.notes == ()
    assert mind_route(seen(served(), routing=Routing(ROUTE))).notes == ()


def test_a_route_that_nobody_asks_for_any_more_goes_and_is_remembered_until_then() -> None:
    world = served().apply(spec("1.0.0"))
    left = Routing(ROUTE, left=True)
    found = planned(replace(world.observe(), routing=left))
    assert [one.name for one in found.actions if isinstance(one, Remove) and one.kind == HTTP_ROUTE] == ["diabetes"]
    assert remember_route(seen(world, routing=left)).status.route == RouteStatus(name="diabetes", own=True)
    assert remember_route(seen(world, routing=Routing())).status.route is None
    unseen = seen(world, routing=Routing(), unseen=frozenset({HTTP_ROUTE}))
    assert remember_route(unseen).status.route is not None, "none is taken for absent that could not be read"


def test_a_route_of_the_user_s_own_is_remembered_as_theirs() -> None:
    theirs = {**GATEWAY, "gateway": {"route": "shop"}}
    world = serving("1.0.0").apply(spec("1.0.0", traffic=theirs))
    assert remember_route(seen(world)).status.route == RouteStatus(name="shop", own=False)


def test_clients_who_cannot_come_are_told_whatever_is_the_matter_with_their_service() -> None:
    world = serving("1.0.0")
    taken = replace(world.observe(), taken=(*TAKEN, TakenName("Service", "diabetes")))
    assert said(planned(taken))["Available"] == ("False", "NameTaken")
    assert said(planned(taken))["Ready"] == ("False", "NameTaken")
    wrong = replace(world.observe(), misconfigured="It is headless.")
    assert said(planned(wrong))["Available"] == ("False", "ServiceMisconfigured")
    assert said(planned(wrong))["Ready"] == ("False", "ServiceMisconfigured")
    waits = world.apply(spec("1.1.0")).observe()
    told = said(planned(replace(waits, unseen=frozenset({"NetworkPolicy"}))))
    assert told["Ready"] == ("False", "NotSeen")


def test_without_a_prometheus_nobody_is_asked() -> None:
    observed = serving("1.0.0").apply(spec("1.1.0")).run(5).observe()
    alone = replace(observed, defaults=replace(observed.defaults, prometheus_address=None))
    assert alone.prometheus_address is None
    found = planned(alone).status.rollout
    assert found
    assert "No Prometheus is configured" in found.evidence.message + found.message
