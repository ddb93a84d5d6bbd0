"""Why clients do not get from the clients' Service to the pods that it is to select. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from verdigris.children.names import GROUP
from verdigris.core.words import plain

Raw = Mapping[str, Any]


def misconfigured(service: Raw | None, port: int, pods: Iterable[Raw]) -> str | None:
    """Why clients who come to this port of the clients' Service do not get to its pods; None when they do.

    Which colour it selects, and whether there is a Service at all, is told apart from that.
    """
    spec = (service or {}).get("spec") or {}
    if spec.get("type") == "ExternalName":
        return f"it is of type ExternalName and leads to {plain(str(spec.get('externalName')))}."
    there = [(raw.get("port"), raw.get("targetPort"), raw.get("protocol", "TCP")) for raw in spec.get("ports") or ()]
    if service is None:
        return None
    if (port, "http", "TCP") not in there:
        told = (f"{number} to {plain(str(target))} ({protocol})" for number, target, protocol in there)
        return f"it has no port {port} that leads to the pods' port http, but {', '.join(told) or 'none'}."
    return _selects_nobody(spec.get("selector") or {}, pods)


def _selects_nobody(selector: Mapping[str, str], pods: Iterable[Raw]) -> str | None:
    """That the selector asks for more than ours does, and no pod has that."""
    added = {key: value for key, value in selector.items() if not key.startswith(f"{GROUP}/")}
    labels = [(raw.get("metadata") or {}).get("labels") or {} for raw in pods]
    if not added or any(selector.items() <= had.items() for had in labels):
        return None
    more = plain(", ".join(f"{key}={value}" for key, value in added.items()))
    return f"its selector also asks for {more}, which none of them has. Stop whoever adds that to spec.selector."
