"""What a version has to have gone through before it is asked more, and before it is promoted: law 15, step by step.

It goes by what is written and told, and by the list of steps; what the operator makes of its evidence is not asked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.runtime.fake_api import Json
from tests.simulation.objects import is_ready, labels_of
from tests.simulation.prometheus import SCRAPE
from verdigris.api.schema.fields import parse_duration
from verdigris.children.names import KIND, MODEL_LABEL, REVISION_LABEL, SHIELD_ANNOTATION
from verdigris.core.facts.followed import Registered
from verdigris.core.routing.shield import WHOLE
from verdigris.core.steps.gate import KIND_OF

if TYPE_CHECKING:
    from tests.simulation.world import World

SPARE = 1.0
"""Seconds by which a weight may be held for less, as seen here: a second is counted once it has passed.

The newest sample is a scrape or two old when a step begins and when it ends, so as much of its hold may be missing.
"""


class StepLaws:
    """Looks at one world, and calls `breach` with a sentence. A person who promotes a version may skip everything."""

    def __init__(self, world: World, breach: Callable[[str], None]) -> None:
        self._world, self._breach = world, breach
        self._rollout: Json = {}
        self._active: str | None = None
        self._were_active: set[str] = set()
        self._most: Counter[tuple[str, str]] = Counter()
        """By revision, and `share` or `shadow`: the most that its steps have come to."""
        self._followed = False
        """Whether an alias was ever followed."""
        self._told: Counter[tuple[str, int]] = Counter()
        """By revision and share, for how many seconds a pod in front bore it in its annotation."""

    def changed(self, raw: Json) -> None:
        """An object was made or changed."""
        if raw["kind"] == KIND:
            self._status(raw.get("status") or {})
        elif raw["kind"] == "Pod" and MODEL_LABEL in labels_of(raw):
            self._pod(raw)

    def second(self) -> None:
        """Another second has passed."""
        told = (_order(pod) for pod in self._world.server.of("Pod") if is_ready(pod))
        self._told.update({(order["revision"], order["share"]) for order in told if order is not None})
        for revision, unit in self._world.fronts.strayed:
            self._breach(f"law 15: {unit.decode()} met revision {revision}, and then the active version")

    def _status(self, status: Json) -> None:
        self._alias(status.get("followed"))
        rollout, before = status.get("rollout") or {}, self._rollout
        self._rollout = rollout
        active = (status.get("active") or {}).get("revision")
        if active != self._active:
            if self._active is not None and active is not None and active not in self._were_active:
                self._promoted(before, active)
            self._were_active |= {active} if active is not None else set()
            self._active = active
        if not rollout or rollout.get("outcome"):
            return
        revision, steps, number = rollout["revision"], rollout.get("steps") or [], rollout.get("step", 0)
        for name, value in zip(("share", "shadow"), _most_of(steps, number), strict=True):
            self._most[revision, name] = max(self._most[revision, name], value)
        if rollout.get("passedOn", 0) > _most_of(steps, number)[0]:
            self._breach(f"law 15: {rollout['passedOn']} of {WHOLE} are passed on in step {number}: {steps[number]}")
        if rollout.get("promoteNow") or self._asked_to_promote(revision):
            return
        for passed in range(number):
            self._went_through(revision, steps, passed)

    def _went_through(self, revision: str, steps: list[Json], number: int) -> None:
        step = steps[number]
        left_out = step.get("reason") == "Skipped"
        if step["kind"] == "Approval":
            asked = sum(one["kind"] == "Approval" for one in steps[: number + 1])
            if step.get("verdict") != "Pass" or self._said_yes(revision) < asked:
                self._breach(f"law 15: revision {revision} went past approval {asked}, which nobody gave")
        elif step["kind"] in KIND_OF.values():
            self._passed_its_gate(revision, step)
        elif step["kind"] == "From" and not self._world.elsewhere.has_served(self._rollout["sha256"]):
            self._breach(f"law 3: revision {revision} went on, and its bytes have not served elsewhere: {step}")
        elif step["kind"] == "Trial" and left_out and self._can_be_told():
            self._breach(f"law 15: revision {revision} was never asked at {step.get('weight')} %: {step['message']}")
        elif step["kind"] == "Trial" and not left_out and self._told[revision, _share(step)] + SPARE < self._hold(step):
            self._breach(f"law 15: revision {revision} was asked at {step.get('weight')} % for too short a time")

    def _alias(self, followed: Json | None) -> None:
        """Laws 11 and 12: only what the registry has said with a checksum counts, and its silence changes nothing."""
        if followed is None:
            if self._followed:
                self._breach("law 11: what the alias was seen to be was forgotten")
            return
        self._followed = True
        found = Registered(followed["number"], followed["version"], followed["sha256"])
        if found not in self._world.registry.said:
            self._breach(f"law 12: {found} is followed, which the registry has not said")

    def _passed_its_gate(self, revision: str, step: Json) -> None:
        gate = step.get("gate") or {}
        if gate.get("verdict") != "Pass" or gate.get("asked") not in self._world.gates.passed:
            self._breach(
                f"law 3: revision {revision} went past the {step['kind']} gate, which has not passed it: {gate}"
            )

    def _promoted(self, rollout: Json, revision: str) -> None:
        """A version that has never been active before is it now."""
        if rollout.get("revision") != revision or self._asked_to_promote(revision):
            return
        trials = [step for step in rollout.get("steps") or () if step["kind"] == "Trial"]
        if not trials or trials[-1].get("reason") == "Skipped":
            return
        last = trials[-1]
        if _share(last) != WHOLE or last.get("verdict") != "Pass":
            self._breach(f"law 15: revision {revision} was promoted, and its last weight was {last}")

    def _pod(self, raw: Json) -> None:
        order = _order(raw)
        if order is None:
            return
        revision = order["revision"]
        if revision == labels_of(raw)[REVISION_LABEL]:
            self._breach("law 15: a pod on trial was put in front of itself")
        for name in ("share", "shadow"):
            if order.get(name, 0) > self._most[revision, name]:
                self._breach(f"law 15: a pod was told a {name} of {order[name]}: {revision} has not come to that")

    def _hold(self, step: Json) -> float:
        """Seconds for which a weight has to be seen, by the list of steps or the policy that the rollout keeps."""
        kept = ((self._rollout.get("policy") or {}).get("rollout") or {}).get("bake", "0s")
        hold = parse_duration(step.get("hold") or kept).total_seconds()
        return hold - min(2 * SCRAPE, hold / 2)

    def _can_be_told(self) -> bool:
        """Whether there is nothing that keeps the active pods from standing in front."""
        active = [p for p in self._world.server.of("Pod") if labels_of(p).get(REVISION_LABEL) == self._active]
        return any(map(is_ready, active)) and not self._world.lasting and self._hold({}) > 0

    def _said_yes(self, revision: str) -> int:
        return sum(d["verb"] == "approve" and d["revision"] == revision for d in self._decisions())

    def _asked_to_promote(self, revision: str) -> bool:
        return any(d["verb"] == "promote" and d["revision"] == revision for d in self._decisions())

    def _decisions(self) -> list[Json]:
        return [raw["spec"] for raw in self._world.server.of("RolloutDecision")]


def _most_of(steps: list[Json], number: int) -> tuple[int, int]:
    """What the step of this number may come to: of requests passed on, and of copies, in hundredths of a percent."""
    now, reached = steps[number], [step for step in steps[: number + 1] if step["kind"] == "Trial"]
    if now["kind"] == "Shadow":
        return 0, _share(now)
    keeps = now["kind"] in ("Trial", "Approval", "From", *KIND_OF.values())
    return (_share(reached[-1]) if reached and keeps else 0), 0


def _share(step: Json) -> int:
    return round(100 * step.get("weight", 100.0))


def _order(pod: Json) -> dict[str, Any] | None:
    told = (pod["metadata"].get("annotations") or {}).get(SHIELD_ANNOTATION)
    return None if told is None else json.loads(told)
