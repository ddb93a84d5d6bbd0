"""The NetworkPolicy of a model: made, extended, switched off, or left alone where nobody knows what is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.world import World
from verdigris.adapters.kube.reading.owned import needed_names
from verdigris.api.schema.reading import Fault
from verdigris.core.actions import Keep, Remove
from verdigris.core.engine.plan import plan
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.skew import Skew

KIND = "NetworkPolicy"


def asked(policy: dict[str, Any], skew: Skew | None = None) -> list[Any]:
    """What is done about the NetworkPolicy of the model's pods."""
    world = World(spec("1.0.0", serving={"networkPolicy": policy}))
    observed: Observed = replace(world.observe(), skew=skew or Skew())
    actions = plan(observed, world.evidence(), world.now).actions
    kept = [action for action in actions if isinstance(action, Keep) and action.manifest["kind"] == KIND]
    removed = (action for action in actions if isinstance(action, Remove) and action.kind == KIND)
    return [*kept, *(action for action in removed if action.name == observed.owner.name)]


def test_it_is_made_with_what_the_spec_adds() -> None:
    (kept,) = asked({"clients": "Anywhere", "extraEgress": [{"ports": [{"port": 5432}]}]})
    assert kept.manifest["spec"]["ingress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}]}]
    assert kept.manifest["spec"]["egress"][-1] == {"ports": [{"port": 5432, "protocol": "TCP"}]}


def test_switched_off_it_is_removed_and_its_name_is_free_for_others() -> None:
    assert asked({"enabled": False}) == [Remove("networking.k8s.io/v1", KIND, "diabetes")]
    world = World(spec("1.0.0", serving={"networkPolicy": {"enabled": False}}))
    names = needed_names(world.observe().owner, world.spec, "v1-a")
    assert KIND not in {name.kind for name in names}


@pytest.mark.parametrize("path", [("serving", "networkPolicy"), ("serving", "networkPolicy", "enabled")])
def test_where_it_cannot_be_read_what_is_asked_for_nothing_is_done_about_it(path: tuple[str, ...]) -> None:
    assert asked({}, Skew(unread=(Fault(path, "a newer operator wrote it"),))) == []
