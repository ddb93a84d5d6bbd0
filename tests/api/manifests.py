"""Manifests for the tests: a good one, and ways to spoil it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

SHA256 = "0123456789abcdef" * 4
GONE = object()
"""As the value of a change: remove the field."""


def good_spec() -> dict[str, Any]:
    """The smallest spec that is worth anything."""
    return {
        "model": {
            "version": "1.0.0",
            "uri": "https://models.example.com/diabetes-1.0.0.vmodel",
            "sha256": SHA256,
        }
    }


def model_deployment(spec: Any, name: str = "diabetes") -> dict[str, Any]:
    """A ModelDeployment with this spec."""
    return {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": spec,
    }


def rollout_decision(**changes: Any) -> dict[str, Any]:
    """A RolloutDecision, with some members of its spec changed."""
    spec = {
        "modelDeployment": "diabetes",
        "revision": "v1-0a1b2c3d4e",
        "verb": "approve",
        "reason": "the validation report is fine",
        "requestedBy": "alice@example.com",
    }
    return {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "RolloutDecision",
        "metadata": {"name": "approve-diabetes"},
        "spec": {key: value for key, value in {**spec, **changes}.items() if value is not GONE},
    }


def changed(spec: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the spec with values put at dotted paths (`model.version`), objects on the way made as needed."""
    result = copy.deepcopy(dict(spec))
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is GONE:
            del place[last]
        else:
            place[last] = value
    return result
