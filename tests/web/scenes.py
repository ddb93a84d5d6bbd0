"""Models beyond those of the command line: at a gate, with stuck pods, and many of them."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

from tests.cli.scenes import SCENES, Scene, recorded, stamp
from verdigris.web.timeline import Measured, Span

NAMES = (*SCENES, "gated", "stuck")


def scene(name: str) -> Scene:
    """A scene of the command line as it was recorded, or one of ours."""
    return {"gated": gated, "stuck": stuck}[name]() if name in ("gated", "stuck") else recorded(name)


def gated() -> Scene:
    """A quality gate has answered: one value is too low, one is fine."""
    made = recorded("waiting")
    rollout = made.model["status"]["rollout"]
    checks = [
        {"name": "auc", "verdict": "Pass", "value": 0.91, "threshold": 0.85, "bound": "min", "low": 0.89, "high": 0.93},
        {"name": "versusActive.auc", "verdict": "Inconclusive", "value": -0.004, "threshold": -0.01, "bound": "min"}
        | {"low": -0.013, "high": 0.005, "count": 2000},
    ]
    gate = {"job": "diabetes-quality", "verdict": "Inconclusive", "message": "Too few rows to tell.", "rows": 2000}
    ended = {"began": rollout["since"], "ended": rollout["since"], "verdict": "Inconclusive", "reason": "TooFewRows"}
    rollout["steps"].insert(1, {"kind": "Quality", **ended, "gate": {**gate, "checks": checks}})
    rollout["step"] += 1
    return made


def stuck() -> Scene:
    """Seven pods of the candidate do not get their image."""
    made = recorded("on_trial")
    green = next(one for one in made.pods if one["metadata"]["labels"]["verdigris.dev/color"] == "green")
    pods = [copy.deepcopy(green) for _ in range(7)]
    told = []
    for place, one in enumerate(pods):
        one["metadata"]["name"] = f"diabetes-green-5c8-{place:05}"
        one["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        told.append(
            {
                "pod": one["metadata"]["name"],
                "kind": "ImagePull",
                "reason": "ImageNotFound",
                "message": "registry.example.com/model:2 is not there.",
                "remedy": "None",
                "held": "its rollout decides about it.",
                "since": stamp(made.now - timedelta(minutes=3)),
            }
        )
    made.model["status"]["stuck"] = told
    return made._replace(pods=[*made.pods, *pods])


def named(one: Scene, namespace: str, name: str) -> dict[str, Any]:
    """The model of a scene under another name."""
    model = copy.deepcopy(one.model)
    model["metadata"].update(namespace=namespace, name=name, uid=f"{namespace}-{name}")
    return model


def many(number: int, namespaces: int = 20) -> list[dict[str, Any]]:
    """So many models of every kind."""
    kinds = [scene(name) for name in ("healthy", "on_trial", "waiting", "rejected", "blind", "promoted", "gated")]
    return [named(kinds[at % len(kinds)], f"team-{at % namespaces:02}", f"model-{at:04}") for at in range(number)]


def measured(span: Span, *, errors: float = 0.0) -> Measured:
    """Steady requests, and so many of the candidate's that fail."""
    times = [span.begin + place * span.step for place in range(int((span.end - span.begin) / span.step) + 1)]
    late = [at for at in times if at > (span.begin + span.end) / 2]
    return Measured(
        requests={
            "blue": tuple((at, 200.0 + 10 * (place % 5)) for place, at in enumerate(times)),
            "green": tuple((at, 20.0) for at in late),
        },
        errors={"green": tuple((at, 20.0 * errors) for at in late)},
    )


def latest(*scenes: Scene) -> datetime:
    """When all of them are over."""
    return max(one.now for one in scenes)
