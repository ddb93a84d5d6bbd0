"""HTTPRoutes: one of ours is made and kept, of a user's the weights alone are written, and what is wrong is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.actions import Json
from tests.runtime.fake_api import FakeApi
from tests.runtime.fake_fields import json_copy
from tests.runtime.raws import KEY, UID
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.reading.watches import Filter
from verdigris.adapters.kube.transport.errors import Conflict, Forbidden
from verdigris.adapters.kube.transport.kinds import HTTP_ROUTE
from verdigris.adapters.kube.writing.apply import Contested
from verdigris.adapters.kube.writing.restores import PATIENCE, RestoreBackoff
from verdigris.adapters.kube.writing.routes import move
from verdigris.children.names import CLAIM_ANNOTATION, Owner
from verdigris.core.actions import MoveRoute

OURS = {"router": "Gateway", "gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["models.example.com"]}}
THEIRS = {"router": "Gateway", "gateway": {"route": "shop"}}
OWNER = Owner(KEY.namespace, KEY.name, UID)


def backend(name: str, weight: int | None = None, port: int = 80) -> Json:
    ref: Json = {"group": "", "kind": "Service", "name": name, "port": port}
    return ref if weight is None else {**ref, "weight": weight}


def colors(blue: int, green: int) -> list[Json]:
    return [backend("diabetes-blue", blue), backend("diabetes-green", green)]


def shop(*rules: list[Json], annotations: Json | None = None) -> Json:
    """A user's own route, with these backends in its rules."""
    meta: Json = {"name": "shop", "namespace": KEY.namespace, "generation": 1}
    if annotations is not None:
        meta["annotations"] = annotations
    paths = [[{"path": {"type": "PathPrefix", "value": f"/{number}"}}] for number in range(len(rules))]
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.kind,
        "metadata": meta,
        "spec": {
            "parentRefs": [{"name": "public"}],
            "rules": [
                {"matches": match, "backendRefs": refs, "filters": []} for match, refs in zip(paths, rules, strict=True)
            ],
        },
    }


def stage_with(traffic: Json, *routes: Json) -> Stage:
    stage = Stage()
    stage.api.at("ModelDeployment", *KEY)["spec"]["traffic"] = traffic
    for route in routes:
        stage.api.put(route)
    return stage


async def served(traffic: Json, *routes: Json) -> Stage:
    """The first version is active, and its gateway has taken the route up."""
    stage = stage_with(traffic, *routes)
    await stage.reconcile()
    stage.let_pods_start()
    await stage.reconcile(3)
    accept(stage)
    await stage.reconcile(3)
    return stage


def name_in(stage: Stage) -> str:
    traffic = stage.api.at("ModelDeployment", *KEY)["spec"]["traffic"]
    return str(traffic["gateway"].get("route", KEY.name))


def live(stage: Stage) -> Json:
    return stage.api.at(HTTP_ROUTE.kind, KEY.namespace, name_in(stage))


def accept(stage: Stage, status: str = "True", message: str = "") -> None:
    """What a gateway says of the route as it stands."""
    raw = live(stage)
    said = {"type": "Accepted", "status": status, "reason": "NotAllowedByListeners", "message": message}
    said["observedGeneration"] = raw["metadata"].get("generation", 1)
    raw["status"] = {"parents": [{"parentRef": {"name": "public"}, "conditions": [said]}]}


def weights(stage: Stage) -> list[dict[str, int]]:
    return [{ref["name"]: ref.get("weight", 1) for ref in rule["backendRefs"]} for rule in live(stage)["spec"]["rules"]]


BLUE = {"diabetes-blue": 100, "diabetes-green": 0}


async def test_a_route_of_ours_is_made_for_the_active_version_and_then_nothing_is_written() -> None:
    stage = await served(OURS)
    assert weights(stage) == [BLUE]
    spec = live(stage)["spec"]
    assert [ref["name"] for ref in spec["parentRefs"]] == ["public"]
    assert spec["hostnames"] == ["models.example.com"]
    assert stage.condition("Routed") == ("True", "Accepted")
    assert stage.condition("Ready") == ("True", "Active")
    before = len(stage.api.writes)
    await stage.reconcile(20)
    assert len(stage.api.writes) == before


async def test_a_route_of_ours_that_is_edited_is_put_back_and_one_that_is_deleted_is_made_anew() -> None:
    stage = await served(OURS)
    live(stage)["spec"]["rules"][0]["backendRefs"][1]["weight"] = 50
    live(stage)["spec"]["hostnames"] = ["evil.example.com"]
    await stage.reconcile(2)
    assert (weights(stage), live(stage)["spec"]["hostnames"]) == ([BLUE], ["models.example.com"])
    del stage.api.objects[HTTP_ROUTE.kind, KEY.namespace, KEY.name]
    await stage.reconcile(2)
    assert weights(stage) == [BLUE]


