"""Containers that are not the model's: put into its pods by somebody else, mostly by a webhook (a mesh, a log shipper).

What is the matter with one of them keeps the pod from getting ready, but proves nothing about the version (law 17).
"""

from __future__ import annotations

from dataclasses import replace

from verdigris.core.facts.observed import ContainerView, PodView
from verdigris.core.pods.diagnosis import crash, image, not_started
from verdigris.core.pods.diagnosis.check import Around, Check, Diagnosis
from verdigris.core.pods.diagnosis.crash import how_it_ended, reported
from verdigris.core.pods.diagnosis.words import QUOTED, clip, tidy
from verdigris.core.words import sentence

REASON = "InjectedContainerFailing"

_NOT_OURS = (
    "It is not one of the model's containers: it is a sidecar of spec.serving.podTemplate, or somebody else puts it "
    "into the pods, so it is not held against the version. Correct the sidecar, or ask whoever injects it."
)
_OF_A_CONTAINER = (*image.CHECKS, *not_started.CONFIGURING, *crash.CHECKS)
_LOOKS = tuple(check.look for check in _OF_A_CONTAINER if check.look is not reported)
"""What may be the matter with any container. What one of them reports in our own words is not ours to believe."""


def own_part(pod: PodView) -> PodView:
    """The pod with the model's own containers alone."""
    if all(container.own for container in pod.containers):
        return pod
    return replace(pod, containers=tuple(container for container in pod.containers if container.own))


def injected(pod: PodView, around: Around) -> Diagnosis | None:
    """An injected container does not start, or ends again and again. Never the version's fault: it may heal."""
    for container in pod.containers:
        alone = replace(pod, containers=(container,))
        found = None if container.own else next((found for look in _LOOKS if (found := look(alone, around))), None)
        if found is not None:
            message = f"Container {container.name} {_trouble(container)} {_NOT_OURS}"
            return replace(found, reason=REASON, message=clip(message), hopeless=False)
    return None


def _trouble(container: ContainerView) -> str:
    if container.waiting in (*image.PULLING, "InvalidImageName", "CreateContainerConfigError", "RunContainerError"):
        told = clip(tidy(container.said), QUOTED) or container.waiting
        return f"does not start: {sentence(told)}"
    if container.exit is not None and container.exit.reason == "OOMKilled":
        return "was killed when its memory reached its limit (OOMKilled)."
    if container.exit is None and container.running_since is not None:
        return "has not ended yet, and the model's containers wait for it."
    return how_it_ended(container)


def failing(pod: PodView) -> str:
    """The injected containers that keep the pod from being ready, by name, while all of the model's own are ready.

    "" when there is none.
    """
    if any(container.ready is False for container in pod.containers if container.own and not container.init):
        return ""
    steps = (c for c in pod.containers if not c.own and c.ready is False and (c.sidecar or not c.init))
    return ", ".join(container.name for container in steps)


CHECKS = (
    Check(
        "CrashLoop",
        "A container of the pod that is not the model's (injected by a webhook: a mesh, a log shipper, a secrets "
        "agent; native sidecars too) does not start or keeps exiting. The kind is that of the trouble: ImagePull, "
        "ConfigError, InitFailing, CrashLoop, OutOfMemory.",
        "Told as not the version's: a candidate's rollout waits for it until `progressDeadline`. Where other pods of "
        "the version are ready: evicted, as for that kind.",
        "Ask whoever injects it; `kubectl logs -p -c CONTAINER`.",
        injected,
    ),
)
