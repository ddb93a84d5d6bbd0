"""A test that waits for ever ends, and says what it waits for."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.patience import Endless
from tests.rollout.parts import spec
from tests.rollout.world import MOST_LOOKS, World, serving
from tests.runtime import virtual


def test_a_loop_around_the_simulated_cluster_is_named_with_how_things_stand() -> None:
    world = serving("1.0.0").apply(spec("1.1.0", rollout={"approval": "Required"}))
    world.looks = MOST_LOOKS - 20
    with pytest.raises(Endless) as refused:
        _until_clients_are_on_green(world)
    said = f"after {MOST_LOOKS} looks: `while world.selected != 'green'` at tests/test_patience.py:"
    assert str(refused.value).startswith(said), refused.value
    assert "It is AwaitingApproval: Waiting for approval" in str(refused.value)


def _until_clients_are_on_green(world: World) -> None:
    while world.selected != "green":
        world.run(1)


async def _waits(seconds: float) -> None:
    came: list[str] = []
    while not came:
        await asyncio.sleep(seconds)


@pytest.mark.parametrize(
    ("bound", "seconds"), [("MOST_SECONDS", 10.0), ("MOST_TURNS", 0.0)], ids=["time goes on", "time stands still"]
)
def test_a_loop_in_virtual_time_is_named(monkeypatch: pytest.MonkeyPatch, bound: str, seconds: float) -> None:
    monkeypatch.setattr(virtual, bound, 100)
    with pytest.raises(Endless, match=r"`while not came` at tests/test_patience\.py:\d+ never ended"):
        virtual.run(_waits(seconds))


def test_what_only_somebody_else_can_end_is_refused_at_once() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Endless, match=re.escape("after 0.0 virtual seconds, and ")):
        virtual.run(forever())
