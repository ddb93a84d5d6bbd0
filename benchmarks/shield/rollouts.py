"""Whole rollouts: exact shares on the way, promotions and rollbacks in a row, and how soon a client is answered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import sqrt

from benchmarks.shield.common import (
    AS_USUAL,
    FIRST,
    GOOD,
    HELD,
    Row,
    all_clients,
    asked_of,
    end_clients,
    numbered,
    seen,
    spans,
    tell,
    until_told,
)
from dev.demo.figures import first_answer
from dev.demo.records import Request, within
from tests.e2e import rounds
from tests.e2e.scene import Clients, Scene, merged, settled, stage, wait_for

SHARES = {1: 20_000, 10: 2_000, 50: 2_000}
"""Percent that the version on trial is asked, and of how many requests."""
SOON: dict[str, object] = {"rollout": {"bake": "5s"}, "monitoring": {"serviceMonitor": {"interval": "1s"}}}
"""Laid over a spec, for rollouts in a row."""
LONGEST_ROUND = 120.0
"""Seconds of clients for each round, on a quiet machine: far more than one takes."""


def shares(scene: Scene, *, rate: float) -> Iterator[Row]:
    """A row for each share that is held: the part of the answers that came from the version on trial."""
    steps: list[Row] = []
    for weight in SHARES:
        steps += [{"weight": weight, "hold": "1s"}, {"approval": {}}]
    spec = merged(merged(AS_USUAL, HELD), {"rollout": {"steps": steps}, "analysis": {"interval": "1s"}})
    scene.given_active(FIRST, **spec)
    with all_clients(scene, rate) as clients:
        scene.apply(GOOD, **spec)
        for number, (weight, count) in enumerate(SHARES.items()):
            until_told(scene, weight / 100)
            told = time.time()
            _until_sent(clients, told, count, rate)
            until_told(scene, weight / 100)
            counted = list(within(clients.requests, told, time.time()))[:count]
            scene.until("its approval to be asked for", lambda status: stage(status) == "AwaitingApproval")
            if number + 1 < len(SHARES):
                scene.decide("approve", scene.status()["rollout"]["revision"])
            yield _share(counted, weight / 100)
    end_clients(scene)


def _until_sent(clients: Clients, since: float, count: int, rate: float) -> None:
    """Wait until that many requests that were due since then have come to their end."""

    def so() -> bool:
        return sum(request.due >= since for request in clients.so_far()) >= count

    wait_for(f"{count} requests", so, within=2 * count / rate + 30, every=2)


def _share(requests: Sequence[Request], share: float) -> Row:
    its, count = asked_of(requests, GOOD), len(requests)
    z = (its - share * count) / sqrt(share * (1 - share) * count)
    row = {"share": share, **seen(requests), "answered_by_it": its, "z": round(z, 2)}
    return tell(row, f"{its / count:.2%} of {count} answers by a version that is asked {share:.0%}")


def in_a_row(scene: Scene, *, rounds_wanted: int, rate: float) -> Iterator[Row]:
    """A row for each round: a version that fails half its calls is taken back, and a good one promoted."""
    spec = merged(merged(AS_USUAL, SOON), {"analysis": {"interval": "1s"}})
    scene.given_active(FIRST, **spec)
    with all_clients(scene, rate, rounds_wanted * LONGEST_ROUND) as clients:
        for number in range(rounds_wanted):
            played = rounds.play(scene, number, spec)
            clients.so_far()
            yield tell(seen(played.of(clients.requests)), f"round {number + 1}")
    end_clients(scene)


def first(scene: Scene, *, runs: int, rate: float) -> Iterator[Row]:
    """A row for each good version: how soon a client has had its first answer, with the shield and without it."""
    usual = merged(AS_USUAL, {"rollout": {"bake": "5s", "keepWarm": "0s"}})
    scene.given_active(FIRST, **usual)
    versions = (GOOD, FIRST)
    with all_clients(scene, rate, runs * LONGEST_ROUND) as clients:
        for number in range(2 * runs):
            shield, version = number % 2 == 0, versions[number % 2]
            spec = numbered(merged(usual, {"rollout": {"shield": shield}}), number + 1)
            yield _first(scene, clients, version, spec)
    end_clients(scene)


def _first(scene: Scene, clients: Clients, version: str, spec: dict[str, object]) -> Row:
    before = scene.pods().keys()
    with ThreadPoolExecutor(1) as pool:
        created_at = pool.submit(_first_new_pod, scene, set(before))
        began = time.time()
        scene.apply(version, **spec)
        created = created_at.result()
    scene.until(f"{version} to be promoted", settled(version))
    clients.until_answered_by(version)
    (asked,) = spans(clients, (began, time.time()))
    answered = first_answer(asked, version)
    assert answered is not None, f"{version} was promoted, and no client has had an answer by it"
    row = {
        "shield": spec["rollout"]["shield"],  # type: ignore[index]
        **seen(asked),
        "apply_to_created_s": round(created - began, 2),
        "created_to_first_answer_s": round(answered - created, 2),
    }
    return tell(row, f"{version} answered first {row['created_to_first_answer_s']} s after its pods were created")


def _first_new_pod(scene: Scene, known: set[str]) -> float:
    """When the first pod was seen that was not there before, unix seconds. Raises AssertionError."""
    wait_for("a pod of the new version", lambda: bool(scene.pods().keys() - known), within=60, every=0.05)
    return time.time()
