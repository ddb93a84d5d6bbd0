"""What may happen on a random walk over the simulated cluster, and what must not come of it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.rollout.parts import Version, spec
from tests.rollout.world import World
from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Color, RolloutStatus
from verdigris.core.actions import Plan, SetOrder
from verdigris.core.facts.answered import open_of
from verdigris.core.facts.policy import in_force
from verdigris.core.facts.revision import revision_of

EVENTS = st.sampled_from(
    [
        "apply 1.1.0", "apply 1.2.0", "apply 1.0.0", "apply bad", "apply broken", "apply wrong", "pause", "abort",
        "approve", "promote", "rollback", "retry", "blue unready", "green unready", "all ready", "prometheus down",
        "prometheus up", "prometheus empty", "lose status", "blue deleted", "green deleted", "room 2", "room 3",
        "room 9", "wait 3", "wait 12", "wait 40", "moves 7", "moves 0", "1.1.0 fails", "orders refused",
    ]
)  # fmt: skip


WAYS: list[dict[str, Any]] = [
    {},
    {"onInsufficientCapacity": "Abort"},
    {"onInsufficientCapacity": "InPlace"},
    {"onInsufficientCapacity": "InPlace", "onInconclusive": "Rollback", "bake": "0s"},
    {"strategy": "Recreate", "allowDowntime": True},
    {"shield": True},
    {"shield": True, "onInsufficientCapacity": "InPlace", "onInconclusive": "Promote", "inconclusiveDeadline": "40s"},
    {"shield": True, "strategy": "Canary", "bake": "8s"},
    {"shield": True, "strategy": "Canary", "bake": "0s", "watchWarm": False},
    {"shield": True, "steps": [{"shadow": {"for": "10s"}}, {"weight": 50, "hold": "5s"}, {"approval": {}}]},
    {
        "shield": True,
        "approval": "Required",
        "onInsufficientCapacity": "InPlace",
        "steps": [{"weight": 0.01, "hold": "0s"}, {"approval": {}}, {"weight": 99.99, "hold": "8s"}, {"approval": {}}],
    },
]


class Suspicious(World):
    """Refuses each promotion that nobody has earned: not watched at its full share, or past an approval."""

    def reconcile(self) -> Plan:
        before, observed = self.status, self.observe()
        made = super().reconcile()
        ended = made.status.history[-1:] != before.history[-1:] and made.status.history[-1].outcome == "Promoted"
        if ended and before.rollout is not None and before.active is not None:
            asked = any(one.verb == "promote" for one in open_of(observed.decisions, before))
            if not before.rollout.promote_now and not asked:
                self._earned(before.rollout, made)
        return made

    def _earned(self, rollout: RolloutStatus, made: Plan) -> None:
        given = [one for one in made.status.decisions if (one.verb, one.outcome) == ("approve", "Accepted")]
        asked = [step for step in rollout.steps if step.kind == "Approval"]
        assert all(step.verdict == "Pass" for step in asked), "past an approval"
        assert sum(one.at >= rollout.started_at for one in given) >= len(asked), "past an approval that nobody gave"
        policy = in_force(self.spec, rollout).rollout
        trials = [step for step in rollout.steps if step.kind == "Trial"]
        if policy.on_inconclusive == "Promote" or rollout.has("Trade") or (trials and trials[-1].verdict == "Pass"):
            return
        bake = parse_duration(policy.bake)
        assert self.now >= rollout.since + bake, "not watched in full by anybody"
        warm = made.status.warm
        if bake and warm is not None and warm.evidence is not None:
            assert warm.evidence.verdict == "Pass", "promoted without a pass"


def strike(world: World, color: Color, how: str) -> None:
    if how == "deleted":
        world.pods = [pod for pod in world.pods if pod.view.color != color]
    else:
        world.unready.add(color)


def disturb(world: World, what: str, how: str) -> None:
    if what == "1.1.0":
        world.versions[what] = Version(error_rate=0.5)
    elif what == "orders":
        world.refuses = lambda action: isinstance(action, SetOrder)
    else:
        world.prometheus_down = how == "down"
    if how == "empty":
        for pod in world.pods:
            pod.samples, pod.passed_samples = [], []


def endure(world: World, what: str, number: int) -> None:
    if what == "room":
        world.room = number
    elif what == "moves":
        world.delays = lambda _: number
    else:
        world.run(number)


def happen(world: World, event: str, way: dict[str, Any], **sections: Any) -> None:
    what, _, which = event.partition(" ")
    match what:
        case "apply":
            names = {"bad": "2.0.0", "broken": "3.0.0", "wrong": "4.0.0"}
            world.apply(spec(names.get(which, which), rollout=way, **sections))
        case "pause":
            world.apply(world.spec.model_copy(update={"paused": True}))
        case "abort" | "approve" | "promote" | "rollback" | "retry":
            active = world.status.active
            revision = active.revision if what == "rollback" and active else revision_of(world.spec)
            world.decide(what, revision)
        case "blue" | "green":
            strike(world, what, which)
        case "all":
            world.unready.clear()
        case "prometheus" | "orders" | "1.1.0":
            disturb(world, what, which)
        case "lose":
            world.status = world.status.__class__()
        case "room" | "moves" | "wait":
            endure(world, what, int(which))
