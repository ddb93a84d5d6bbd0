"""Looking beyond the model: what nodes have promised, who is asked how often, and that no failure stops anything."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, container, owned, parent, pod, waiting
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading import survey as module
from verdigris.adapters.kube.reading.observe import observe
from verdigris.adapters.kube.reading.survey import Surveyor
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden, Unreachable
from verdigris.api.schema.quantity import amount_of
from verdigris.api.status import ModelDeploymentStatus, RolloutStatus
from verdigris.children.names import Defaults
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.survey import Taint

Json = dict[str, Any]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLUSTER = ("Node", "Pod")


class Look:
    """A surveyor on a fake API, and a clock that only tests move."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.seconds = 0.0
        self.surveyor = Surveyor(self.api, lambda: self.seconds, lambda: NOW + timedelta(seconds=self.seconds))

    def listed(self, kind: str) -> int:
        return self.api.calls.count(("list", kind, ""))

    def refuse(self, error: ApiError, *kinds: str) -> None:
        self.api.fault = lambda verb, kind, _: error if verb == "list" and kind in kinds else None


@pytest.fixture
def look() -> Look:
    return Look()


def node(name: str = "n1", **rest: Any) -> Json:
    status = {
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T10:00:00Z"}],
        "allocatable": {"cpu": "3500m", "memory": "2Gi", "pods": "110"},
    }
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"zone": "a"}},
        "status": status,
    } | rest


def running(name: str, cpu: str, on: str = "n1", phase: str = "Running", namespace: str = "elsewhere") -> Json:
    containers = [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]
    meta = {"name": name, "namespace": namespace}
    spec = {"containers": containers, "nodeName": on}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": spec, "status": {"phase": phase}}


def event(uid: str, reason: str, **rest: Any) -> Json:
    return owned("Event", "v1", f"{uid}-{reason}", involvedObject={"uid": uid}, reason=reason, message="m", **rest)


# what is seen


async def test_a_node_has_promised_what_its_running_pods_request_in_all_namespaces(look: Look) -> None:
    look.api.put(node())
    for raw in (
        running("a", "500m"),
        running("b", "250m", namespace="other"),
        running("waiting", "1", on=""),
        running("other-node", "1", on="n2"),
        running("done", "1", phase="Succeeded"),
        running("failed", "1", phase="Failed"),
        running("pulling", "1", phase="Pending"),
    ):
        look.api.put(raw)
    (seen,) = (await look.surveyor.survey("clinic")).nodes
    assert seen.requested == {"cpu": amount_of("1750m"), "pods": 3}
    assert seen.allocatable == {"cpu": amount_of("3.5"), "memory": 2 << 30, "pods": 110}
    assert (seen.ready, seen.cordoned, seen.labels) == (True, False, {"zone": "a"})
    assert seen.since == datetime(2026, 11, 23, 10, tzinfo=UTC)


async def test_nodes_that_are_away_or_closed_are_seen_as_such(look: Look) -> None:
    taint = {"key": "gpu", "value": "only", "effect": "NoSchedule"}
    look.api.put(node("away", status={"conditions": [{"type": "Ready", "status": "Unknown"}]}))
    look.api.put(node("closed", spec={"unschedulable": True, "taints": [taint]}))
    away, closed = (await look.surveyor.survey("clinic")).nodes
    assert (away.name, away.ready, away.allocatable) == ("away", False, {})
    assert (closed.name, closed.ready, closed.cordoned) == ("closed", True, True)
    assert closed.taints == (Taint("gpu", "only", "NoSchedule"),)


async def test_quotas_and_limit_ranges_are_those_of_the_namespace(look: Look) -> None:
    def quota(name: str, **rest: Any) -> Json:
        return owned("ResourceQuota", "v1", name, **rest)

    look.api.put(quota("new", spec={"hard": {"pods": "5"}}))
    counted = {"hard": {"requests.cpu": "2"}, "used": {"requests.cpu": "300m"}}
    look.api.put(quota("counted", spec={"hard": {"requests.cpu": "9"}}, status=counted))
    look.api.put(quota("scoped", spec={"hard": {"pods": "1"}, "scopes": ["BestEffort"]}))
    look.api.put(quota("theirs", metadata={"namespace": "other"}, spec={"hard": {"pods": "0"}}))
    items = [
        {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "200m"}, "max": {"cpu": "4"}},
        {"type": "Pod", "max": {"cpu": "8"}},
    ]
    look.api.put(owned("LimitRange", "v1", "bounds", spec={"limits": items}))
    survey = await look.surveyor.survey(KEY.namespace)
    assert [(quota.name, quota.scoped) for quota in survey.quotas] == [
        ("counted", False),
        ("new", False),
        ("scoped", True),
    ]
    assert (survey.quotas[0].hard, survey.quotas[0].used) == ({"requests.cpu": 2}, {"requests.cpu": amount_of("300m")})
    assert (survey.quotas[1].hard, survey.quotas[1].used) == ({"pods": 5}, {})
    (bounds,) = survey.limit_ranges
    assert bounds.default_requests == {"cpu": amount_of("200m")}
    assert (bounds.default_limits, bounds.minimum, bounds.maximum) == ({"cpu": 1}, {}, {"cpu": 4})


