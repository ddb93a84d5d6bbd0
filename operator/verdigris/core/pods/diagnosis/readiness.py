"""Pods whose containers run, and that clients still cannot use: never ready, or ready by fits and starts."""

from __future__ import annotations

from verdigris.api.schema.fields import parse_duration
from verdigris.api.status import Remedy
from verdigris.core.facts.observed import PodView
from verdigris.core.pods.diagnosis.check import Around, Check, Diagnosis
from verdigris.core.pods.diagnosis.injected import failing
from verdigris.core.pods.diagnosis.questions import TERMINAL, began, others_are_ready, starting, stuck_after
from verdigris.core.pods.diagnosis.words import clip, said
from verdigris.core.words import sentence


def flapping(pod: PodView, around: Around) -> Diagnosis | None:
    """It has ceased to be ready too often within the window, although its containers run."""
    if pod.terminating or pod.phase in TERMINAL or len(around.unready_at) < around.policy.flaps:
        return None
    window = parse_duration(around.policy.window)
    times = sorted(at for at in around.unready_at if around.now - window < at <= around.now)
    if len(times) < around.policy.flaps:
        return None
    message = (
        f"The pod has ceased to be ready {around.policy.flaps} times or more within {around.policy.window}, though its "
        f"containers run. {_probe(around)}Look at its load and its CPU limit."
    )
    return Diagnosis("Flapping", "Flapping", clip(message), "Evict", times[0], times[around.policy.flaps - 1])


def never_ready(pod: PodView, around: Around) -> Diagnosis | None:
    """All its containers run, and the probes say that it is not ready."""
    servers = [container for container in pod.containers if not container.init]
    if not starting(pod) or not servers or any(container.running_since is None for container in servers):
        return None
    theirs = failing(pod)
    message = f"The pod's containers run, but it is not ready. {_probe(around)}Look at its log with kubectl logs."
    if theirs:
        message = (
            f"The model's containers are ready, but the pod is not: {theirs} is not, which somebody else put into it."
        )
    since = max(began(pod), *(c.running_since for c in servers if c.running_since))
    ripe_at = since + stuck_after(around)
    # When no pod of a new version gets ready, it is the version: to begin anew would only cost the deadline's time.
    is_the_version = around.role == "candidate" and not others_are_ready(pod, around)
    remedy: Remedy = "None" if is_the_version else "Evict"
    return Diagnosis("NeverReady", "NeverReady", clip(message), remedy, since, ripe_at, passing=True)


def _probe(around: Around) -> str:
    words = said(around.events, "Unhealthy", "Readiness probe") or said(around.events, "Unhealthy", "Startup probe")
    return f"{sentence(words)} " if words else ""


CHECKS = (
    Check(
        "Flapping",
        "It has ceased to be ready `flaps` times within `window`, without a crash.",
        "Evicted.",
        "Look at its load, its CPU limit and what its readiness depends on.",
        flapping,
    ),
    Check(
        "NeverReady",
        "All containers run, the pod is not ready for `stuckAfter`; the Event Unhealthy has the probe's words.",
        "Evicted, except while no pod of a candidate is ready: its rollout ends at `progressDeadline`.",
        "Read the log: `kubectl logs`. Give it more CPU, or correct the model.",
        never_ready,
    ),
)
