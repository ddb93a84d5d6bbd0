"""What a check says about one stuck pod, and what a check may know beside the pod itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from verdigris.api.spec import CleanupSpec
from verdigris.api.status import Remedy, StuckKind
from verdigris.core.facts.observed import PodEvent, PodView
from verdigris.core.facts.survey import NodeView

Role = Literal["active", "candidate", "warm", "orphan"]
"""Whose pod it is. An orphan belongs to a colour that has no role, or to a revision that its colour no longer has."""


@dataclass(frozen=True)
class Diagnosis:
    """Why a pod is stuck.

    Attributes:
        kind: of the table in docs/stuck-pods.md.
        reason: CamelCase, for conditions and Events: the most specific name there is, for example OOMKilled.
        message: what is wrong, where, and what to do. It stays the same from look to look: no ages in it.
        remedy: what the operator may do for the pod once it is ripe; "None" when only a person can help.
        since: when it began.
        ripe_at: from then on it counts as stuck; before, it usually passes by itself.
        hopeless: when a candidate has it, and it is ripe, its rollout ends.
        passing: every pod goes through it when it starts, so before it is ripe it is nothing to tell of.
    """

    kind: StuckKind
    reason: str
    message: str
    remedy: Remedy
    since: datetime
    ripe_at: datetime
    hopeless: bool = False
    passing: bool = False


@dataclass(frozen=True)
class Around:
    """What a check may know beside its pod. `nodes` is None when nobody has looked, or may look, at the nodes.

    `siblings` are the pods of the same colour and revision, `unready_at` when it ceased to be ready although its
    containers ran, and `deployed` whether its colour has a Deployment.
    """

    now: datetime
    role: Role
    policy: CleanupSpec
    nodes: Mapping[str, NodeView] | None = None
    events: tuple[PodEvent, ...] = ()
    siblings: tuple[PodView, ...] = ()
    unready_at: tuple[datetime, ...] = ()
    deployed: bool = False


@dataclass(frozen=True)
class Check:
    """One row of docs/stuck-pods.md, and the function that recognises it: None when the pod does not have it.

    Attributes:
        kind: what its diagnoses are of.
        recognised: by what, in words.
        done: what the operator does about it.
        advice: what the user should do.
        look: the check itself. Pure.
    """

    kind: StuckKind
    recognised: str
    done: str
    advice: str
    look: Callable[[PodView, Around], Diagnosis | None]
