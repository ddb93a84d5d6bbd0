"""What a scenario is: a fault, how it gets onto the cluster, and what must be seen in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from dev.demo.kube import Kube
from dev.demo.models import Artifact
from verdigris.api.status import StuckKind

Spec = Mapping[str, Any]

Ending = Literal["Refused", "Failed", "Replaced", "Healed", "Reported"]
"""Refused: by `kubectl apply`. Failed: the rollout, with the active version untouched. Replaced: the pod, by the
operator. Healed: the pod went by itself, and nothing was forced. Reported: in the status, because only a person can
help."""


class Stock(Protocol):
    """Where the artifacts are."""

    def artifact(self, version: str, *, file: str | None = None, sha256: str | None = None) -> Artifact:
        """The artifact of that version; or another file, or another checksum, under its name."""

    def behind(self, trick: str, version: str) -> Artifact:
        """The artifact, by a path on which the server plays a trick: `cut`, `hang` or `denied`."""


class Scene(Protocol):
    """What a fault may lay hands on: one namespace with one model in it."""

    namespace: str
    kube: Kube

    @property
    def stock(self) -> Stock:
        """The artifacts that it can have."""

    def active_pod(self) -> str:
        """The name of one of the active pods."""


def good(stock: Stock) -> Artifact:
    """A version with nothing wrong about it."""
    return stock.artifact("1.1.0")


def nothing(_: Scene) -> None:
    """No preparation, no blow."""


@dataclass(frozen=True)
class Fault:
    """A fault, and the truth about it.

    Attributes:
        name: for people, in a few words.
        kind: by which the operator must know it; None where the API server does not let it in.
        ending: what must come of it.
        reason: matches the whole reason that is given.
        says: is found in the message: the true cause.
        within: seconds from the fault to the verdict, generously.
        artifact: of the new version.
        spec: of the new version, laid over the usual one.
        active: laid over the spec of the active version, and of the new one where `spec` does not differ.
        prepare: is done before the new version is applied.
        strike: for faults of active pods, instead of a new version; returns the name of the pod that was struck.
        worsen: is done to the pods of the new version as soon as there is one; gets its name.
        relieve: undoes what would outlive the namespace, or keep it from going.
    """

    name: str
    kind: StuckKind | None
    ending: Ending
    reason: str
    says: str
    within: float = 60.0
    artifact: Callable[[Stock], Artifact] = good
    spec: Spec = field(default_factory=dict)
    active: Spec = field(default_factory=dict)
    prepare: Callable[[Scene], None] = nothing
    strike: Callable[[Scene], str] | None = None
    worsen: Callable[[Scene, str], None] | None = None
    relieve: Callable[[Scene], None] = nothing
