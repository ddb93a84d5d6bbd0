"""Carrying out a plan's actions: only what differs is written, and only what is ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.runtime.actions import DEPLOYMENT, HPA, MONITOR, SERVICE, Json, do, manifest, picture, refuse, stuck
from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, owned, pod
from verdigris.adapters.kube.reading.observe import Picture
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, Forbidden, Invalid, Transient, Unreachable
from verdigris.adapters.kube.writing.apply import NotOurs, apply
from verdigris.core.actions import Keep, MoveTraffic, Remove, Scale, SetOrder, SetTraffic


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


async def test_a_child_is_made_once_and_then_left_alone(api: FakeApi) -> None:
    first = await do(api, Keep(SERVICE))
    assert (first.written, first.problems) == (1, [])
    again = await do(api, Keep(SERVICE))
    assert again.written == 0
    assert api.writes == [("apply", "Service", "diabetes")]


async def test_drift_is_put_back(api: FakeApi) -> None:
    await do(api, Keep(SERVICE))
    api.at("Service", *KEY)["spec"]["selector"]["verdigris.dev/color"] = "green"
    outcome = await do(api, Keep(SERVICE))
    assert outcome.written == 1
    assert api.at("Service", *KEY)["spec"]["selector"] == {"verdigris.dev/color": "blue"}


async def test_a_field_that_is_no_longer_wanted_is_removed(api: FakeApi) -> None:
    more = manifest("Service", "v1", spec={"selector": {"verdigris.dev/color": "blue"}, "sessionAffinity": "ClientIP"})
    await do(api, Keep(more))
    await do(api, Keep(SERVICE))
    assert "sessionAffinity" not in api.at("Service", *KEY)["spec"]


async def test_an_apply_that_changes_nothing_on_the_server_counts_as_no_write(api: FakeApi) -> None:
    await do(api, Keep(SERVICE))
    stale = picture(api)
    api.at("Service", *KEY)["spec"]["selector"]["verdigris.dev/color"] = "green"
    broken = Picture(stale.observed, stale.parent, {**stale.live, ("Service", KEY.name): api.at("Service", *KEY)})
    api.at("Service", *KEY)["spec"]["selector"]["verdigris.dev/color"] = "blue"
    assert (await apply(api, broken, [Keep(SERVICE)])).written == 0


async def test_an_object_of_somebody_else_is_not_touched(api: FakeApi) -> None:
    api.put(owned("Service", "v1", KEY.name, metadata={"ownerReferences": []}))
    outcome = await do(api, Keep(SERVICE))
    assert isinstance(outcome.problems[0], NotOurs)
    assert "exists and is not ours: delete it, or give the ModelDeployment another name" in str(outcome.problems[0])
    assert api.writes == []


async def test_a_service_monitor_is_left_out_where_the_cluster_does_not_know_it(api: FakeApi) -> None:
    outcome = await do(api, Keep(MONITOR), monitors_known=False)
    assert (outcome.written, outcome.problems, api.writes) == (0, [], [])


async def test_size_goes_through_the_scale_subresource_under_another_manager(api: FakeApi) -> None:
    await do(api, Keep(DEPLOYMENT), Scale("blue", 5))
    assert api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["replicas"] == 5
    assert api.managers["Deployment/scale"] == "verdigris-scale"
    await do(api, Keep(DEPLOYMENT))
    assert api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["replicas"] == 5


async def test_a_pod_is_told_about_traffic_if_it_is_still_the_same_pod(api: FakeApi) -> None:
    for name in ("a", "b"):
        api.put(owned("Pod", "v1", name, metadata={"uid": name}))
    outcome = await do(
        api,
        SetTraffic("a", "a", traffic="off"),
        SetTraffic("b", "another", traffic="off"),
        SetTraffic("gone", "gone", traffic="off"),
    )
    assert (outcome.written, outcome.problems) == (1, [])
    assert api.at("Pod", KEY.namespace, "a")["metadata"]["annotations"] == {"verdigris.dev/traffic": "off"}
    assert "annotations" not in api.at("Pod", KEY.namespace, "b")["metadata"]


async def test_a_pod_is_told_what_to_pass_on_and_to_stop(api: FakeApi) -> None:
    api.put(owned("Pod", "v1", "a", metadata={"uid": "a"}))
    await do(api, SetOrder("a", "a", order="{}"), SetOrder("gone", "gone", order="{}"))
    assert api.at("Pod", KEY.namespace, "a")["metadata"]["annotations"] == {"verdigris.dev/shield": "{}"}
    outcome = await do(api, SetOrder("a", "a", order=None))
    assert (outcome.written, outcome.problems) == (1, [])
    assert "verdigris.dev/shield" not in api.at("Pod", KEY.namespace, "a")["metadata"]["annotations"]


async def test_what_is_ours_is_removed_by_its_uid(api: FakeApi) -> None:
    api.put(owned("Deployment", "apps/v1", "diabetes-blue", metadata={"uid": "d"}))
    outcome = await do(api, Remove("apps/v1", "Deployment", "diabetes-blue", "d"))
    assert outcome.written == 1
    assert not api.objects


@pytest.mark.parametrize(
    ("meta", "uid", "problems"),
    [
        ({"uid": "d"}, "another", 0),
        ({"uid": "d", "deletionTimestamp": "2026-11-23T10:00:00Z"}, "d", 0),
        ({"uid": "d", "ownerReferences": [{"uid": "somebody"}]}, "d", 1),
    ],
    ids=["another uid", "on its way out", "somebody else's"],
)
async def test_nothing_else_is_removed(api: FakeApi, meta: Json, uid: str, problems: int) -> None:
    api.put(owned("Deployment", "apps/v1", "diabetes-blue", metadata=meta))
    outcome = await do(api, Remove("apps/v1", "Deployment", "diabetes-blue", uid))
    assert (outcome.written, len(outcome.problems)) == (0, problems)
    assert api.writes == []


async def test_pods_are_not_taken_away_by_what_was_read_before_the_model_changed(api: FakeApi) -> None:
    """Found by a random walk: *two leaders*, one held up until the other had moved clients to those pods."""
    api.put(owned("Deployment", "apps/v1", "diabetes-blue", metadata={"uid": "d"}))
    seen, remove = picture(api), Remove("apps/v1", "Deployment", "diabetes-blue", "d")
    now = {"metadata": {**seen.parent["metadata"], "resourceVersion": "another"}}

    async def read_again() -> Json:
        return now

    outcome = await apply(api, seen, [remove], read_again=read_again)
    assert (api.writes, [type(problem) for problem in outcome.problems]) == ([], [Conflict])
    now = seen.parent
    assert (await apply(api, seen, [remove], read_again=read_again)).written == 1


async def test_removing_what_is_not_there_writes_nothing(api: FakeApi) -> None:
    assert (await do(api, Remove("apps/v1", "Deployment", "diabetes-blue"))).problems == []
    assert api.writes == []


async def test_a_refused_hpa_keeps_nothing_else_from_being_done(api: FakeApi) -> None:
    api.fault = refuse("HorizontalPodAutoscaler", Invalid("spec.metrics[0] is wrong"))
    outcome = await do(api, Keep(HPA), Keep(DEPLOYMENT), Keep(SERVICE))
    assert [str(problem) for problem in outcome.problems] == ["spec.metrics[0] is wrong"]
    assert not outcome.traffic_failed
    assert {kind for kind, _, _ in api.objects} == {"Deployment", "Service"}


async def test_a_bug_is_not_taken_for_a_refusal(api: FakeApi) -> None:
    with pytest.raises(LookupError, match="is in no table"):
        await do(api, Remove("v1", "Secret", "x"), Keep(manifest("Service", "v2")))


class Gathering(FakeApi):
    """Answers no patch until three are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = asyncio.Barrier(3)

    async def patch(self, *args: Any, **kwargs: Any) -> Json:
        await asyncio.wait_for(self.barrier.wait(), 5)
        return await super().patch(*args, **kwargs)


