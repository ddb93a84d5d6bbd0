"""Given: an active blue colour whose pods are ready, what was diagnosed of them, and what was removed before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.rollout.parts import OWNER, START, spec
from verdigris.api.status import ActiveStatus, Color, ModelDeploymentStatus, Remedy, RemovedPod, StuckKind
from verdigris.children.names import COLORS, Defaults
from verdigris.core.facts.evidence import NOT_ASKED
from verdigris.core.facts.observed import DeploymentView, Observed, PodView
from verdigris.core.facts.survey import NodeView, Removal, Survey, Taint
from verdigris.core.pods.diagnosis.check import Diagnosis, Role
from verdigris.core.pods.remedies.gates import OUT_OF_SERVICE
from verdigris.core.turn import Turn

REVISION = "v1-active"
SECOND = timedelta(seconds=1)


def pod(name: str = "p0", color: Color = "blue", *, ready: bool = False, **rest: Any) -> PodView:
    """A pod of the active revision, on node n1."""
    filled = {"uid": f"uid-{name}", "node": "n1", "revision": REVISION, "created": START} | rest
    return PodView(name=name, color=color, ready=ready, **filled)


def diagnosis(kind: StuckKind = "CrashLoop", remedy: Remedy = "Evict", **rest: Any) -> Diagnosis:
    """Ripe since the start."""
    filled = {"reason": kind, "message": f"It is stuck: {kind}.", "since": START, "ripe_at": START} | rest
    return Diagnosis(kind=kind, remedy=remedy, **filled)


def removal(
    name: str = "old", at: datetime = START, kind: StuckKind = "CrashLoop", remedy: Remedy = "Evict", **rest: Any
) -> RemovedPod:
    """A pod that was removed before."""
    filled = {"uid": f"uid-{name}", "color": "blue", "node": "n1", "message": "It was stuck."} | rest
    return RemovedPod(pod=name, kind=kind, remedy=remedy, at=at, **filled)


def nodes(*states: bool | None, at: datetime = START, problem: str | None = None) -> Survey:
    """Nodes n1, n2, ...: ready, not ready, or (None) not ready and vouched to be out of service."""
    out = (Taint(OUT_OF_SERVICE, "nodeshutdown", "NoExecute"),)
    views = tuple(
        NodeView(f"n{number}", ready=bool(state), taints=out if state is None else ())
        for number, state in enumerate(states, 1)
    )
    return Survey(at, views, problem=problem)


def seen(*pods: PodView, cleanup: dict[str, Any] | None = None, **rest: Any) -> Turn:
    """A turn at START. Other named arguments are fields of `Observed`, or `status` ones in a dict."""
    active = ActiveStatus(color="blue", version="1.0.0", revision=REVISION, since=START)
    status = ModelDeploymentStatus(active=active).model_copy(update=rest.pop("status", {}))
    filled: dict[str, Any] = {
        "deployments": {"blue": DeploymentView("uid-blue", max(1, len(pods)), REVISION)},
        "endpoints": {color: sum(view.ready for view in pods if view.color == color) for color in COLORS},
        "selected": "blue",
        "seen_at": START,
        "survey": nodes(True, True, True),
        "removals": tuple(
            Removal(OWNER.name, entry.node, entry.at) for entry in status.removed if entry.kind != "Leftover"
        ),
    }
    observed = Observed(
        owner=OWNER,
        generation=1,
        spec=spec(cleanup=cleanup or {}),
        status=status,
        defaults=Defaults("image"),
        pods=pods,
        **(filled | rest),
    )
    return Turn(observed, NOT_ASKED, START, status)


def later(turn: Turn, delay: timedelta) -> Turn:
    """The same, seen again after this time."""
    now = turn.now + delay
    survey = replace(turn.observed.survey, at=now) if turn.observed.survey else None
    return replace(turn, now=now, observed=replace(turn.observed, seen_at=now, survey=survey))


def active(view: PodView, found: Diagnosis) -> tuple[PodView, Role, Diagnosis]:
    """A diagnosis of an active pod."""
    return view, "active", found
