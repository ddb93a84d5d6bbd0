"""Metamorphic: whatever is changed in a spec shows in a child, or in the policy that a rollout keeps."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache

import pytest

from tests.rollout.every_field import WHOLE, Path, changed, fields
from tests.rollout.test_gates import answers
from tests.rollout.test_source import elsewhere
from tests.rollout.world import World
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.core.actions import Action

DECIDES_LATER = ("cleanup", "traffic.unit", "traffic.testers", "model.follow")
"""Which version is wanted once a registry has answered: tests/rollout/test_follow.py. Whether, when and how many stuck
pods are removed: tests/rollout/test_cleanup_gates.py. Which requests meet a version on trial:
tests/rollout/test_weights.py."""
TIED = ("autoscaling.metrics.type", "traffic.router")
"""Says which of its neighbours is there."""
LOOKS = 30
"""Seconds until the first version has passed its gates, is active, and has the clients' Service."""


@cache
def shown(spec: str) -> str:
    """All that is written for a new model with this spec, until its first version is active."""
    written: list[str] = []

    def note(action: Action) -> bool:
        written.append(str(action))
        return False

    world = World(spec=ModelDeploymentSpec.parse(json.loads(spec)))
    world.refuses, world.judges = note, answers("Pass")
    world.source = elsewhere(world.now - timedelta(days=2), sha256=world.spec.model.sha256 or "")
    for _ in range(LOOKS):
        world.run(1)
        rollout = world.status.rollout
        if rollout is not None and rollout.stage == "AwaitingApproval":
            world.decide("approve", rollout.revision)
        written.append(json.dumps(world.status.dump(), sort_keys=True))
    return "\n".join(written)


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(set(fields()))
        if not ".".join(path).startswith(DECIDES_LATER) and ".".join(path) not in TIED
    ],
    ids=".".join,
)
def test_a_field_that_is_changed_shows(path: Path) -> None:
    before, after = changed(path)
    assert shown(json.dumps(after)) != shown(json.dumps(before)), f"spec.{'.'.join(path)} is read by nobody"


def test_what_says_the_same_shows_the_same() -> None:
    """Else the test above could not fail."""
    assert shown(json.dumps(WHOLE)) == shown(json.dumps(dict(reversed(WHOLE.items()))))
