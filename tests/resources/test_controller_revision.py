"""A revision goes into a ControllerRevision and comes back the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from tests.resources.samples import CREATED, MINIMAL, OWNER, SPECS, snapshot, spec
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.children import controller_revision
from verdigris.children.names import REVISION_LABEL


def _live(parsed: ModelDeploymentSpec) -> Any:
    """As the API server would give it back."""
    raw = json.loads(json.dumps(controller_revision.build(OWNER, snapshot(OWNER, parsed))))
    raw["metadata"]["creationTimestamp"] = "2026-11-23T10:00:00Z"
    return raw


@given(SPECS)
def test_what_went_in_comes_back(parsed: ModelDeploymentSpec) -> None:
    assert controller_revision.parse(_live(parsed)) == snapshot(OWNER, parsed)


def test_a_snapshot_that_is_not_applied_yet_has_no_time() -> None:
    kept = snapshot(OWNER, spec(MINIMAL))

    assert kept.created == CREATED
    assert controller_revision.parse(controller_revision.build(OWNER, kept)) == replace(kept, created=None)


@pytest.mark.parametrize("key", ["version", "sha256", "uri", "podTemplate"])
def test_a_damaged_one_is_refused_with_what_is_missing(key: str) -> None:
    live = _live(spec(MINIMAL))
    del live["data"][key]

    with pytest.raises(ValueError, match=rf"ControllerRevision diabetes-v1-\d+ lacks data\.{key}: delete it"):
        controller_revision.parse(live)


def test_one_without_the_revision_label_is_refused() -> None:
    live = _live(spec(MINIMAL))
    del live["metadata"]["labels"][REVISION_LABEL]

    with pytest.raises(ValueError, match=f"has no label {REVISION_LABEL}"):
        controller_revision.parse(live)
