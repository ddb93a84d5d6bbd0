"""What is known of a model: its artifact, what gates found, and what a ModelDeployment says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from verdigris_serving.artifact.archive import Contents
from verdigris_serving.gate.result import Check, DataRead, Group, Result, Verdict
from verdigris_serving.model.schema import Manifest

_NEVER = "9999"


class UnusableDocument(ValueError):
    """A file is no gate's result and no ModelDeployment, or one of another artifact; the message says which."""


@dataclass(frozen=True)
class Decision:
    """What a person decided on the way of a version. The API server vouches for ``by``."""

    verb: str
    by: str
    at: str
    reason: str


@dataclass(frozen=True)
class Words:
    """What only people know; each may be empty."""

    license: str = ""
    contact: str = ""
    use: str = ""
    not_for: str = ""


@dataclass(frozen=True)
class Facts:
    """All that a card is made of. ``sha256`` and ``size`` (bytes) are the artifact's."""

    contents: Contents
    sha256: str
    size: int
    gates: tuple[Result, ...] = ()
    decisions: tuple[Decision, ...] = ()
    words: Words = Words()

    @property
    def manifest(self) -> Manifest:
        """The artifact's manifest."""
        return self.contents.manifest


def read(documents: Sequence[tuple[str, bytes]], manifest: Manifest, sha256: str) -> Iterator[Result | Decision]:
    """The gates and decisions in files: results of gates, and ModelDeployments as ``kubectl get -o json`` prints them.

    Raises UnusableDocument for anything else, and for what is said of another artifact.
    """
    for name, data in documents:
        try:
            document = msgspec.json.decode(data)
            if isinstance(document, dict) and document.get("kind") == "ModelDeployment":
                yield from _of_deployment(name, document, manifest, sha256)
            else:
                yield _of_gate(name, msgspec.convert(document, Result), sha256)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise UnusableDocument(f"{name} is neither a gate's result nor a ModelDeployment: {error}") from None


def _of_gate(name: str, result: Result, sha256: str) -> Result:
    if result.artifact and result.artifact.sha256 != sha256:
        judged = result.artifact.sha256
        raise UnusableDocument(f"{name} judges the artifact {judged[:12]}, and this is {sha256[:12]}: give its own")
    return result


def _of_deployment(
    name: str, document: Mapping[str, Any], manifest: Manifest, sha256: str
) -> Iterator[Result | Decision]:
    model, status = document["spec"]["model"], document.get("status") or {}
    if (model["version"], model.get("sha256") or sha256) != (manifest.version, sha256):
        raise UnusableDocument(
            f"{name} deploys version {model['version']}, checksum {(model.get('sha256') or 'none')[:12]}, "
            f"and this artifact is {manifest.version}, {sha256[:12]}: give that of the ModelDeployment that serves it"
        )
    for step in (status.get("rollout") or {}).get("steps") or ():
        if (step.get("gate") or {}).get("verdict"):
            yield _of_status(step["gate"])
    since, until = _on_its_way(status, manifest.version)
    for one in status.get("decisions") or ():
        if one["outcome"] == "Accepted" and since <= one["at"] <= until:
            yield Decision(one["verb"], one["by"], one["at"], one.get("reason", ""))


def _on_its_way(status: Mapping[str, Any], version: str) -> tuple[str, str]:
    """From when to when that version was rolled out; times of one form, which sort as texts."""
    rollout = status.get("rollout") or {}
    if rollout.get("version") == version:
        return rollout["startedAt"], _NEVER
    ended = [one for one in status.get("history") or () if one["version"] == version]
    return (ended[-1]["startedAt"], ended[-1]["endedAt"]) if ended else (_NEVER, _NEVER)


def _of_status(gate: Mapping[str, Any]) -> Result:
    """As the gate itself said it, from what the status keeps of that."""
    return Result(
        # The Job is called <model>-<kind>-<hash>.
        gate=gate["job"].rsplit("-", 2)[1],
        verdict=Verdict(gate["verdict"]),
        reason=gate.get("reason", ""),
        message=gate.get("message", ""),
        asked=gate.get("asked", ""),
        checks=[msgspec.convert(_renamed(one), Check) for one in gate.get("checks") or ()],
        groups=[msgspec.convert(_renamed(one), Group) for one in gate.get("groups") or ()],
        data=DataRead(sha256=gate["dataSha256"], rows=gate.get("rows", 0)) if gate.get("dataSha256") else msgspec.UNSET,
    )


def _renamed(one: Mapping[str, Any]) -> dict[str, Any]:
    limits = {"interval": (one.get("low"), one.get("high"))} if {"low", "high"} & set(one) else {}
    return {"message": "", "judged": True, **one, "n": one.get("count", 0), **limits}
