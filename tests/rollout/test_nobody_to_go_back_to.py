"""A rollout that traded pods is taken back, and the old ones never come: a person's verb or a new spec ends it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import condition
from tests.rollout.world import World, serving
from verdigris.core.facts.revision import revision_of

RECREATE: dict[str, Any] = {"strategy": "Recreate", "allowDowntime": True}
IN_PLACE: dict[str, Any] = {"onInsufficientCapacity": "InPlace"}
BOTH = pytest.mark.parametrize("way", [RECREATE, IN_PLACE], ids=["Recreate", "InPlace"])


def stranded(way: dict[str, Any]) -> World:
    """Given: 1.1.0 has turned bad after all pods of 1.0.0 had ended for it, and new ones of that are never ready."""
    world = serving("1.0.0")
    world.room = 2
    world.apply(spec("1.1.0", rollout=way)).run(70 if way == IN_PLACE else 12)
    world.versions |= {"1.0.0": Version(never_ready=True), "1.1.0": Version(error_rate=0.5)}
    world.run(120)
    assert world.status.rollout
    assert (world.status.rollout.stage, world.ready("blue")) == ("RollingBack", 0)
    return world


@BOTH
def test_a_new_spec_starts_although_the_old_pods_never_come(way: dict[str, Any]) -> None:
    world = stranded(way)
    world.apply(spec("1.2.0", rollout=way)).run(150)
    assert world.status.active
    assert world.status.active.version == "1.2.0"


@BOTH
def test_a_person_may_keep_the_version_whose_old_pods_never_come(way: dict[str, Any]) -> None:
    world = stranded(way)
    world.decide("promote", revision_of(world.spec), by="dana").run(10)
    assert world.status.decisions[-1].outcome == "Accepted"
    assert world.status.active
    assert world.status.active.version == "1.1.0"
    assert (world.selected, world.ready("green")) == ("green", 2)


@BOTH
def test_it_is_said_who_is_waited_for_and_what_ends_it(way: dict[str, Any]) -> None:
    message = condition(stranded(way), "Ready")[2]
    assert "no pod of 1.0.0 (blue) is ready" in message
    assert ("Nobody answers" in message) == (way == RECREATE)
    assert "verb promote" in message
    assert "another version in the spec" in message


@BOTH
def test_old_pods_that_are_merely_slow_are_waited_for_whatever_is_asked_for_meanwhile(way: dict[str, Any]) -> None:
    world = serving("1.0.0")
    world.room = 2
    world.apply(spec("1.1.0", rollout=way)).run(70 if way == IN_PLACE else 12)
    world.versions |= {"1.0.0": Version(ready_after=40), "1.1.0": Version(error_rate=0.5)}
    world.run(30).decide("promote", revision_of(world.spec)).apply(spec("1.2.0", rollout=way)).run(10)
    assert "ActiveGivenUp" not in {note.reason for note in world.notes}
    assert world.status.active
    assert world.status.active.version == "1.0.0"
    assert world.status.decisions[-1].outcome == "Refused"
