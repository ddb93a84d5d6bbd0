"""What the clients' Service must select. Laws 1 and 2 in one place."""

from __future__ import annotations

from verdigris.api.rollout import RolloutSpec
from verdigris.api.status import Color, ModelDeploymentStatus, RolloutStatus
from verdigris.resources.names import COLORS
from verdigris.rollout.observed import Observed, Selection


def reached(selection: Selection | None) -> tuple[Color, ...]:
    """The colours whose pods get clients by this selection."""
    return tuple(color for color in COLORS if selection in (color, "both"))


def answering(observed: Observed, selection: Selection | None) -> int:
    """How many pods would answer the clients by this selection."""
    return sum(observed.endpoints.get(color, 0) for color in reached(selection))


def candidate_share(observed: Observed, candidate: Color) -> int:
    """Percent of new connections that reach the candidate while both colours are selected; 0 when nobody answers."""
    everybody = answering(observed, "both")
    return round(100 * answering(observed, candidate) / everybody) if everybody else 0


def min_available(policy: RolloutSpec, rollout: RolloutStatus) -> int:
    """How many pods with clients a trade may not go below: of both colours together. Recreate keeps nobody.

    The way back can always spare one of them, whatever is asked for by then (law 1).
    """
    if rollout.way == "Recreate":
        return 0
    all_but_one = max(1, rollout.replicas - 1)
    least = policy.min_available or all_but_one
    return min(least, all_but_one) if rollout.stage == "RollingBack" else least


def may_go_back(observed: Observed) -> bool:
    """Whether the next plan may give clients back to the active colour: somebody asks for it, or some have left it."""
    rollout = observed.status.rollout
    asked = any(not decision.answered for decision in observed.decisions)
    return asked or (rollout is not None and (rollout.weight > 0 or rollout.way == "Recreate"))


def wanted_selection(observed: Observed, status: ModelDeploymentStatus) -> Selection | None:
    """Who should get the clients: the candidate while it bakes, else the active colour, else nobody yet.

    Both while pods are traded, forwards and backwards: until the active colour alone is enough again.
    """
    rollout, active = status.rollout, status.active
    if rollout is None or active is None:
        return active.color if active else None
    if rollout.stage == "Baking":
        return rollout.color
    if rollout.stage == "Trading":
        return active.color if stale(observed, rollout) else "both"
    return "both" if _too_few_to_go_back(observed, rollout, active.color) else active.color


def _too_few_to_go_back(observed: Observed, rollout: RolloutStatus, active: Color) -> bool:
    """Whether the active colour, which gave its pods in trade, is too small yet to serve all clients it gets back."""
    if rollout.stage != "RollingBack" or rollout.way != "InPlace" or rollout.weight == 0:
        return False
    if observed.selected == active or not observed.endpoints.get(rollout.color, 0):
        return False
    return observed.endpoints.get(active, 0) < min_available(observed.spec.rollout, rollout)


def stale(observed: Observed, rollout: RolloutStatus) -> bool:
    """Whether pods of an older revision answer in the candidate's colour: clients must not reach those."""
    return any(
        p.color == rollout.color and p.revision != rollout.revision and p.ready and not p.terminating
        for p in observed.pods
    )


def route(observed: Observed, status: ModelDeploymentStatus) -> Selection | None:
    """What to select now; None while nobody may get traffic.

    The wish is granted unless it would send clients to nothing while those who have them still answer (law 2).
    Nothing else is asked: not the candidate's health, not Prometheus, not a pause, not an approval (law 1).
    """
    wanted, current = wanted_selection(observed, status), observed.selected
    if wanted is None or current is None or wanted == current:
        return wanted
    return wanted if answering(observed, wanted) or not answering(observed, current) else current
