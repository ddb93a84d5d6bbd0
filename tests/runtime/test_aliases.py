"""Asking the registry: beside the looks, once in `every`, and never again for who is gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.port import Key
from verdigris.api.status import Failure
from verdigris.app.aliases import NONE_CONFIGURED, AliasDesk
from verdigris.core.facts.followed import Alias, Registered, RegistryView

FIRST = RegistryView(Registered("1", "1.0.0", "a" * 64))
SECOND = RegistryView(Registered("2", "1.1.0", "c" * 64))


@dataclass
class FakeRegistry:
    """Says what a test has put there, and remembers what it was asked."""

    says: RegistryView = FIRST
    asked: list[Alias] = field(default_factory=list)

    async def look_up(self, alias: Alias) -> RegistryView:
        self.asked.append(alias)
        return self.says


class Pauses:
    """Pauses that end when a test says so."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self._over.wait()
        self._over.clear()

    async def end(self) -> None:
        self._over.set()
        await settle()


async def settle() -> None:
    """Let every task go as far as it gets by itself."""
    for _ in range(5):
        await asyncio.sleep(0)


def follows(stage: Stage, alias: str = "champion", every: str = "1m") -> None:
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["spec"]["model"] |= {"uri": "models:/diabetes/1", "follow": {"alias": alias, "every": every}}
    stage.api.put(raw)


async def test_a_moved_alias_is_rolled_out_and_asked_for_once_in_its_time() -> None:
    registry, pauses, woken = FakeRegistry(), Pauses(), list[Key]()
    asked_at = datetime(2026, 11, 28, tzinfo=UTC)
    desk = AliasDesk(registry, woken.append, pauses, lambda: asked_at)
    stage = Stage(aliases=desk)
    follows(stage)
    await settled(stage)
    await stage.reconcile(20)
    assert registry.asked == [Alias("diabetes", "champion")]
    told = desk._askers[KEY].answer
    assert told
    assert told.asked_at == asked_at
    assert (woken, pauses.waits) == ([KEY], [60.0])
    assert stage.condition("Followed") == ("True", "AliasFollowed")
    await pauses.end()
    assert (len(registry.asked), woken) == (2, [KEY]), "the same answer is no news"
    registry.says = SECOND
    await pauses.end()
    assert woken == [KEY, KEY]
    await stage.reconcile(3)
    status = stage.api.at("ModelDeployment", *KEY)["status"]
    assert (status["followed"]["number"], status["rollout"]["version"]) == ("2", "1.1.0")
    assert stage.api.at("ModelDeployment", *KEY)["spec"]["model"]["version"] != "1.1.0", "a spec is people's alone"
    await desk.close()


async def test_who_is_gone_or_asks_for_another_alias_is_asked_for_no_more() -> None:
    registry, pauses = FakeRegistry(), Pauses()
    desk = AliasDesk(registry, lambda _: None, pauses)
    stage = Stage(aliases=desk)
    follows(stage)
    await stage.reconcile()
    await settle()
    follows(stage, "next")
    await stage.reconcile()
    await settle()
    assert [alias.name for alias in registry.asked] == ["champion", "next"]
    stage.api.objects.pop(("ModelDeployment", *KEY))
    await stage.reconcile()
    await pauses.end()
    assert len(registry.asked) == 2
    await desk.close()


async def test_a_shorter_time_counts_at_once() -> None:
    registry, pauses = FakeRegistry(), Pauses()
    desk = AliasDesk(registry, lambda _: None, pauses)
    stage = Stage(aliases=desk)
    for every in ("10m", "5m", "5m", "8m"):
        follows(stage, every=every)
        await stage.reconcile()
        await settle()
    assert (len(registry.asked), pauses.waits) == (2, [600.0, 300.0])
    await desk.close()


async def test_another_leader_writes_no_status_when_nothing_has_changed() -> None:
    desks = [AliasDesk(FakeRegistry(), lambda _: None, Pauses()) for _ in range(2)]
    first, second = (Stage(aliases=desk) for desk in desks)
    follows(first)
    await settled(first)
    second.take_over(first)
    await second.reconcile()
    await settle()
    await second.reconcile(2)
    assert second.condition("Followed") == ("True", "AliasFollowed")
    assert second.api.writes == []
    for desk in desks:
        await desk.close()


async def test_an_answer_that_another_leader_has_overtaken_wakes_when_it_is_given_again() -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    registry, pauses, woken = FakeRegistry(), Pauses(), list[Key]()
    desk = AliasDesk(registry, woken.append, pauses, lambda: now)
    stage = Stage(aliases=desk)
    follows(stage)
    await settled(stage)
    await stage.reconcile(2)
    raw = stage.api.at("ModelDeployment", *KEY)
    raw["status"]["followed"] |= {"number": "2", "version": "1.1.0", "since": "2026-11-28T00:00:01Z"}
    stage.api.put(raw)
    await stage.reconcile()
    now += timedelta(minutes=1)
    await pauses.end()
    assert woken == [KEY, KEY], "the registry says the first still, and is right"
    await desk.close()


async def test_a_bug_in_asking_is_told_and_ends_no_look() -> None:
    class Broken:
        async def look_up(self, alias: Alias) -> RegistryView:
            raise ZeroDivisionError(alias)

    desk = AliasDesk(Broken(), lambda _: None, Pauses())
    stage = Stage(aliases=desk)
    follows(stage)
    await stage.reconcile()
    await settle()
    await stage.reconcile()
    assert stage.condition("Followed") == ("False", "RegistryUnreachable")
    assert "a bug in the operator (ZeroDivisionError)" in stage.message("Followed")
    await desk.close()


async def test_without_a_registry_that_is_told() -> None:
    stage = Stage()
    follows(stage)
    await stage.reconcile()
    assert stage.condition("Followed") == ("False", "RegistryUnknown")
    assert NONE_CONFIGURED.problem == Failure(
        reason="RegistryUnknown",
        message="No registry is configured: set registry.address in the values of the operator's chart.",
    )
