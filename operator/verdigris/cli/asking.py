"""What the commands ask of kubectl: which resource, by which flags, and what for. PURE."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from verdigris.cli.kubectl import Asked
from verdigris.cli.names import COLOR_LABEL, DECISIONS, MODEL_LABEL, MODELS

_JSON = ("-o", "json")
_WATCH = ("--watch", "--output-watch-events", *_JSON)


def model(name: str) -> Asked:
    """One ModelDeployment."""
    return Asked(("get", MODELS, name, *_JSON), "to show the model")


def watched_model(name: str) -> Asked:
    """One ModelDeployment, and each change of it."""
    return Asked(("get", MODELS, name, *_WATCH), "to follow the model (without it: get without -w)")


def models(selector: str = "", *, everywhere: bool = False, watch: bool = False) -> Asked:
    """All ModelDeployments of the namespace, or of all."""
    where = ("--all-namespaces",) if everywhere else ()
    chosen = (f"--selector={selector}",) if selector else ()
    purpose = "to list the models of all namespaces (without -A: of one)" if everywhere else "to list the models"
    return Asked(("get", MODELS, *where, *chosen, *(_WATCH if watch else _JSON)), purpose)


def pods(name: str, color: str = "", *, watch: bool = False) -> Asked:
    """The pods of a model, or of one of its colours."""
    return Asked(("get", "pods", _labels(name, color), *(_WATCH if watch else _JSON)), "to show its pods")


def of_model(kinds: str, name: str, purpose: str) -> Asked:
    """Further objects of a model by its label. `kinds` as kubectl takes them: `deployments,services`."""
    return Asked(("get", kinds, _labels(name, ""), *_JSON), purpose)


def labelled(kinds: str, labels: str, purpose: str, *, everywhere: bool = False) -> Asked:
    """Objects by any labels."""
    where = ("--all-namespaces",) if everywhere else ()
    return Asked(("get", kinds, *where, f"--selector={labels}", *_JSON), purpose)


def everything(kinds: str, purpose: str, *, everywhere: bool = False) -> Asked:
    """All objects of these kinds."""
    where = ("--all-namespaces",) if everywhere else ()
    return Asked(("get", kinds, *where, *_JSON), purpose)


def named(kind: str, name: str, purpose: str, namespace: str = "") -> Asked:
    """One object by its name."""
    where = (f"--namespace={namespace}",) if namespace else ()
    return Asked(("get", kind, name, *where, *_JSON), purpose)


def decision(name: str, namespace: str, *, watch: bool = False) -> Asked:
    """One RolloutDecision."""
    how = _WATCH if watch else _JSON
    return Asked(("get", DECISIONS, name, f"--namespace={namespace}", *how), "to see what became of the decision")


def created(document: Mapping[str, Any], purpose: str, *, dry_run: bool) -> Asked:
    """Make this object; the answer is the object."""
    dry = ("--dry-run=server",) if dry_run else ()
    return Asked(("create", "-f", "-", *dry, *_JSON), purpose, json.dumps(document))


def patched(name: str, namespace: str, patch: Mapping[str, Any], purpose: str, *, dry_run: bool) -> Asked:
    """Merge this into a ModelDeployment; the answer is the object."""
    dry = ("--dry-run=server",) if dry_run else ()
    where = f"--namespace={namespace}"
    return Asked(("patch", MODELS, name, where, "--type=merge", "-p", json.dumps(patch), *dry, *_JSON), purpose)


def whoami() -> Asked:
    """By which name the API server knows the caller."""
    return Asked(("auth", "whoami", *_JSON), "to say who decides")


def may(verb: str, resource: str, *flags: str) -> Asked:
    """Whether the caller may do that. It says `no` with exit code 1, so its answer is an error then."""
    return Asked(("auth", "can-i", verb, resource, *flags), f"to find out whether you may {verb} {resource}")


def raw(path: str, purpose: str) -> Asked:
    """A path of the API server, such as a Service behind its proxy."""
    return Asked(("get", "--raw", path), purpose)


def _labels(name: str, color: str) -> str:
    of_color = f",{COLOR_LABEL}={color}" if color else ""
    return f"--selector={MODEL_LABEL}={name}{of_color}"
