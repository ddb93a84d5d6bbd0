"""Each gate by itself: what holds a remedy back, and until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import START
from tests.rollout.stuck_cases import SECOND, active, diagnosis, nodes, pod, removal, seen
from verdigris.api.status import RemovedPod, RolloutStatus, Sizes, StepStatus
from verdigris.core.facts.observed import DeploymentView
from verdigris.core.facts.survey import Removal
from verdigris.core.pods.diagnosis.check import Diagnosis, Role
from verdigris.core.pods.remedies.cleanup import GATES, settle
from verdigris.core.pods.remedies.gates import Case
from verdigris.core.pods.remedies.limits import BREAKER
from verdigris.core.turn import Turn

STUCK = pod("p0")
GOOD = (pod("p1", ready=True), pod("p2", ready=True))
LOST = diagnosis("NodeLost", "Evict")
FORCE = diagnosis("NodeGone", "Force")
GOING = pod("p0", terminating=True)
LEFTOVER = diagnosis("Leftover", "Delete")
ENDED = pod("p0", phase="Failed", reason="Evicted")
CANDIDATE = RolloutStatus(
    color="green", version="1.1.0", revision="v1-new", stage="Starting", started_at=START, since=START
)
TRADE = CANDIDATE.model_copy(
    update={"steps": (StepStatus(kind="Trade"),), "stage": "Trading", "sizes": Sizes(active=3, candidate=1)}
)
MINUTE = 60 * SECOND


def first_held(case: Case) -> str | None:
    """The name of the gate that holds it."""
    return next((gate.__name__ for gate in GATES if gate(case)), None)


def case(turn: Turn, found: Diagnosis, role: Role = "active") -> Case:
    return Case(turn, turn.observed.pods[0], role, found)


PASSES = [
    pytest.param(seen(STUCK, *GOOD), diagnosis(), "active", id="an active pod that does not answer"),
    pytest.param(seen(STUCK), diagnosis(), "active", id="the only pod, when nobody answers anyway"),
    pytest.param(seen(pod(ready=True), *GOOD), diagnosis("Flapping"), "active", id="a ready pod beside two others"),
    pytest.param(
        seen(STUCK, *GOOD, status={"rollout": TRADE}), diagnosis(), "active", id="it does not count in a trade"
    ),
    pytest.param(seen(ENDED), LEFTOVER, "active", id="a leftover"),
    pytest.param(seen(GOING, survey=nodes(None, True, True)), FORCE, "active", id="a pod whose node is down"),
    pytest.param(seen(GOING, survey=nodes()), diagnosis(remedy="None"), "active", id="nothing to do"),
    pytest.param(seen(STUCK, *GOOD, survey=None), diagnosis(), "active", id="nobody may look at the nodes"),
    pytest.param(seen(STUCK, *GOOD, survey=nodes(False, True)), LOST, "active", id="half of the nodes are there"),
    pytest.param(seen(pod("p0", node="n9"), *GOOD), diagnosis("NodeGone", "Force"), "active", id="its node is no more"),
    pytest.param(
        seen(GOING, survey=nodes(None, True, True), status={"removed": (removal("p0", kind="NodeLost"),)}),
        FORCE,
        "active",
        id="evicted before its node was known to be gone",
    ),
    pytest.param(
        seen(pod(color="green", ready=True), selected="blue"), diagnosis("Orphan", "Evict"), "orphan", id="an orphan"
    ),
]


@pytest.mark.parametrize(("turn", "found", "role"), PASSES)
def test_what_is_safe_and_not_too_much_passes_every_gate(turn: Turn, found: Diagnosis, role: Role) -> None:
    assert found.remedy == "None" or first_held(case(turn, found, role)) is None


BACK = CANDIDATE.model_copy(update={"stage": "RollingBack"})
HELD = [
    ("switched_off", seen(STUCK, *GOOD, cleanup={"enabled": False}), diagnosis(), "active"),
    ("no_controller", seen(pod("p0", controlled=False), *GOOD), diagnosis(), "active"),
    ("stale_view", seen(STUCK, *GOOD, seen_at=None), diagnosis(), "active"),
    ("stale_view", seen(STUCK, *GOOD, seen_at=START - 16 * SECOND), diagnosis(), "active"),
    ("nodes_unseen", seen(GOING, survey=None), FORCE, "active"),
    ("nodes_unseen", seen(GOING, survey=nodes(problem="The operator may not list nodes.")), FORCE, "active"),
    ("nodes_unseen", seen(GOING, survey=nodes(False, True, True, at=START - 31 * SECOND)), FORCE, "active"),
    ("nodes_unseen", seen(STUCK, *GOOD, survey=nodes(False, True, True, at=START - MINUTE)), LOST, "active"),
    ("most_is_broken", seen(STUCK, *GOOD, survey=nodes(False, False, True)), diagnosis(), "active"),
    ("most_is_broken", seen(ENDED, survey=nodes(False)), LEFTOVER, "active"),
    ("already_going", seen(GOING, *GOOD), diagnosis(), "active"),
    (
        "kept_by_finalizers",
        seen(pod("p0", terminating=True, finalizers=("example.com/hold",)), survey=nodes(None, True, True)),
        FORCE,
        "active",
    ),
    ("node_is_there", seen(GOING), FORCE, "active"),
    ("node_is_there", seen(pod("p0", terminating=True, node="")), FORCE, "active"),
    ("node_is_there", seen(GOING, survey=nodes(False, True, True)), FORCE, "active"),
    ("node_is_there", seen(STUCK, survey=nodes(None, True, True)), FORCE, "active"),
    ("second_time", seen(STUCK, *GOOD, status={"removed": (removal("p0"),)}), diagnosis("Creating"), "active"),
    (
        "second_time",
        seen(GOING, survey=nodes(None, True, True), status={"removed": (removal("p0", remedy="Force"),)}),
        FORCE,
        "active",
    ),
    ("hopeless_candidate", seen(STUCK, status={"rollout": CANDIDATE}), diagnosis(hopeless=True), "candidate"),
    ("hopeless_candidate", seen(STUCK, status={"rollout": BACK}), diagnosis(), "candidate"),
    (
        "owned_orphan",
        seen(pod(color="green"), deployments={"green": DeploymentView("u", 1, "v1-other")}),
        diagnosis("Orphan", "Delete"),
        "orphan",
    ),
    ("still_runs", seen(STUCK), LEFTOVER, "active"),
    ("last_ready", seen(pod(ready=True)), diagnosis("Flapping"), "active"),
    ("last_ready", seen(pod(ready=True), pod("p1", terminating=True, ready=True)), diagnosis("Flapping"), "active"),
    ("last_ready", seen(pod(ready=True), *GOOD, endpoints={"blue": 1}), diagnosis("Flapping"), "active"),
    ("last_ready", seen(STUCK, endpoints={"blue": 1}), diagnosis(), "active"),
    ("last_ready", seen(pod(color="green", ready=True)), diagnosis("Flapping"), "warm"),
    ("last_ready", seen(pod(color="green", ready=True), selected="green"), diagnosis("Orphan"), "orphan"),
    (
        "last_ready",
        seen(pod(node="n9", ready=True)),
        diagnosis("NodeGone", "Force"),
        "active",
    ),
    ("counted_in_a_trade", seen(pod(ready=True), *GOOD, status={"rollout": TRADE}), diagnosis("Flapping"), "active"),
    ("rehearsed", seen(STUCK, *GOOD, cleanup={"dryRun": True}), diagnosis(), "active"),
]


@pytest.mark.parametrize(("gate", "turn", "found", "role"), HELD, ids=[f"{n}-{h[0]}" for n, h in enumerate(HELD)])
def test_what_is_unsafe_is_held_by_its_gate_and_told(gate: str, turn: Turn, found: Diagnosis, role: Role) -> None:
    assert first_held(case(turn, found, role)) == gate
    after = settle(turn, [(turn.observed.pods[0], role, found)])
    assert after.removals == ()
    assert after.status.stuck[0].held.endswith((".", "?"))


def removals(count: int, node: str = "n1", ago: timedelta = MINUTE) -> tuple[Removal, ...]:
    return tuple(Removal("lab/other", node, START - ago) for _ in range(count))


def lately(count: int, ago: timedelta = 5 * MINUTE, **rest: Any) -> dict[str, tuple[RemovedPod, ...]]:
    return {"removed": tuple(removal(f"old{n}", START - ago, **rest) for n in range(count))}


OTHER_NODE = {"kind": "Creating", "node": "n2"}
LIMITED = [
    pytest.param("too_many_everywhere", {"removals": removals(BREAKER, "n3")}, diagnosis(), 9 * MINUTE, id="breaker"),
    pytest.param(None, {"removals": removals(BREAKER - 1, "n3")}, diagnosis(), None, id="not yet the breaker"),
    pytest.param(None, {"removals": removals(BREAKER, ago=10 * MINUTE)}, diagnosis(), None, id="out of the window"),
    pytest.param("over_node_budget", {"removals": removals(10)}, diagnosis(), 9 * MINUTE, id="node"),
    pytest.param(None, {"removals": removals(10, "n2")}, diagnosis(), None, id="another node"),
    pytest.param("over_budget", {"status": lately(5, **OTHER_NODE)}, diagnosis(), 5 * MINUTE, id="budget"),
    pytest.param(None, {"status": lately(4, **OTHER_NODE)}, diagnosis(), None, id="within the budget"),
    pytest.param(None, {"status": lately(5, 10 * MINUTE, **OTHER_NODE)}, diagnosis(), None, id="budget has come back"),
    pytest.param("over_budget", {"cleanup": {"budget": 0}}, diagnosis(), None, id="no budget at all"),
    pytest.param(None, {"status": lately(5, kind="Leftover")}, diagnosis(), None, id="leftovers use up no budget"),
    pytest.param("too_soon", {"status": lately(1, 29 * SECOND)}, diagnosis(), SECOND, id="first pause"),
    pytest.param(None, {"status": lately(1, 30 * SECOND)}, diagnosis(), None, id="first pause is over"),
    pytest.param("too_soon", {"status": lately(3, 119 * SECOND)}, diagnosis(), SECOND, id="third pause"),
    pytest.param(None, {"status": lately(3, 120 * SECOND)}, diagnosis(), None, id="third pause is over"),
    pytest.param(None, {"status": lately(1, SECOND, color="green")}, diagnosis(), None, id="another colour"),
    pytest.param(None, {"status": lately(1, SECOND, kind="Creating")}, diagnosis(), None, id="another kind"),
    pytest.param(None, {"status": lately(1, SECOND, kind="NodeLost")}, LOST, None, id="the same lost node"),
    pytest.param("too_soon", {"status": lately(1, SECOND, kind="NodeLost", node="n2")}, LOST, 29 * SECOND, id="next"),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "given", "found", "wait"), LIMITED)
def test_what_is_too_much_waits_until_there_is_room(
    gate: str | None, given: dict[str, Any], found: Diagnosis, wait: timedelta | None
) -> None:
    given = {"removals": (), **given}
    turn = seen(STUCK, *GOOD, **given)
    assert first_held(case(turn, found)) == gate
    held = next((held for each in GATES if (held := each(case(turn, found)))), None)
    assert (held.until if held else None) == (START + wait if wait is not None else None)


def test_a_pod_counts_once_when_it_is_evicted_and_then_forced() -> None:
    mine = (removal("p0", kind="NodeLost"), *lately(4, **OTHER_NODE)["removed"])
    turn = seen(GOING, survey=nodes(None, True, True), removals=removals(10), status={"removed": mine})
    assert first_held(case(turn, FORCE)) is None


def test_a_rehearsal_says_what_would_really_be_done() -> None:
    turn = seen(STUCK, *GOOD, cleanup={"dryRun": True})
    assert settle(turn, [active(STUCK, diagnosis())]).status.stuck[0].held.endswith("now it would be evicted.")
    limited = seen(STUCK, *GOOD, cleanup={"dryRun": True, "budget": 0})
    assert "budget" in settle(limited, [active(STUCK, diagnosis())]).status.stuck[0].held
