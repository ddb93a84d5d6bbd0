"""Whose an object is that bears one of our names, told from the object alone (law 14)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from verdigris.children.names import APPLIED_ANNOTATION, KIND, MANAGER, MODEL_LABEL, Owner

Raw = Mapping[str, Any]

Whose = Literal["Ours", "Orphan", "Leaving", "Foreign"]
"""Ours: its controller is our ModelDeployment, by UID. Orphan: provably made for a model of this name, and without an
owner now. Leaving: provably made for an earlier ModelDeployment of this name, whose garbage is about to be collected.
Foreign: everything else; it is never written, owned or deleted."""


def whose(raw: Raw, owner: Owner) -> Whose:
    """Whose `raw` is, as this ModelDeployment sees it."""
    references = list(_references(raw))
    controllers = [reference for reference in references if reference.get("controller")]
    if any(reference.get("uid") == owner.uid for reference in controllers):
        return "Ours"
    if any(not _is_namesake(reference, owner) for reference in controllers) or not _made_by_us(raw, owner):
        return "Foreign"
    earlier = [r for r in references if _is_namesake(r, owner) and r.get("uid") != owner.uid]
    return "Leaving" if earlier else "Orphan"


def kept_references(raw: Raw, owner: Owner) -> list[Raw]:
    """Its owner references without those to ModelDeployments of this name: what others put there stays."""
    return [reference for reference in _references(raw) if not _is_namesake(reference, owner)]


def _references(raw: Raw) -> Iterator[Raw]:
    yield from (raw.get("metadata") or {}).get("ownerReferences") or ()


def _is_namesake(reference: Raw, owner: Owner) -> bool:
    """Whether it names a ModelDeployment called like ours. There is one at a time: any other UID is a deleted one."""
    return reference.get("kind") == KIND and reference.get("name") == owner.name


def _made_by_us(raw: Raw, owner: Owner) -> bool:
    """The proof: our label, the mark of our last write, and an API server that remembers that we applied it.

    Labels and annotations are copied along when somebody copies a manifest; what the API server wrote down is not.
    """
    meta = raw.get("metadata") or {}
    applied = any(
        entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
        for entry in meta.get("managedFields") or ()
    )
    marked = APPLIED_ANNOTATION in (meta.get("annotations") or {})
    return applied and marked and (meta.get("labels") or {}).get(MODEL_LABEL) == owner.name