# how often is asked


async def test_one_look_at_the_nodes_serves_all_models_for_a_while(look: Look) -> None:
    look.api.put(node())
    first = await look.surveyor.survey("clinic")
    look.api.put(node("n2"))
    look.seconds += module.FRESH_SECONDS - 0.1
    assert await look.surveyor.survey("lab") == first
    assert [look.listed(kind) for kind in CLUSTER] == [1, 1]
    assert look.listed("ResourceQuota") == 2
    look.seconds += 0.2
    later = await look.surveyor.survey("clinic")
    assert [seen.name for seen in later.nodes] == ["n1", "n2"]
    assert later.at > first.at


async def test_many_who_ask_at_once_are_served_by_one_flight(look: Look) -> None:
    look.api.put(node())
    surveys = await asyncio.gather(*(look.surveyor.survey(f"ns-{number}") for number in range(10)))
    assert [look.listed(kind) for kind in CLUSTER] == [1, 1]
    assert all(survey == surveys[0] for survey in surveys)
    assert len(surveys[0].nodes) == 1


# what cannot be seen


@pytest.mark.parametrize("kind", CLUSTER)
async def test_nodes_that_may_not_be_read_are_told_and_not_asked_for_again_for_a_minute(look: Look, kind: str) -> None:
    look.api.put(node())
    look.api.put(owned("ResourceQuota", "v1", "small", spec={"hard": {"pods": "5"}}))
    look.refuse(Forbidden("reading nodes: no right"), kind)
    survey = await look.surveyor.survey(KEY.namespace)
    assert survey.nodes == ()
    assert "reading nodes: no right" in (survey.problem or "")
    assert "capacity.readNodes" in (survey.problem or "")
    assert [quota.name for quota in survey.quotas] == ["small"]
    look.seconds += module.FORBIDDEN_SECONDS - 1
    assert (await look.surveyor.survey(KEY.namespace)).problem == survey.problem
    assert look.listed(kind) == 1
    look.seconds += 2
    look.refuse(Forbidden(""))
    assert (await look.surveyor.survey(KEY.namespace)).problem is None


async def test_a_look_that_failed_is_told_and_tried_again_at_once(look: Look) -> None:
    look.api.put(node())
    look.refuse(Unreachable("nobody answers"), "Pod")
    survey = await look.surveyor.survey("clinic")
    assert (survey.nodes, survey.problem) == ((), "The nodes could not be read: nobody answers.")
    look.refuse(Unreachable(""))
    survey = await look.surveyor.survey("clinic")
    assert (len(survey.nodes), survey.problem) == (1, None)


async def test_quotas_that_cannot_be_read_are_told_beside_the_nodes(look: Look) -> None:
    look.api.put(node())
    look.refuse(Forbidden("no right"), "ResourceQuota")
    survey = await look.surveyor.survey("clinic")
    assert len(survey.nodes) == 1
    assert (survey.problem or "").startswith("The quotas of namespace clinic may not be read (no right)")
    assert await look.surveyor.survey("clinic") == survey
    assert look.listed("ResourceQuota") == 1
    await look.surveyor.survey("lab")
    assert look.listed("ResourceQuota") == 2


async def test_what_is_no_amount_is_told(look: Look) -> None:
    look.api.put(node(status={"allocatable": {"cpu": "much"}}))
    look.api.put(owned("ResourceQuota", "v1", "small", spec={"hard": {"pods": "few"}}))
    problem = (await look.surveyor.survey(KEY.namespace)).problem or ""
    assert "The nodes could not be read: 'much' is not a quantity" in problem
    assert "The quotas of namespace clinic could not be read: 'few' is not a quantity" in problem


