"""Rounds of a rollback and a promotion while a webhook refuses what the operator writes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from benchmarks.laws.report import Row
from dev.cluster.shell import ClusterError, say
from dev.faults.refusals import SIDE, Plan
from dev.faults.webhook import Refuser
from tests.e2e import rounds
from tests.e2e.scene import Scene

SPEC: Mapping[str, Any] = {"rollout": {"bake": "5s"}, "autoscaling": {"minReplicas": 2, "maxReplicas": 3}}
PACED = 0.1
"""Share of the writes to Deployments that is refused."""
HELD = 5.0
"""Seconds for which each move of traffic is refused in the last phase."""
SETTLES = 180.0
"""Seconds that a model may take to settle once nothing is refused any more."""


@dataclass(frozen=True)
class Phase:
    """What is refused, and for how many rounds."""

    name: str
    plan: Plan
    rounds: int


def phases(count: int, share: float) -> list[Phase]:
    """`count` rounds in which `share` of the writes to side objects is refused by lot; then, with that going on, each
    kind of side object for ever, and the move of traffic itself for some seconds."""
    by_lot = Plan(side=share, paced=PACED)
    for_ever = [Phase(f"{kind} for ever", replace(by_lot, for_ever=frozenset({kind})), 1) for kind in SIDE]
    held = Phase(f"each move for {HELD:g} s", replace(by_lot, moves_for=HELD), 2)
    return [Phase("by lot", by_lot, count), *for_ever, held]


def measure(scene: Scene, plan: list[Phase], *, rate: float, seed: int) -> Iterator[Row]:
    """A row for each round, as it is over. Raises AssertionError when the model does not settle between two rounds."""
    scene.given_active("1.0.0", **SPEC)
    with Refuser(scene.cluster, scene.namespace, seed) as refuser:
        for number, phase in enumerate(chain.from_iterable([one] * one.rounds for one in plan)):
            refuser.follow(phase.plan)
            began = time.time()
            row = _played(scene, refuser, number, rate)
            row |= {"phase": phase.name, "refused": dict(refuser.refused(began))}
            say(f"round {number + 1}, {phase.name}: {row['said']}")
            yield row
            if not row["right"]:
                refuser.follow(Plan())
                scene.until("the model to settle", lambda status: status.get("rollout") is None, SETTLES)


def _played(scene: Scene, refuser: Refuser, number: int, rate: float) -> Row:
    try:
        rounds.unsettle(scene)
        with scene.clients(rate) as clients:
            played = rounds.play(scene, number, SPEC)
        back, asked = played.seen_by(clients.requests), played.of(clients.requests)
    except (AssertionError, ClusterError) as problem:
        return {"right": False, "said": f"{problem}\n{scene.story()}"[:6000]}
    finally:
        # The next round needs the pod's name.
        scene.kube.delete("pod", "clients")
    # A move that is refused cannot be made: what counts is the time from when it was allowed.
    held = (refuser.last_refused_move(back.decided, back.restored) or back.decided) - back.decided
    last, lost = back.last_answer - back.decided, rounds.lost_by(asked)
    return {
        "right": True,
        "said": f"last answer of {back.version} {last:.1f} s after the decision, {lost.total()} lost",
        "requests": len(asked),
        "lost": dict(lost),
        "failed": back.failed,
        "shown_s": round(back.shown_for, 2),
        "decided_to_restored_s": round(back.restored - back.decided, 2),
        "held_s": round(held, 2),
        "decided_to_last_s": round(last, 2),
    }
