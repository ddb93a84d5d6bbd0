"""Turns in which a candidate, green, is in some step of its rollout beside the active version, blue."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.rollout.capacity_cases import HALF, quota
from tests.rollout.parts import FULL
from tests.rollout.trial_cases import EXPOSED, MINUTE, REVISIONS, SECOND, pod, trial
from verdigris.api.status import Color, Failure, StepStatus
from verdigris.children.snapshot import Snapshot
from verdigris.core.facts.evidence import NOT_ASKED, Evidence, Series
from verdigris.core.facts.observed import DeploymentView, PodView
from verdigris.core.facts.survey import Survey
from verdigris.core.turn import Turn

NOW = EXPOSED + MINUTE
BLUE = (pod("b0", "blue"), pod("b1", "blue"))
REFUSAL = Failure(reason="QuotaExceeded", message="exceeded quota: small, requested: pods=1, used: pods=4")
SNAPSHOTS = {
    revision: Snapshot(revision, "1.1.0", "a" * 64, "https://models.test/m.vmodel", HALF)
    for revision in REVISIONS.values()
}


def turn(*pods: PodView, rollout: dict[str, Any] | None = None, evidence: Evidence = NOT_ASKED, **seen: Any) -> Turn:
    """These pods are seen, with these fields of the rollout changed; other named arguments are as in `trial`."""
    pods = pods or (*BLUE, pod("g0"), pod("g1"))
    wanted = {"spec": seen.pop("spec")} if "spec" in seen else {}
    made = trial(*pods, **{"snapshots": SNAPSHOTS, **seen})
    made = replace(made, evidence=evidence, observed=replace(made.observed, **wanted))
    return made.change_rollout(**(rollout or {}))


def waiting(name: str = "g1", **rest: Any) -> PodView:
    """A pod of the candidate that the scheduler has no place for."""
    return pod(name, ready=False, node="", unscheduled=FULL, **rest)


def steps(*kinds: Any) -> dict[str, Any]:
    """A rollout of these steps, in the last of them."""
    return {"steps": tuple(StepStatus(kind=kind) for kind in kinds), "step": len(kinds) - 1}


def deployments(blue: int = 2, green: int = 2, **of_green: Any) -> dict[Color, DeploymentView]:
    """Both colours' Deployments of these sizes."""
    return {
        "blue": DeploymentView("uid-blue", blue, REVISIONS["blue"]),
        "green": replace(DeploymentView("uid-green", green, REVISIONS["green"]), **of_green),
    }


def quotas(used: str) -> Survey:
    """A quota of four pods, of which so many are in use."""
    return Survey(NOW, quotas=(quota(hard={"pods": "4"}, used={"pods": used}),), problem="nodes may not be read")


def scraped(
    *pods: str, requests: tuple[float, ...] = (0, 0), at: tuple[datetime, ...] = (NOW - 10 * SECOND, NOW)
) -> tuple[Series, ...]:
    """Each of these pods had counted so many requests at these times, and no error."""
    times = [one.timestamp() for one in at]
    counted = {"200": requests, "500": (0.0,) * len(times)}
    return tuple(
        Series(pod, code, tuple(zip(times, values, strict=True))) for pod in pods for code, values in counted.items()
    )