def hang(look: Look, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Until the event comes, no list is answered."""
    come, listing = asyncio.Event(), look.api.list

    async def slow(resource: Any, *args: Any, **options: Any) -> list[Json]:
        await come.wait()
        return await listing(resource, *args, **options)

    monkeypatch.setattr(look.api, "list", slow)
    return come


async def test_nobody_waits_for_long_and_what_comes_late_serves_the_next(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.02)
    look.api.put(node())
    come = hang(look, monkeypatch)
    survey = await look.surveyor.survey("clinic")
    assert survey.nodes == ()
    assert "The nodes could not be read in time" in (survey.problem or "")
    assert "The quotas of namespace clinic could not be read in time" in (survey.problem or "")
    assert await look.surveyor.events("clinic", ["u"]) == {"u": ()}
    come.set()
    assert [seen.name for seen in (await look.surveyor.survey("clinic")).nodes] == ["n1"]
    assert look.listed("Node") == look.listed("ResourceQuota") == 1


async def test_the_last_look_stands_in_for_one_that_takes_long_but_not_for_ever(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.02)
    look.api.put(node())
    look.api.put(event("u", "FailedMount", lastTimestamp="2026-11-23T10:00:07Z"))
    first, told = await look.surveyor.survey(KEY.namespace), await look.surveyor.events(KEY.namespace, ["u"])
    hang(look, monkeypatch)
    look.seconds += module.FRESH_SECONDS + module.LAST_SECONDS - 1
    assert (await look.surveyor.survey(KEY.namespace)).nodes == first.nodes
    assert await look.surveyor.events(KEY.namespace, ["u"]) == told
    look.seconds += 2
    assert (await look.surveyor.survey(KEY.namespace)).nodes == ()
    assert await look.surveyor.events(KEY.namespace, ["u"]) == {"u": ()}


async def test_where_clients_may_go_back_nobody_waits_for_what_is_only_good_to_know(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 3600)
    monkeypatch.setattr(module, "ROLLBACK_PATIENCE_SECONDS", 0.02)
    observed = await starting(look)
    rollout = RolloutStatus(color="green", version="2.0.0", revision="v1-2", stage="Trading", started_at=NOW, since=NOW)
    baking = ModelDeploymentStatus(rollout=rollout.model_copy(update={"weight": 33}))
    hang(look, monkeypatch)
    async with asyncio.timeout(5):
        found = await look.surveyor.look_further(replace(observed, status=baking), NOW)
    assert found.survey is not None
    assert found.survey.nodes == ()


# the Events of pods


async def test_the_events_of_a_pod_come_with_the_newest_last(look: Look) -> None:
    look.api.put(event("u1", "Pulled", lastTimestamp="2026-11-23T10:00:05Z", count=2))
    series = {"count": 7, "lastObservedTime": "2026-11-23T10:00:09.000000Z"}
    look.api.put(event("u1", "Unhealthy", series=series, eventTime="2026-11-23T10:00:01.000000Z"))
    look.api.put(event("u1", "Scheduled", eventTime="2026-11-23T10:00:02.000000Z", lastTimestamp=None))
    look.api.put(event("u2", "FailedMount", lastTimestamp="2026-11-23T10:00:07Z"))
    found = await look.surveyor.events(KEY.namespace, ["u1", "u2"])
    assert [(told.reason, told.count, told.at.second) for told in found["u1"]] == [
        ("Scheduled", 1, 2),
        ("Pulled", 2, 5),
        ("Unhealthy", 7, 9),
    ]
    assert [told.reason for told in found["u2"]] == ["FailedMount"]
    await look.surveyor.events(KEY.namespace, ["u1"])
    assert look.listed("Event") == 2


async def test_the_events_of_a_few_pods_are_enough(look: Look) -> None:
    found = await look.surveyor.events("clinic", [f"u{number}" for number in range(20)])
    assert list(found) == ["u0", "u1", "u2", "u3", "u4"]


@pytest.mark.parametrize(("error", "asked"), [(Forbidden("no right"), 1), (Unreachable("away"), 2)])
async def test_events_that_cannot_be_read_are_none(look: Look, error: ApiError, asked: int) -> None:
    look.refuse(error, "Event")
    assert await look.surveyor.events("clinic", ["u"]) == {"u": ()}
    assert await look.surveyor.events("clinic", ["u"]) == {"u": ()}
    assert look.listed("Event") == asked


# when it is looked at all


async def seen(look: Look, *pods: Json) -> Observed:
    look.api.put(parent())
    for raw in pods:
        look.api.put(raw)
    picture = await observe(look.api, KEY, Defaults("verdigris/serving:0.1.0", "http://prometheus"))
    assert picture is not None
    return picture.observed


async def test_a_healthy_model_is_no_reason_to_look_at_nodes_and_events(look: Look) -> None:
    observed = await seen(look, pod())
    found = await look.surveyor.look_further(observed, NOW)
    assert found == replace(observed, seen_at=NOW)
    assert look.listed("Node") == look.listed("Event") == 0


async def starting(look: Look) -> Observed:
    creating = {"phase": "Pending", "containerStatuses": [container(state=waiting("ContainerCreating"))]}
    deployment = owned("Deployment", "apps/v1", f"{KEY.name}-blue", spec={"replicas": 1})
    return await seen(look, deployment, pod(status=creating, spec={"nodeName": "n1"}))


async def test_a_pod_that_does_not_get_ready_is(look: Look) -> None:
    found = await look.surveyor.look_further(await starting(look), NOW)
    assert found.seen_at == NOW
    assert found.survey is not None
    assert list(found.events) == ["Pod-p"]


async def test_a_rollout_goes_its_way_when_nothing_beyond_the_model_can_be_seen() -> None:
    stage = Stage()
    blind = {"Node", "ResourceQuota", "LimitRange", "Event"}
    stage.api.fault = lambda verb, kind, _: Forbidden("no right") if verb == "list" and kind in blind else None
    await settled(stage)
    assert {kind for verb, kind, _ in stage.api.calls if verb == "list"} >= {"Node", "ResourceQuota"}
