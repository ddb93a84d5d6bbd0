"""A recording as the operator would see it: raw objects through the same readers, to a turn of the plan."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from verdigris.adapters.kube.reading.survey_views import limit_range_view, pod_events, quota_view
from verdigris.adapters.kube.reading.views import color_of, deployment_view, pod_view
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ActiveStatus, ModelDeploymentStatus, RolloutStatus, Unsteady
from verdigris.children.names import Defaults, Owner
from verdigris.core.facts.evidence import NOT_ASKED
from verdigris.core.facts.observed import Observed
from verdigris.core.facts.survey import Survey
from verdigris.core.pods.remedies.flapping import remember_flapping
from verdigris.core.turn import Turn

FOLDER = Path(__file__).with_name("faults")
RECORDINGS = {
    recording["fault"]: recording
    for recording in (json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json")))
}
"""By the name of the fault."""
A_LITTLE = timedelta(seconds=5)
"""Between what was recorded last and the operator's verdict there is a look of ours, and one of the operator's."""


def turn_of(recording: Any) -> Turn:
    """The turn in which the operator gave its verdict."""
    now = datetime.fromisoformat(recording["now"]) + A_LITTLE
    status = _status(recording)
    pods = [view for raw in recording["pods"] if (view := pod_view(raw)) is not None]
    observed = Observed(
        owner=Owner("recorded", "diabetes", "uid"),
        generation=1,
        spec=ModelDeploymentSpec.parse(recording["spec"]),
        status=status,
        defaults=Defaults("verdigris/serving:0.1.0"),
        deployments={color: deployment_view(raw) for raw in recording["deployments"] if (color := color_of(raw))},
        pods=tuple(sorted(pods, key=lambda pod: (pod.created, pod.name))),
        seen_at=now,
        survey=Survey(
            now,
            quotas=tuple(map(quota_view, recording["quotas"])),
            limit_ranges=tuple(map(limit_range_view, recording["limitRanges"])),
        ),
        events={
            pod.uid: pod_events(raw for raw in recording["events"] if raw["involvedObject"]["uid"] == pod.uid)
            for pod in pods
        },
    )
    # The loss of readiness for which a pod is removed is remembered and acted upon in one turn.
    return remember_flapping(Turn(observed, NOT_ASKED, now, status))


def _status(recording: Any) -> ModelDeploymentStatus:
    """Whose pods are whose, and until when a new version has time: all that is not Kubernetes' own word."""
    active, rollout = recording["active"], recording["rollout"]
    return ModelDeploymentStatus(
        active=ActiveStatus.parse(active) if active else None,
        rollout=RolloutStatus.parse({**rollout, "stage": "Starting", "since": rollout["startedAt"]})
        if rollout
        else None,
        unsteady=tuple(map(Unsteady.parse, recording["unsteady"])),
    )
