"""The router that needs nothing but a Service: its selector names one colour, or both. Laws 1 and 2 in one place.

With both selected, each pod that is ready gets the same share, so the shares follow from the pods; a share is never
exact, and the status tells what was really reached.
"""

from __future__ import annotations

from verdigris.api.spec import RolloutSpec
from verdigris.api.status import Color, ModelDeploymentStatus, RolloutStatus
from verdigris.children.names import COLORS
from verdigris.core.facts.answered import open_of
from verdigris.core.facts.observed import Observed, PodView, Selection
from verdigris.core.routing.split import Split, had_clients, had_requests


def reached(selection: Selection | None) -> tuple[Color, ...]:
    """The colours whose pods get clients by this selection."""
    return tuple(color for color in COLORS if selection in (color, "both"))


def has_clients(observed: Observed, color: Color) -> bool:
    """Whether clients may reach the colour now, by a Service of ours or of somebody who has taken the name."""
    return color in reached(observed.selected) or color in observed.behind_others


def answering(observed: Observed, selection: Selection | None) -> int:
    """How many pods would answer the clients by this selection."""
    return sum(observed.endpoints.get(color, 0) for color in reached(selection))


def candidate_share(observed: Observed, candidate: Color) -> int:
    """Percent of new connections that reach the candidate while both colours are selected; 0 when nobody answers."""
    everybody = answering(observed, "both")
    return round(100 * answering(observed, candidate) / everybody) if everybody else 0


def selection_of(split: Split) -> Selection:
    """What to select for this split: the one colour that gets clients, or both."""
    colors = split.colors
    return colors[0] if len(colors) == 1 else "both"


def seen_split(observed: Observed) -> Split | None:
    """The split that the clients' Service really makes now; None while it selects no pod of ours."""
    if observed.selected is None:
        return None
    if observed.selected != "both":
        return Split.only(observed.selected)
    share = candidate_share(observed, "green")
    return Split(blue=100.0 - share, green=float(share))


def min_available(policy: RolloutSpec, rollout: RolloutStatus) -> int:
    """How many pods with clients a trade may not go below: of both colours together. None where downtime is allowed.

    The way back can always spare one of them, whatever is asked for by then (law 1).
    """
    if rollout.has("EndActive"):
        return 0
    all_but_one = max(1, rollout.replicas - 1)
    least = policy.min_available or all_but_one
    return min(least, all_but_one) if rollout.taken_back else least


def may_go_back(observed: Observed) -> bool:
    """Whether the next plan may give clients back to the active colour: somebody asks for it, or some have left it."""
    rollout = observed.status.rollout
    asked = bool(open_of(observed.decisions, observed.status))
    return asked or (rollout is not None and (had_requests(rollout) or rollout.has("EndActive")))


def wanted_selection(observed: Observed, status: ModelDeploymentStatus) -> Selection | None:
    """What should be selected: what the status wishes, as far as a Service can say it; None: nobody gets clients yet.

    Pods of an older revision in the candidate's colour get no clients, and an active colour that gave its pods in
    trade shares the clients until enough of its pods are back.
    """
    rollout, active = status.rollout, status.active
    if active is None:
        return None
    if rollout is None:
        return active.color
    if rollout.taken_back:
        return "both" if _too_few_to_go_back(observed, rollout, active.color) else active.color
    wanted = selection_of(Split.between(active.color, rollout.color, rollout.wanted))
    return active.color if wanted == "both" and stale(observed, rollout) is not None else wanted


def _too_few_to_go_back(observed: Observed, rollout: RolloutStatus, active: Color) -> bool:
    """Whether the active colour, which gave its pods in trade, is too small yet to serve all clients it gets back."""
    if rollout.sizes is None or rollout.has("EndActive") or not had_clients(rollout):
        return False
    if observed.selected == active or not answering(observed, rollout.color):
        return False
    return answering(observed, active) < min_available(observed.spec.rollout, rollout)


def stale(observed: Observed, rollout: RolloutStatus) -> PodView | None:
    """A pod of another revision that answers in the candidate's colour, whoever made it: clients must not reach it."""
    return next(
        (
            p
            for p in observed.pods
            if p.color == rollout.color and p.revision != rollout.revision and p.ready and not p.terminating
        ),
        None,
    )


def route(observed: Observed, status: ModelDeploymentStatus) -> Selection | None:
    """What to select now; None while nobody may get traffic.

    The wish is granted unless it would send clients to nothing while those who have them still answer (law 2), or to
    a candidate before the wish itself is kept in the status: whoever reads it must know that clients are there.
    Nothing else is asked: not the candidate's health, not Prometheus, not a pause, not an approval (law 1).
    """
    wanted, current = wanted_selection(observed, status), observed.selected
    if wanted is None or wanted == current:
        return wanted
    if current is None:
        return _instead_of_nobody(observed, status, wanted)
    if not _is_on_record(observed, status, wanted):
        return current
    return wanted if answering(observed, wanted) or not answering(observed, current) else current


def _instead_of_nobody(observed: Observed, status: ModelDeploymentStatus, wanted: Selection) -> Selection:
    """Whom a Service that is made anew selects: the wish, or the candidate that had the clients if only it answers."""
    rollout = status.rollout
    if rollout is None or not had_clients(rollout) or answering(observed, wanted):
        return wanted
    return rollout.color if answering(observed, rollout.color) else wanted


def _is_on_record(observed: Observed, status: ModelDeploymentStatus, wanted: Selection) -> bool:
    """Whether the status as it was read says who is about to get clients; what goes back to active needs no record."""
    rollout = status.rollout
    if rollout is None or rollout.taken_back or rollout.color not in reached(wanted):
        return True
    kept = observed.status.rollout
    return kept is not None and kept.revision == rollout.revision and kept.wanted > 0
