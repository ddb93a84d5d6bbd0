"""Writes that an admission webhook refuses: to side objects by lot, and to one kind of them for ever."""

from __future__ import annotations

import pytest

from dev.faults.refusals import Plan
from dev.faults.webhook import Refuser, reachable
from tests.e2e import rounds
from tests.e2e.crowd import scenario
from tests.e2e.scene import Scene

SPEC = {"rollout": {"bake": "3s"}, "autoscaling": {"minReplicas": 2, "maxReplicas": 3}}
BY_LOT = Plan(side=0.4, paced=0.1)
FOR_EVER = Plan(side=0.4, paced=0.1, for_ever=frozenset({"horizontalpodautoscalers"}))
SECONDS = 5.0
"""From the decision to the last answer of the version that is taken back."""


@scenario
def test_refused_side_objects_cost_no_request_and_keep_no_client_on_a_bad_version(scene: Scene) -> None:
    if not reachable(scene.cluster):
        pytest.skip("this cluster's API server runs in a container: it cannot ask a webhook of this process")
    scene.given_active("1.0.0", **SPEC)
    played = []
    with Refuser(scene.cluster, scene.namespace, seed=9) as refuser, scene.clients() as clients:
        for number, plan in enumerate((BY_LOT, FOR_EVER)):
            refuser.follow(plan)
            rounds.unsettle(scene)
            played.append(rounds.play(scene, number, SPEC))
        refused = refuser.refused()
    assert rounds.lost_by(clients.requests) == {}
    for one, good in zip(played, rounds.GOOD, strict=True):
        back = one.seen_by(clients.requests)
        assert (back.version, back.to_version) == (rounds.BAD, good)
        late = back.last_answer - back.decided
        assert late <= SECONDS, f"clients stayed on {back.version} for {late:.1f} s after the decision"
    assert refused["horizontalpodautoscalers"] > 0, f"nothing was refused that this is about, only {refused}"
