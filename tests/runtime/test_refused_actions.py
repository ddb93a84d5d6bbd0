"""A write is refused, lost or late: at every write of a workload, and clients are moved all the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.actions import DEPLOYMENT, HPA, MONITOR, SERVICE, SNAPSHOT, Json, do, manifest, picture, stuck
from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, owned, pod
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, QuotaExceeded, Transient, Unreachable
from verdigris.adapters.kube.writing.apply import apply
from verdigris.api.status import ServiceAddress
from verdigris.core.actions import Action, Keep, MoveTraffic, Remove, Scale, SetOrder, SetTraffic


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


ACTIONS: tuple[Action, ...] = (
    MoveTraffic(SERVICE),
    SetOrder("o", "o", order=None),
    SetTraffic("a", "a", traffic="off"),
    Keep(SERVICE),
    Keep(SNAPSHOT),
    Keep(DEPLOYMENT),
    Scale("blue", 3),
    Scale("green", 1),
    Keep(HPA),
    Keep(MONITOR),
    Remove("apps/v1", "Deployment", "diabetes-green"),
    Remove("policy/v1", "PodDisruptionBudget", "diabetes-green"),
    stuck("Evict"),
)
"""Every kind of write of a workload, in the order of a plan: clients are moved back from green to blue."""


async def given_both_colours(api: FakeApi) -> None:
    api.put(owned("Pod", "v1", "a", metadata={"uid": "a"}))
    api.put(owned("Pod", "v1", "o", metadata={"uid": "o", "annotations": {"verdigris.dev/shield": "{}"}}))
    api.put(pod("p"))
    api.put(owned("PodDisruptionBudget", "policy/v1", "diabetes-green"))
    for color in ("blue", "green"):
        api.put(owned("Deployment", "apps/v1", f"diabetes-{color}", spec={"replicas": 2, "template": {}}))
    await do(api, Keep(manifest("Service", "v1", spec={"selector": {"verdigris.dev/color": "green"}})))
    api.calls.clear()


def done(api: FakeApi) -> set[str]:
    return {f"{verb} {kind} {name}" for verb, kind, name in api.writes}


EVERYTHING = {
    "patch Service diabetes",
    "patch Pod a",
    "patch Pod o",
    "apply Service diabetes",
    "apply ControllerRevision diabetes-v1-1",
    "apply Deployment diabetes-blue",
    "patch Deployment/scale diabetes-blue",
    "patch Deployment/scale diabetes-green",
    "apply HorizontalPodAutoscaler diabetes-blue",
    "apply ServiceMonitor diabetes",
    "delete Deployment diabetes-green",
    "delete PodDisruptionBudget diabetes-green",
    "create Pod/eviction p",
}
TAKES_AWAY = {"patch Deployment/scale diabetes-green", "delete Deployment diabetes-green", "create Pod/eviction p"}
REFUSED: dict[str, set[str]] = {
    # Law 2: clients may still be on what would be taken away or changed.
    "patch Service diabetes": TAKES_AWAY
    | {"patch Pod a", "apply Deployment diabetes-blue", "delete PodDisruptionBudget diabetes-green"},
    "apply ControllerRevision diabetes-v1-1": TAKES_AWAY | {"apply Deployment diabetes-blue"},
    "apply Deployment diabetes-blue": TAKES_AWAY,
    "patch Deployment/scale diabetes-blue": TAKES_AWAY,
    "patch Deployment/scale diabetes-green": TAKES_AWAY,
}
"""What is left out after which write was refused. After any other nothing is."""


@pytest.mark.parametrize("error", [Forbidden("no"), Transient("a webhook is down"), Unreachable("no answer")])
@pytest.mark.parametrize("call", sorted(EVERYTHING))
async def test_a_refused_write_stops_only_what_would_be_harmful_after_it(
    api: FakeApi, call: str, error: ApiError
) -> None:
    await given_both_colours(api)
    api.fault = lambda verb, kind, name: error if f"{verb} {kind} {name}" == call else None
    outcome = await do(api, *ACTIONS)
    assert done(api) == EVERYTHING - (REFUSED.get(call, set()) - {call})
    assert outcome.traffic_failed == (call == "patch Service diabetes")
    assert [*outcome.problems, *(refusal for _, refusal in outcome.refused)] == [error]
    moved = api.at("Service", *KEY)["spec"]["selector"] == {"verdigris.dev/color": "blue"}
    assert moved or outcome.traffic_failed


@pytest.mark.parametrize("call", sorted(EVERYTHING))
async def test_a_write_whose_answer_is_lost_has_been_done_when_it_is_looked_at_again(api: FakeApi, call: str) -> None:
    await given_both_colours(api)
    api.lost = lambda verb, kind, name: Unreachable("no answer") if f"{verb} {kind} {name}" == call else None
    await do(api, *ACTIONS)
    api.lost = lambda *_: None
    outcome = await do(api, *(action for action in ACTIONS if isinstance(action, (MoveTraffic, SetTraffic, Keep))))
    assert outcome.problems == []
    assert api.at("Service", *KEY)["spec"]["selector"] == {"verdigris.dev/color": "blue"}


async def test_a_move_is_one_write_of_the_selector_that_nothing_else_of_the_service_can_make_fail(
    api: FakeApi,
) -> None:
    """Law 13: the Service whose type, port or quota is refused is moved all the same."""
    await given_both_colours(api)
    api.fault = lambda verb, kind, _: (
        Forbidden("exceeded quota: nodeports") if (verb, kind) == ("apply", "Service") else None
    )
    wanted = manifest("Service", "v1", spec={"selector": {"verdigris.dev/color": "blue"}, "type": "NodePort"})
    outcome = await do(api, MoveTraffic(wanted), Keep(wanted))
    assert api.at("Service", *KEY)["spec"]["selector"] == {"verdigris.dev/color": "blue"}
    assert "type" not in api.at("Service", *KEY)["spec"]
    assert (outcome.traffic_failed, [problem.about for problem in outcome.problems]) == (False, ["Service diabetes"])
    assert api.writes[0] == ("patch", "Service", "diabetes")


async def test_a_move_takes_away_what_somebody_has_added_to_the_selector(api: FakeApi) -> None:
    await given_both_colours(api)
    api.at("Service", *KEY)["spec"]["selector"]["extra"] = "theirs"
    await do(api, MoveTraffic(SERVICE))
    assert api.at("Service", *KEY)["spec"]["selector"] == {"verdigris.dev/color": "blue"}


async def test_a_move_never_meets_a_service_that_somebody_made_in_its_place(api: FakeApi) -> None:
    await given_both_colours(api)
    seen = picture(api)
    api.put(owned("Service", "v1", KEY.name, metadata={"uid": "another", "ownerReferences": []}, spec={}))
    outcome = await apply(api, seen, [MoveTraffic(SERVICE), Keep(SERVICE)])
    assert outcome.traffic_failed
    assert api.at("Service", *KEY)["spec"] == {"clusterIP": api.at("Service", *KEY)["spec"]["clusterIP"]}


NODE_PORT = manifest(
    "Service",
    "v1",
    spec={"selector": {"verdigris.dev/color": "blue"}, "type": "NodePort", "ports": [{"port": 80, "name": "http"}]},
)
ADDRESS = ServiceAddress(address="10.96.7.7", node_port=30080)


async def test_a_service_that_was_deleted_comes_back_where_clients_know_it(api: FakeApi) -> None:
    await do(api, MoveTraffic(NODE_PORT, ADDRESS), Keep(NODE_PORT))
    spec = api.at("Service", *KEY)["spec"]
    assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == ("10.96.7.7", 30080)
    assert api.writes == [("apply", "Service", "diabetes")]
    assert (await do(api, MoveTraffic(NODE_PORT, ADDRESS), Keep(NODE_PORT))).written == 0


async def test_of_two_ports_the_first_is_the_one_that_clients_know(api: FakeApi) -> None:
    ports = [{"port": 80, "name": "http"}, {"port": 8081, "name": "grpc"}]
    await do(api, MoveTraffic({**NODE_PORT, "spec": {**NODE_PORT["spec"], "ports": ports}}, ADDRESS))
    assert api.at("Service", *KEY)["spec"]["ports"] == [{**ports[0], "nodePort": 30080}, ports[1]]


async def test_an_address_that_is_taken_is_done_without(api: FakeApi) -> None:
    api.put(owned("Service", "v1", "other", spec={"clusterIP": "10.96.7.7"}))
    outcome = await do(api, MoveTraffic(NODE_PORT, ADDRESS))
    assert (outcome.problems, outcome.traffic_failed) == ([], False)
    assert api.at("Service", *KEY)["spec"]["clusterIP"] != "10.96.7.7"


async def test_a_service_that_may_not_be_made_as_asked_is_made_as_it_may(api: FakeApi) -> None:
    """Clients come first: a quota on node ports must not leave them without any Service."""

    async def apply_within_quota(made: Json, *args: Any) -> Json:
        if made["spec"].get("type") == "NodePort":
            raise QuotaExceeded("exceeded quota: nodeports")
        return await FakeApi.apply(api, made, *args)

    api.apply = apply_within_quota  # type: ignore[assignment]
    outcome = await do(api, MoveTraffic(NODE_PORT, ADDRESS), Keep(NODE_PORT))
    assert api.at("Service", *KEY)["spec"]["type"] == "ClusterIP"
    assert (outcome.traffic_failed, len(outcome.problems)) == (False, 1)
