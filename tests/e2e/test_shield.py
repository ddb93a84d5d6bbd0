"""A version on trial behind the shield, under the eyes of clients: whatever it does, they have an answer."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise

from dev.demo.records import Request, within
from tests.e2e.crowd import scenario
from tests.e2e.scene import Scene, Status, active, merged, settled

SHIELDED = {
    # On a slow machine a good answer may be late as well, and here only what is bad is to be found.
    "rollout": {"bake": "8s", "shield": True, "answerWithin": "20s"},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 2},
}


@scenario
def test_no_client_sees_that_a_version_fails_half_its_calls_and_a_good_one_is_let_through(scene: Scene) -> None:
    scene.given_active("1.0.0", **SHIELDED)
    with scene.clients() as clients:
        scene.apply("1.2.0", **SHIELDED)
        rejected = scene.until("1.2.0 to be rejected", lambda status: bool(status.get("rejected")))
        selected = scene.selected()
        scene.apply("1.1.0", **SHIELDED)
        scene.until("1.1.0 to be promoted", settled("1.1.0"))
        clients.until_answered_by("1.1.0")
    back = rejected["lastRollback"]
    assert (active(rejected), selected, back["fromVersion"]) == ("1.0.0", "blue", "1.2.0")
    assert back["evidence"]["candidate"]["errors"] > 0, "the fault must have been a real one"
    assert back["trafficRestoredAt"] > back["decidedAt"]
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []
    assert {request.version for request in clients.requests} == {"1.0.0", "1.1.0", "1.2.0"}
    scene.event("OnTrial", "1.2.0")
    scene.event("RolledBack", "1.2.0")
    scene.event("Promoted", "1.1.0")
    assert scene.selected() == "green"


LADDER = merged(
    SHIELDED,
    {"rollout": {"bake": "4s", "steps": [{"weight": 20, "hold": "4s"}, {"weight": 60, "hold": "4s"}]}},
)


@scenario
def test_a_version_is_asked_as_much_as_its_steps_say_by_clients_who_notice_nothing(scene: Scene) -> None:
    scene.given_active("1.0.0", **LADDER)
    with scene.clients() as clients:
        scene.apply("1.1.0", **LADDER)
        told = []
        for weight in (20, 60, 100):
            scene.until(f"{weight} % to be passed on", lambda status, weight=weight: shielded(status) == weight)
            told.append(time.time())
        scene.until("1.1.0 to be promoted", settled("1.1.0"))
        clients.until_answered_by("1.1.0")
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []
    shares = [share_of("1.1.0", within(clients.requests, *span)) for span in pairwise(told)]
    for (share, requests), weight in zip(shares, (0.2, 0.6), strict=True):
        # Five standard deviations of chance, and a second of each span is before the last pod was told.
        assert abs(share - weight) <= 5 * (weight * (1 - weight) / requests) ** 0.5 + 0.1, (share, weight, requests)
    assert scene.selected() == "green"


SHADOW = merged(SHIELDED, {"rollout": {"steps": [{"shadow": {"for": "6s", "maxDisagreement": 0.1}}]}})


@scenario
def test_a_version_that_answers_wrongly_with_200_is_stopped_before_any_client_meets_it(scene: Scene) -> None:
    scene.given_active("1.0.0", **SHADOW)
    with scene.clients() as clients:
        scene.apply(scene.stock.swapped(), **SHADOW)
        rejected = scene.until("it to be rejected", lambda status: bool(status.get("rejected")))
        scene.apply("1.1.0", **SHADOW)
        scene.until("1.1.0 to be promoted", settled("1.1.0"))
        clients.until_answered_by("1.1.0")
    assert rejected["rejected"][-1]["reason"] == "ShadowDisagrees"
    assert active(rejected) == "1.0.0"
    assert {request.version for request in clients.requests} == {"1.0.0", "1.1.0"}
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []


def shielded(status: Status) -> float:
    """Percent of the requests that the active pods were seen to be told to pass on."""
    return max((share.get("shielded") or 0 for share in status.get("traffic", ())), default=0)


def share_of(version: str, requests: Iterable[Request]) -> tuple[float, int]:
    """The share of these requests that a version answered, and of how many."""
    answered = [request.version for request in requests]
    return answered.count(version) / len(answered), len(answered)
