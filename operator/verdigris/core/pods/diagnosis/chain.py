"""What is the matter with each pod: a chain of small checks, the first that says something wins.

Read `CHAIN` from top to bottom. What has ended or should have comes first, then the way of a pod's life: a node, an
image, its configuration, its init step, its containers, readiness. docs/stuck-pods.md is made from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from verdigris.api.status import Color, ModelDeploymentStatus, StuckKind
from verdigris.core.facts.observed import Observed, PodView
from verdigris.core.facts.survey import NodeView
from verdigris.core.pods.diagnosis import crash, image, injected, not_started, readiness, should_be_gone
from verdigris.core.pods.diagnosis.check import Around, Check, Diagnosis, Role
from verdigris.core.pods.diagnosis.crash import DEFINITE_FAULTS
from verdigris.core.pods.diagnosis.injected import own_part
from verdigris.core.pods.diagnosis.questions import starting
from verdigris.core.pods.diagnosis.words import clip
from verdigris.core.turn import Turn

CHAIN: tuple[Check, ...] = (
    *should_be_gone.CHECKS,
    *not_started.PLACING,
    *image.CHECKS,
    *not_started.CONFIGURING,
    *crash.CHECKS,
    *injected.CHECKS,
    *not_started.CREATING,
    *readiness.CHECKS,
)

TOLD_BY_EVENTS: frozenset[StuckKind] = frozenset({"ImagePull", "CrashLoop", "Creating", "NeverReady", "Flapping"})
USUAL = timedelta(seconds=10)
"""For so long a pod may be in a state that usually passes before anybody asks for its Events."""
LATELY = timedelta(minutes=5)
"""For so long after a server's end it may come out that its node was away."""
ASKED_AT_ONCE = 10
"""Pods whose Events are asked for in one look: those of one version mostly have one trouble."""


def diagnose(pod: PodView, around: Around) -> Diagnosis | None:
    """The first check of the chain that says something; None for a pod that is well."""
    if (
        pod.ready
        and len(around.unready_at) < around.policy.flaps
        and pod.phase == "Running"
        and around.role != "orphan"
    ):
        return None
    own = own_part(pod)
    # What an injected container does is looked at by its own check, and by the one of readiness, which is the pod's.
    whole = (injected.injected, readiness.never_ready)
    seen = ((check, pod if check.look in whole else own) for check in CHAIN)
    found = next((found for check, part in seen if (found := check.look(part, around))), None)
    return _excused(found, pod, around) if found and found.hopeless else found


def _excused(found: Diagnosis, pod: PodView, around: Around) -> Diagnosis:
    """A server that ends beside a sidecar that does not run may end because of it: only a report is proof then."""
    beside = injected.injected(pod, around) if found.reason not in DEFINITE_FAULTS else None
    if beside is None:
        return found
    return replace(found, hopeless=False, message=clip(f"{found.message} Beside it: {beside.message}"))


def diagnoses(turn: Turn) -> tuple[tuple[PodView, Role, Diagnosis], ...]:
    """Each stuck, or not yet ripe, pod of the model, in the order in which they were observed.

    A diagnosis counts once `turn.now >= ripe_at`.
    """
    return tuple(_diagnosed(turn.observed, turn.status, turn.now))


def wanted_events(observed: Observed, now: datetime) -> tuple[str, ...]:
    """UIDs of the pods whose Events would say why they are stuck; none for pods that are well or just starting."""
    wanted = (
        pod.uid
        for pod, _, found in _diagnosed(replace(observed, events={}), observed.status, now)
        if found.kind in TOLD_BY_EVENTS and now >= found.since + USUAL
    )
    return tuple(wanted)[:ASKED_AT_ONCE]


def wants_nodes(observed: Observed) -> bool:
    """Whether the nodes could be why a pod is not what it should be, or why a server has just ended."""
    judged, seen = observed.status.rollout or observed.status.warm, observed.seen_at
    ended = judged is not None and any(seen is not None and seen < entry.at + LATELY for entry in judged.exits)
    return ended or any(pod.terminating or starting(pod) for pod in observed.pods)


def role_of(pod: PodView, status: ModelDeploymentStatus) -> Role:
    """Whose pod it is, by colour and revision."""
    whose: tuple[tuple[Role, object], ...] = (
        ("active", status.active),
        ("candidate", status.rollout),
        ("warm", status.warm),
    )
    mine = (pod.color, pod.revision)
    return next(
        (role for role, ref in whose if ref and (getattr(ref, "color", None), getattr(ref, "revision", None)) == mine),
        "orphan",
    )


def _diagnosed(
    observed: Observed, status: ModelDeploymentStatus, now: datetime
) -> Iterator[tuple[PodView, Role, Diagnosis]]:
    survey = observed.survey
    nodes: Mapping[str, NodeView] | None = {node.name: node for node in survey.nodes} if survey else None
    flapped = {unsteady.uid: unsteady.unready_at for unsteady in status.unsteady}
    siblings: dict[tuple[Color, str], list[PodView]] = defaultdict(list)
    for pod in observed.pods:
        if pod.ready:
            siblings[pod.color, pod.revision].append(pod)
    for pod in observed.pods:
        around = Around(
            now=now,
            role=role_of(pod, status),
            policy=observed.spec.cleanup,
            nodes=nodes or None,
            events=observed.events.get(pod.uid, ()),
            siblings=tuple(siblings.get((pod.color, pod.revision), ())) if not pod.ready else (),
            unready_at=flapped.get(pod.uid, ()),
            deployed=pod.color in observed.deployments,
        )
        found = diagnose(pod, around)
        if found:
            yield pod, around.role, found