async def test_of_a_user_s_route_only_the_weights_and_the_claim_are_written() -> None:
    theirs = shop(colors(10, 90), [backend("other", 7)], annotations={"team": "web"})
    stage = await served(THEIRS, theirs)
    assert weights(stage) == [BLUE, {"other": 7}]
    expected = json_copy(theirs)
    expected["spec"]["rules"][0]["backendRefs"] = colors(100, 0)
    assert live(stage)["spec"] == expected["spec"]
    assert live(stage)["metadata"]["annotations"] == {"team": "web", CLAIM_ANNOTATION: KEY.name}
    assert "ownerReferences" not in live(stage)["metadata"]
    assert [verb for verb, kind, _ in stage.api.writes if kind == HTTP_ROUTE.kind] == ["edit"]


async def test_shares_that_are_right_are_left_as_the_user_wrote_them() -> None:
    stage = await served(THEIRS, shop(colors(1, 0)))
    assert weights(stage) == [{"diabetes-blue": 1, "diabetes-green": 0}]


@pytest.mark.parametrize(
    ("route", "reason", "words"),
    [
        (None, "RouteMissing", "create it"),
        (shop([backend("other")]), "BackendsMissing", "[{name: diabetes-blue, port: 80, weight: 100}, {name: diab"),
        (shop([backend("diabetes-blue")]), "BackendsMissing", "does not name the Service of each colour once"),
        (shop([*colors(1, 0), backend("other", 1)]), "BackendsMissing", "shares clients with other Services"),
        (shop(colors(1, 0), annotations={CLAIM_ANNOTATION: "risk"}), "RouteClaimed", "ModelDeployment risk"),
    ],
    ids=["missing", "no backends", "one backend", "a third", "claimed"],
)
async def test_a_route_that_is_of_no_use_is_told_with_what_to_do_and_nothing_of_it_is_written(
    route: Json | None, reason: str, words: str
) -> None:
    stage = stage_with(THEIRS, *([route] if route else []))
    await settle(stage)
    assert stage.condition("Routed") == ("False", reason)
    assert words in stage.message("Ready")
    assert stage.condition("Stalled") == ("True", reason)
    assert reason in stage.told
    assert not [call for call in stage.api.writes if call[1] == HTTP_ROUTE.kind]


async def settle(stage: Stage) -> None:
    """The first version is active while clients come by the Service; then by what was asked for."""
    raw = stage.api.at("ModelDeployment", *KEY)
    wanted = raw["spec"].pop("traffic")
    await settled(stage)
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["traffic"] = wanted
    await stage.reconcile(3)


async def test_a_cluster_without_the_gateway_api_is_told_and_the_active_version_stays_untouched() -> None:
    stage = stage_with(OURS)
    stage.api.unknown = {HTTP_ROUTE.kind}
    await settle(stage)
    before = json_copy(stage.api.at("Service", KEY.namespace, KEY.name))
    assert stage.condition("Ready") == ("False", "GatewayApiMissing")
    wanted = stage.api.at("ModelDeployment", *KEY)
    wanted["spec"]["model"]["version"], wanted["metadata"]["generation"] = "1.1.0", 2
    await stage.reconcile(3)
    assert ("Deployment", KEY.namespace, "diabetes-green") not in stage.api.objects
    assert stage.api.at("Service", KEY.namespace, KEY.name) == before
    stage.api.unknown = set()
    await stage.reconcile(12)
    assert weights(stage) == [BLUE]
    assert ("Deployment", KEY.namespace, "diabetes-green") in stage.api.objects


async def test_routes_that_may_not_be_read_are_told_with_the_value_of_the_chart() -> None:
    stage = stage_with(OURS)
    stage.api.fault = lambda verb, kind, _: Forbidden("no") if (verb, kind) == ("list", HTTP_ROUTE.kind) else None
    await settle(stage)
    assert stage.condition("Routed") == ("Unknown", "NotSeen")
    assert "gatewayApi.enabled" in stage.message("Routed")


async def test_what_a_gateway_says_against_the_route_is_told_in_its_words() -> None:
    stage = await served(OURS)
    accept(stage, "False", "no listener for this host")
    await stage.reconcile(2)
    assert stage.condition("Ready") == ("False", "NotAccepted")
    assert "Gateway public does not accept HTTPRoute diabetes (NotAllowedByListeners): no lis" in stage.message(
        "Routed"
    )


async def test_a_route_that_no_gateway_takes_up_is_told() -> None:
    stage = await served(OURS)
    live(stage)["status"] = {"parents": []}
    await stage.reconcile(2)
    assert stage.condition("Routed") == ("False", "NoGateway")


