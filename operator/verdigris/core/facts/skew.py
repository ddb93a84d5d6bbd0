"""What of a ModelDeployment this operator does not understand, because a newer or an older one, or its CRD, wrote it.

Unknown fields are ignored and told. A value that cannot be read stops the decisions that need it and no other: what
runs is known from the status and the snapshots, so repair and rollback go on (docs/design/0020-skew.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from verdigris import __version__
from verdigris.api.schema.reading import Fault, Path, write_path
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import ModelDeploymentStatus, RevisionRef, TargetStatus
from verdigris.core.facts.followed import asked_alias, followed_now
from verdigris.core.facts.revision import known_revisions, wanted_revision

_PODS = (("model",), ("serving",))
_NOT_PODS = (("serving", "service"), ("serving", "networkPolicy"))
_TO_START = (*_PODS, ("rollout",), ("analysis",), ("autoscaling",))
_TOLD = 3


@dataclass(frozen=True)
class Skew:
    """Paths are relative to `spec` and `status`. `foreign`: the rollout under way is in a state that is not known."""

    unknown: tuple[Path, ...] = ()
    unread: tuple[Fault, ...] = ()
    unknown_status: tuple[Path, ...] = ()
    unread_status: tuple[Fault, ...] = ()
    foreign: bool = False

    def cannot_read(self, *sections: Path) -> bool:
        """Whether a value at or below one of these paths of the spec could not be read."""
        return any(_is_below(fault.path, section) for fault in self.unread for section in sections)

    @property
    def pods_unclear(self) -> bool:
        """Whether it cannot be told which pods the spec asks for."""
        return any(_is_about_pods(fault.path) for fault in self.unread)

    @property
    def pods_partial(self) -> bool:
        """Whether the spec says something about the pods that is not known here."""
        return any(_is_about_pods(path) for path in self.unknown)

    @property
    def forbids_start(self) -> bool:
        """Whether a new rollout would go by something that could not be read, or run into one that could not be."""
        lost = any(_is_below(fault.path, ("rollout",)) for fault in self.unread_status)
        return lost or self.foreign or self.cannot_read(*_TO_START)

    def faults(self) -> str:
        """One sentence that names what cannot be read and why; empty when everything can be."""
        return _listed([*_faults("spec", self.unread), *_faults("status", self.unread_status)], "; ")

    def ignored(self) -> str:
        """One sentence that names the fields that are not known; empty when all are.

        Of the status only spec-like surprises would help anybody: a newer operator's notes there are left alone.
        """
        names = _listed([write_path("spec", path) for path in self.unknown], ", ")
        if not names:
            return ""
        verb = ("is", "it is") if len(self.unknown) == 1 else ("are", "they are")
        return f"{names} {verb[0]} not known to this operator ({__version__}): {verb[1]} ignored."


def wanted_target(
    spec: ModelDeploymentSpec, name: str, generation: int, status: ModelDeploymentStatus, skew: Skew
) -> tuple[str, TargetStatus | None]:
    """`target_of` for the spec of the ModelDeployment called `name`, however it is spelled."""
    known = followed_now(spec, status)
    if known is None and asked_alias(spec) is not None and (ref := _wanted_now(status)) is not None:
        # Until the registry has said what is wanted, what is there is not replaced by what stood in the spec before.
        return ref.revision, status.target
    mark = known.mark if known is not None else None
    return target_of(wanted_revision(spec, name, status), generation, status, skew, followed=mark)


def _wanted_now(status: ModelDeploymentStatus) -> RevisionRef | None:
    rollout = status.rollout
    return rollout if rollout is not None and not rollout.taken_back else status.active


def target_of(
    revision: str, generation: int, status: ModelDeploymentStatus, skew: Skew, *, followed: str | None = None
) -> tuple[str, TargetStatus | None]:
    """The revision that the spec asks for, and what to remember of it. `followed`: what spec.model.follow has led to.

    `revision` is the hash of the spec as this operator reads it. Which revision a generation asks for is decided once,
    by the operator that sees it first: another one may hash differently, and would roll out what nobody asked for. A
    later generation asks for another revision only when what *this* operator hashes has changed since.
    """
    # What the status knows by that name needs no guess.
    known = status.target or (None if revision in known_revisions(status) else _of_before(status, generation))
    if skew.pods_unclear:
        ref = status.rollout or status.active
        return (known.revision if known else ref.revision if ref else ""), known
    is_same = known is not None and (
        (known.generation, known.followed) == (generation, followed) or known.hash == revision
    )
    # What an older operator had to ignore is done once there is one that knows it.
    was_ignored = known is not None and known.partial and not skew.pods_partial
    wanted = known.revision if known is not None and is_same and not was_ignored else revision
    return wanted, TargetStatus(
        generation=generation, revision=wanted, hash=revision, followed=followed, partial=skew.pods_partial
    )


def _of_before(status: ModelDeploymentStatus, generation: int) -> TargetStatus | None:
    """What an operator that did not yet remember it took this generation to ask for, where its status tells."""
    said = {condition.type: (condition.status, condition.reason) for condition in status.conditions}
    rollout = status.rollout
    if status.observed_generation != generation:
        return None
    if rollout is not None:
        wanted = rollout.revision if rollout.stage != "RollingBack" else ""
    elif status.rejected and said.get("Stalled") == ("True", status.rejected[-1].reason):
        wanted = status.rejected[-1].revision
    else:
        wanted = status.active.revision if status.active is not None and said.get("Ready", ("",))[0] == "True" else ""
    return TargetStatus(generation=generation, revision=wanted, hash=wanted) if wanted else None


def _faults(root: str, faults: Iterable[Fault]) -> list[str]:
    return [f"{write_path(root, fault.path)}: {fault.message}" for fault in faults]


def _listed(parts: list[str], between: str) -> str:
    more = f" (and {len(parts) - _TOLD} more)" if len(parts) > _TOLD else ""
    return between.join(parts[:_TOLD]) + more


def _is_about_pods(path: Path) -> bool:
    return any(_is_below(path, section) for section in _PODS) and not any(_is_below(path, one) for one in _NOT_PODS)


def _is_below(path: Path, section: Path) -> bool:
    """Also when the path is above it: what is gone as a whole has lost its parts."""
    shorter = min(len(path), len(section))
    return path[:shorter] == section[:shorter]
