"""Given: version 1.1.0 bakes in green beside 1.0.0 in blue; what its servers do, and what is seen around them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.rollout.parts import OWNER, START, spec
from verdigris.api.status import ActiveStatus, Color, EvidenceStatus, ModelDeploymentStatus, RolloutStatus
from verdigris.children.names import Defaults
from verdigris.core.facts.evidence import NOT_ASKED
from verdigris.core.facts.observed import ContainerView, DeploymentView, Exit, LastLook, Observed, PodView
from verdigris.core.facts.survey import NodeView, Survey
from verdigris.core.judges.crashes import remember_exits, server_ends
from verdigris.core.turn import Turn

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
REVISIONS: dict[Color, str] = {"blue": "v1-active", "green": "v1-candidate"}
EXPOSED = START + MINUTE
FETCHED = ContainerView("fetch", init=True, exit=Exit(0, "Completed", at=START + 5 * SECOND))


def pod(name: str = "g0", color: Color = "green", *, ready: bool = True, node: str = "n1", **rest: Any) -> PodView:
    """A pod of this colour's revision, as old as the rollout, whose server has never ended."""
    server = ContainerView("server", running_since=START + 6 * SECOND, ready=ready)
    filled = {"uid": f"uid-{name}", "revision": REVISIONS[color], "created": START, "containers": (FETCHED, server)}
    return PodView(name=name, color=color, ready=ready, node=node, **(filled | rest))


def ended(view: PodView, at: datetime, code: int = 1, reason: str = "Error", **rest: Any) -> PodView:
    """The same pod after its server has ended once more and runs again."""
    *others, server = view.containers
    server = replace(
        server, restarts=server.restarts + 1, running_since=at + SECOND, exit=Exit(code, reason, "", at), **rest
    )
    return replace(view, containers=(*others, server))


def rebooted(view: PodView, at: datetime, code: int = 255, reason: str = "Unknown") -> PodView:
    """The same pod after its node was away: its init step has run again too."""
    again = replace(FETCHED, restarts=1, exit=Exit(0, "Completed", at=at + 5 * SECOND))
    after = ended(view, at, code, reason)
    return replace(after, containers=(again, after.containers[-1]))


def nodes(*away: str, cordoned: str = "", since: datetime | None = None) -> tuple[NodeView, ...]:
    """Nodes n1 to n3, of which these do not report."""
    return tuple(
        NodeView(name, ready=name not in away, cordoned=name == cordoned, since=since) for name in ("n1", "n2", "n3")
    )


def trial(*pods: PodView, now: datetime = EXPOSED + MINUTE, before: Turn | None = None, **rest: Any) -> Turn:
    """What is seen now; `before` is the look whose status was kept. Other named arguments are fields of `Observed`."""
    active = ActiveStatus(color="blue", version="1.0.0", revision=REVISIONS["blue"], since=START - HOUR)
    rollout = RolloutStatus(
        color="green",
        version="1.1.0",
        revision=REVISIONS["green"],
        stage="Baking",
        weight=100,
        started_at=START,
        since=EXPOSED,
        evidence=EvidenceStatus(sealed_at=EXPOSED),
    )
    status = before.status if before else ModelDeploymentStatus(active=active, rollout=rollout)
    seen = rest.pop("nodes", nodes())
    pods = pods if any(p.color == "blue" for p in pods) else (*pods, pod("b0", "blue", node="n2"))
    filled: dict[str, Any] = {
        "deployments": {color: DeploymentView(f"uid-{color}", 2, REVISIONS[color]) for color in REVISIONS},
        "endpoints": {color: sum(p.ready and p.color == color for p in pods) for color in REVISIONS},
        "selected": "green",
        "seen_at": now,
        "survey": Survey(now, seen) if seen else None,
        "last_look": _look_of(before) if before else None,
    }
    observed = Observed(
        owner=OWNER,
        generation=1,
        spec=spec("1.1.0"),
        status=status,
        defaults=Defaults("image"),
        pods=pods,
        **(filled | rest),
    )
    return remember_exits(Turn(observed, NOT_ASKED, now, status))


def _look_of(before: Turn) -> LastLook:
    return LastLook(before.now, {pod.uid: server_ends(pod) for pod in before.observed.pods})
