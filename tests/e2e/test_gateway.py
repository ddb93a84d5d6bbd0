"""Clients that come by a gateway (Traefik): exact shares without the shield, promotion and rollback, and bad days."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import pytest

from dev.cluster import gateway
from dev.demo.kube import Object
from tests import order
from tests.e2e.crowd import scenario_holding
from tests.e2e.scene import NAME, Scene, Status, active, merged, settled, wait_for

REQUESTS, AT_ONCE = 500, 10
POINTS = 0.05
"""By how much a share of so many requests may differ from what was asked for."""

ROUTED: dict[str, Any] = {
    "rollout": {"shield": False, "bake": "5s", "steps": [{"weight": 30, "hold": "20s"}]},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 2},
    "traffic": {"router": "Gateway", "gateway": {"parentRefs": [{"name": "public"}]}},
}
OWN_ROUTE = merged(ROUTED, {"traffic": {"gateway": {"parentRefs": None, "route": "shop"}}})


def public() -> Object:
    """A Gateway in the scene's namespace."""
    listener = {"name": "web", "port": gateway.PORT, "protocol": "HTTP"}
    spec = {"gatewayClassName": gateway.CLASS, "listeners": [listener]}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public"},
        "spec": spec,
    }


def shop(blue: int, green: int) -> Object:
    """A route of the user's own: the model below a path that only it knows, and everything else."""
    backends = [
        {"name": f"{NAME}-{color}", "port": 80, "weight": weight}
        for color, weight in (("blue", blue), ("green", green))
    ]
    rule = {"matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}], "backendRefs": backends}
    spec = {"parentRefs": [{"name": "public"}], "rules": [rule]}
    meta = {"name": "shop", "annotations": {"team": "web"}}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta, "spec": spec}


@scenario_holding(order.gateway)
def test_a_gateway_s_clients_get_exact_shares_and_lose_nothing_by_a_promotion_or_a_rollback(scene: Scene) -> None:
    with a_gateway(scene) as address:
        scene.kube.apply(public())
        scene.given_active("1.0.0", **ROUTED)
        scene.until_condition("Routed", lambda condition: condition.get("status") == "True")
        until_answered_by("1.0.0", scene, address)
        with scene.clients(at=address) as clients:
            scene.apply("1.1.0", **ROUTED)
            scene.until("30 % to be sent to 1.1.0", routed(30))
            until_answered_by("1.1.0", scene, address)
            shares = asked(scene, address)
            scene.until("1.1.0 to be promoted", settled("1.1.0"))
            clients.until_answered_by("1.1.0")
            scene.apply("1.2.0", **ROUTED)
            rejected = scene.until("1.2.0 to be rejected", lambda status: bool(status.get("rejected")))
            back = asked(scene, address)
    assert abs(shares["1.1.0"] / REQUESTS - 0.3) <= POINTS, shares
    assert back == {"1.1.0": REQUESTS}
    assert (active(rejected), rejected["lastRollback"]["fromVersion"]) == ("1.1.0", "1.2.0")
    assert clients.lost() == []
    assert {request.version for request in clients.bad()} <= {"1.2.0", None}
    late = rejected["lastRollback"]["trafficRestoredAt"]
    assert late > rejected["lastRollback"]["decidedAt"]
    kept = [request for request in clients.requests if request.kind == "keepalive"]
    assert {request.version for request in kept[-50:]} == {"1.1.0"}, "pooled connections follow, too"


@pytest.mark.thorough
@scenario_holding(order.gateway)
def test_a_user_s_own_route_and_a_gateway_that_is_away_while_a_rollback_is_decided(scene: Scene) -> None:
    with a_gateway(scene) as address:
        scene.kube.apply(public(), shop(1, 0))
        scene.given_active("1.0.0", **OWN_ROUTE)
        until_answered_by("1.0.0", scene, address)
        scene.kube.apply(shop(50, 50))
        wait_for("the weights to be put back", lambda: weights(scene) == [100, 0], within=20)
        held = merged(OWN_ROUTE, {"rollout": {"steps": [{"weight": 30, "hold": "10m"}]}})
        scene.apply("1.1.0", **held)
        trial = scene.until("30 % to be sent to 1.1.0", routed(30))
        until_answered_by("1.1.0", scene, address)
        shares = asked(scene, address)
        gateway.stop(scene.cluster)
        scene.decide("abort", trial["rollout"]["revision"])
        wait_for("the weights to be back", lambda: weights(scene) == [100, 0], within=20)
        gateway.start(scene.cluster)
        scene.until("the rollout to end", settled("1.0.0"), within=120)
        until_answered_by("1.0.0", scene, address)
        back = asked(scene, address)
        route = scene.kube.get("httproute", "shop")
    assert abs(shares["1.1.0"] / REQUESTS - 0.3) <= POINTS, shares
    assert back == {"1.0.0": REQUESTS}
    assert route is not None
    assert route["metadata"]["annotations"]["team"] == "web"
    assert "ownerReferences" not in route["metadata"]


def a_gateway(scene: Scene) -> AbstractContextManager[str]:
    """A gateway while the block runs; its address."""
    if scene.cluster.provider != "local":
        pytest.skip("only the local provider has a gateway")
    return gateway.running(scene.cluster)


def routed(percent: float) -> Callable[[Status], bool]:
    """Whether the route was seen to send so much to the version on trial, and its gateway to follow."""

    def holds(status: Status) -> bool:
        rollout = status.get("rollout") or {}
        said = next((c for c in status.get("conditions", ()) if c["type"] == "Routed"), {})
        follows = said.get("status") == "True" and "yet to" not in said["message"]
        return follows and any(
            share["color"] == rollout.get("color") and share.get("routed") == percent for share in status["traffic"]
        )

    return holds


def weights(scene: Scene) -> list[int]:
    """Of the user's own route, blue first."""
    route = scene.kube.get("httproute", "shop") or {}
    return [ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]]


def asked(scene: Scene, address: str, requests: int = REQUESTS) -> Counter[str]:
    """By version, who answered so many requests that a gateway was sent, ten at a time."""
    bodies = cycle(scene.stock.models.bodies.split(b"\n")[:-1])
    batch = [next(bodies) for _ in range(requests)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(lambda body: version_of(address, body), batch))


def until_answered_by(version: str, scene: Scene, address: str) -> None:
    """Traefik says that it has taken a route up a moment before it goes by it."""
    wait_for(f"an answer by {version}", lambda: asked(scene, address, AT_ONCE)[version] > 0, within=30, every=0.2)


def version_of(address: str, body: bytes) -> str:
    """Who answered this request; else what there was instead of an answer."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    try:
        connection.request("POST", "/v2/models/diabetes/infer", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said: Mapping[str, Any] = json.loads(answer.read()) if answer.status == 200 else {}
        return str(said.get("model_version", answer.status))
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()