async def test_all_pods_are_told_at_once() -> None:
    api = Gathering()
    for name in "abc":
        api.put(owned("Pod", "v1", name, metadata={"uid": name}))
    outcome = await do(api, *(SetTraffic(name, name, traffic="off") for name in "abc"))
    assert outcome.written == 3


async def test_pods_are_told_to_stop_asking_while_a_move_of_clients_is_under_way() -> None:
    """Either may be the rollback: neither waits for the other."""
    api = Gathering()
    for name in "ab":
        api.put(owned("Pod", "v1", name, metadata={"uid": name}))
    api.put(owned("Service", "v1", "diabetes", spec={"selector": {"verdigris.dev/color": "green"}}))
    outcome = await do(api, MoveTraffic(SERVICE), *(SetOrder(name, name, order=None) for name in "ab"))
    assert (outcome.written, outcome.problems) == (3, [])


# Stuck pods


@pytest.mark.parametrize(
    ("remedy", "call", "grace"),
    [
        ("Evict", ("create", "Pod/eviction", "p"), {}),
        ("Delete", ("delete", "Pod", "p"), {("Pod", "p"): None}),
        ("Force", ("delete", "Pod", "p"), {("Pod", "p"): 0}),
    ],
)
async def test_a_stuck_pod_is_removed_as_its_remedy_says(api: FakeApi, remedy: str, call: Any, grace: Any) -> None:
    api.put(pod("p"))
    outcome = await do(api, stuck(remedy))
    assert api.writes == [call]
    assert api.graces == grace
    assert (outcome.removed, outcome.refused, outcome.written) == ([stuck(remedy)], [], 1)


@pytest.mark.parametrize("remedy", ["Evict", "Delete", "Force"])
async def test_another_pod_of_the_same_name_is_left_alone(api: FakeApi, remedy: str) -> None:
    api.put(pod("p"))
    outcome = await do(api, stuck(remedy, uid="an-older-one"))
    assert ("Pod", KEY.namespace, "p") in api.objects
    assert (outcome.removed, outcome.refused, outcome.problems, outcome.written) == ([], [], [], 0)


@pytest.mark.parametrize("refusal", [Transient("its disruption budget"), Forbidden("no right"), Unreachable("away")])
async def test_a_refused_removal_fails_nothing_and_stops_no_other(api: FakeApi, refusal: ApiError) -> None:
    api.put(pod("p"))
    api.fault = refuse("Pod/eviction", refusal)
    outcome = await do(api, stuck("Evict"), stuck("Delete"))
    assert outcome.refused == [(stuck("Evict"), refusal)]
    assert outcome.removed == [stuck("Delete")]
    assert outcome.problems == []


async def test_no_pod_is_removed_after_something_before_it_failed(api: FakeApi) -> None:
    api.put(pod("p"))
    api.fault = refuse("Deployment", Invalid("no"))
    outcome = await do(api, Keep(DEPLOYMENT), stuck("Evict"))
    assert (outcome.removed, outcome.refused) == ([], [])
    assert ("Pod", KEY.namespace, "p") in api.objects


async def test_removals_that_take_long_do_not_wait_for_each_other(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = asyncio.Barrier(2)

    async def slow(*_: Any) -> None:
        await both.wait()

    monkeypatch.setattr(api, "evict", slow)
    async with asyncio.timeout(5):
        outcome = await do(api, stuck("Evict"), stuck("Evict", uid="another"))
    assert len(outcome.removed) == 2
