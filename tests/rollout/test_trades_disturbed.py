"""Trades that people and nodes interfere with, told as scenarios: they end, and always with the right version."""

from __future__ import annotations

from tests.rollout.test_small_clusters import full, over, recreate, serves, small, until


def test_recreate_ends_the_active_pods_also_when_the_new_spec_wants_more_of_them() -> None:
    world = full()
    wanted = recreate("1.1.0").model_copy(update={"autoscaling": small("1.1.0", size=4).autoscaling})
    world.room = 4
    until(world.apply(wanted).run(1), over)
    assert serves(world, "1.1.0", 4), world.status.history