async def test_a_route_of_ours_goes_with_the_wish_for_it_and_a_user_s_stays() -> None:
    stage = await served(OURS)
    stage.api.at("ModelDeployment", *KEY)["spec"].pop("traffic")
    await stage.reconcile(3)
    assert (HTTP_ROUTE.kind, KEY.namespace, KEY.name) not in stage.api.objects
    assert "route" not in stage.api.at("ModelDeployment", *KEY)["status"]
    stage = await served(THEIRS, shop(colors(1, 0)))
    stage.api.at("ModelDeployment", *KEY)["spec"].pop("traffic")
    await stage.reconcile(3)
    assert (HTTP_ROUTE.kind, KEY.namespace, "shop") in stage.api.objects


async def test_a_route_of_the_same_name_that_is_somebody_else_s_is_not_touched() -> None:
    theirs = shop([backend("other")])
    theirs["metadata"]["name"] = KEY.name
    stage = stage_with(OURS, theirs)
    before = json_copy(theirs["spec"])
    await settle(stage)
    assert stage.condition("Stalled") == ("True", "NameTaken")
    assert stage.api.at(HTTP_ROUTE.kind, KEY.namespace, KEY.name)["spec"] == before


MOVE = MoveRoute("shop", {"blue": 100, "green": 0})


async def moved(api: FakeApi, backoff: RestoreBackoff, action: MoveRoute = MOVE) -> bool:
    found = api.at(HTTP_ROUTE.kind, KEY.namespace, "shop")
    return await move(api, action, json_copy(found), OWNER, backoff) is not None


async def edited(api: FakeApi) -> None:
    """Somebody gives green half of the clients."""
    api.at(HTTP_ROUTE.kind, KEY.namespace, "shop")["spec"]["rules"][0]["backendRefs"] = colors(50, 50)
    api.notice()


async def test_who_insists_on_other_weights_is_not_fought_but_a_rollback_is_held_back_by_nobody() -> None:
    clock = [0.0]
    api, backoff = FakeApi(), RestoreBackoff(lambda: clock[0])
    api.put(shop(colors(50, 50)))
    for _ in range(PATIENCE):
        assert await moved(api, backoff)
        await edited(api)
    with pytest.raises(Contested, match="weights blue 100, green 0 was put back 3 times in a row"):
        await moved(api, backoff)
    assert await moved(api, backoff, MoveRoute("shop", {"blue": 100, "green": 0}, back=True))
    await edited(api)
    assert await moved(api, backoff, MoveRoute("shop", {"blue": 70, "green": 30})), "another wish is no quarrel"


async def test_a_wish_for_clients_fails_on_a_route_that_was_written_since_it_was_read() -> None:
    api, backoff = FakeApi(), RestoreBackoff(lambda: 0.0)
    read = api.put(shop(colors(100, 0), annotations={CLAIM_ANNOTATION: KEY.name}))
    api.at(HTTP_ROUTE.kind, KEY.namespace, "shop")["metadata"]["labels"] = {"team": "web"}
    api.notice()
    forward = MoveRoute("shop", {"blue": 70, "green": 30}, as_seen=True)
    with pytest.raises(Conflict):
        await move(api, forward, read, OWNER, backoff)


async def test_a_way_back_fits_a_route_whose_other_parts_were_edited_meanwhile() -> None:
    api, backoff = FakeApi(), RestoreBackoff(lambda: 0.0)
    read = api.put(shop(colors(70, 30), annotations={CLAIM_ANNOTATION: KEY.name}))
    api.at(HTTP_ROUTE.kind, KEY.namespace, "shop")["spec"]["hostnames"] = ["shop.example.com"]
    api.notice()
    written = await move(api, MoveRoute("shop", {"blue": 100, "green": 0}, back=True), read, OWNER, backoff)
    assert written is not None
    assert written["spec"]["hostnames"] == ["shop.example.com"]
    assert [ref["weight"] for ref in written["spec"]["rules"][0]["backendRefs"]] == [100, 0]


def test_an_edit_of_a_claimed_route_brings_a_look_and_so_does_the_loss_of_its_claim() -> None:
    seen: list[Any] = []
    events = Filter(lambda key, _: seen.append(key))
    raw = shop(colors(1, 0), annotations={CLAIM_ANNOTATION: KEY.name})
    raw["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    events.take("ADDED", shop(colors(1, 0)) | {"metadata": {**shop()["metadata"], "uid": "v"}})
    assert seen == []
    events.take("ADDED", raw)
    events.take("MODIFIED", raw)
    assert seen == [Key(*KEY)]
    lost = json_copy(raw)
    lost["metadata"]["annotations"] = {}
    events.take("MODIFIED", lost)
    assert len(seen) == 2
