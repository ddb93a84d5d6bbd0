"""What a model uses, from the scrape to its status, through a whole reconcile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.world import World
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.prometheus.fake import FakePrometheus, Pod
from verdigris.app.usage import UsageSchedule
from verdigris.core.facts.evidence import Usage, UsageQuestion

RESYNC = timedelta(minutes=10)


class Counted(FakePrometheus):
    """The fake, and how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def usage(self, question: UsageQuestion) -> Usage:
        self.asked += 1
        return await super().usage(question)


@pytest.fixture
def prometheus() -> Counted:
    return Counted()


@pytest.fixture
async def stage(prometheus: Counted) -> Stage:
    """A model whose first version has the clients, and has had the time to be known."""
    made = Stage(prometheus)
    await settled(made)
    made.now += timedelta(hours=2)
    return made


def work(stage: Stage, prometheus: FakePrometheus, cores: float = 0.05, memory: float = 100 * 2**20) -> None:
    """The active pod has worked like this for two hours, up to now."""
    active = stage.api.at("ModelDeployment", *KEY)["status"]["active"]
    pod = Pod(KEY.namespace, KEY.name, active["color"], active["revision"], "p0")
    prometheus.forget()
    for second in range(0, 7201, 15):
        at = stage.now.timestamp() - 7200 + second
        prometheus.scrape_process(at, pod, cores * second, memory)


async def resync(stage: Stage, times: int = 7) -> None:
    """More than an hour of looks: the model's turn is among them once, or twice."""
    for _ in range(times):
        stage.now += RESYNC
        await stage.reconcile()


def recommendation(stage: Stage) -> Any:
    return stage.api.at("ModelDeployment", *KEY)["status"].get("recommendation")


async def test_the_use_of_the_active_pods_ends_in_the_status(stage: Stage, prometheus: Counted) -> None:
    work(stage, prometheus)
    await resync(stage)
    told = recommendation(stage)
    assert (told["cpu"], told["memory"], told["percentile"]) == ("75m", "120Mi", 95)
    assert told["samples"] >= 119
    assert "Set spec.serving.resources.requests.memory to 120Mi." in told["message"]


async def test_it_is_asked_once_an_hour_and_never_applied(stage: Stage, prometheus: Counted) -> None:
    work(stage, prometheus)
    await stage.reconcile(20)
    deployment = stage.api.at("Deployment", KEY.namespace, "diabetes-blue")
    template = deployment["spec"]["template"]
    await resync(stage, 6 * 10)
    assert prometheus.asked in (9, 10, 11)
    assert recommendation(stage) is not None
    assert stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["template"] == template


async def test_the_same_use_is_written_once_and_wakes_nobody(stage: Stage, prometheus: Counted) -> None:
    work(stage, prometheus)
    await resync(stage)
    stage.api.calls.clear()
    work(stage, prometheus, cores=0.051)
    asked = prometheus.asked
    await resync(stage)
    assert prometheus.asked > asked
    assert stage.api.writes == []
    assert (await stage.reconcile()).requeue_after is None


async def test_other_use_is_told(stage: Stage, prometheus: Counted) -> None:
    work(stage, prometheus)
    await resync(stage)
    work(stage, prometheus, memory=170 * 2**20)
    await resync(stage)
    told = recommendation(stage)
    assert told["memory"] == "208Mi"
    assert "The limit of 192Mi, where the kernel ends it (OOMKilled), is near." in told["message"]


async def test_a_prometheus_that_is_away_changes_nothing_and_makes_no_noise(stage: Stage, prometheus: Counted) -> None:
    prometheus.problem = "Prometheus at http://prometheus cannot be reached."
    told = stage.told
    stage.api.calls.clear()
    await resync(stage)
    assert prometheus.asked
    assert (stage.api.writes, stage.told) == ([], told)
    prometheus.problem = None
    work(stage, prometheus)
    await resync(stage)
    before = recommendation(stage)
    prometheus.problem = "Prometheus at http://prometheus cannot be reached."
    await resync(stage)
    assert recommendation(stage) == before


async def test_a_model_that_was_deleted_begins_again_if_it_comes_back(prometheus: Counted) -> None:
    world = World(spec(rollout={"bake": "10s"})).run(60)
    schedule, later = UsageSchedule(prometheus), world.now + timedelta(hours=2)
    assert await schedule.look(world.observe(), later) is None
    schedule.forget(Key("clinic", "diabetes"))
    assert await schedule.look(world.observe(), later + timedelta(hours=1)) is None, "its first look"
    assert await schedule.look(world.observe(), later + timedelta(hours=2)) is not None
