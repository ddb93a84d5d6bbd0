"""A version that waits is no fault: what waits by itself is under way, and a pause waits for a person."""

from __future__ import annotations

from tests.cli.scenes import model
from tests.rollout.parts import spec
from tests.rollout.small import until
from tests.rollout.world import World, serving
from verdigris.api.status import Failure
from verdigris.cli.model.findings import WAITING, findings
from verdigris.cli.model.outcome import Outcome, outcome_of
from verdigris.cli.model.read import model_of


def outcome(world: World) -> Outcome:
    return outcome_of(model_of(model(world)), world.now)


def test_a_version_that_waits_for_clients_to_leave_is_under_way() -> None:
    world = serving("1.0.0").apply(spec("1.1.0", rollout={"bake": "0s"}))
    until(world, lambda world: world.status.active is not None and world.status.active.version == "1.1.0")
    world.apply(spec("1.2.0")).run(2)
    found = outcome(world)
    assert (found.state, found.code, found.settled) == ("Progressing", 0, False)
    told = {one.reason: one.severity for one in findings(model_of(model(world)), world.now)}
    assert told["Draining"] == WAITING


def test_a_pause_is_a_pause_also_where_the_route_is_amiss() -> None:
    world = serving("1.0.0").apply(spec("1.1.0", paused=True))
    world.route_fault = Failure(reason="GatewayMissing", message="There is no Gateway x.")
    world.run(3)
    assert outcome(world) == Outcome("Paused", 4, "Version 1.1.0 waits. There is no Gateway x.", settled=True)
