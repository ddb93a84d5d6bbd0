"""A version that fails half its calls, behind the shield and, beside it, with the clients moved to it."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.shield.common import AS_USUAL, FIRST, Row, all_clients, end_clients, seen, tell
from dev.demo.spared import Spared
from tests.e2e import rounds
from tests.e2e.scene import NAME, Scene, merged


def measure(scene: Scene, *, runs: int, rate: float) -> Iterator[Row]:
    """A row for each run, with the shield and without it in turn. Raises AssertionError when one does not end."""
    scene.given_active(FIRST, **AS_USUAL)
    for number in range(runs):
        for shield in (True, False):
            yield _run(scene, 2 * number + shield, shield, rate)


def _run(scene: Scene, number: int, shield: bool, rate: float) -> Row:
    spared = Spared(scene.kube, NAME)
    with all_clients(scene, rate) as clients:
        played = rounds.take_back(scene, number, merged(AS_USUAL, {"rollout": {"shield": shield}}))
        status = scene.status()
        spared.read(status["active"]["revision"], status["rejected"][-1]["revision"])
    end_clients(scene)
    asked = played.of(clients.requests)
    # A 500 does not say whose it is, but only the bad version answers with any.
    its = [request for request in asked if request.version == rounds.BAD or request.result == "bad"]
    assert its, f"no client has had an answer by {rounds.BAD}: there was nothing to measure"
    failed = [request.ended for request in its if request.result == "bad"]
    row = {
        "shield": shield,
        **seen(asked),
        "spared": spared.total,
        "first_asked_to_verdict_s": round(played.decided - min(request.due for request in its), 2),
        "first_to_last_bad_s": round(max(failed) - min(failed), 2) if failed else 0.0,
    }
    return tell(row, f"fails half its calls, {'with' if shield else 'without'} the shield")
