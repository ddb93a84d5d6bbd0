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


@pytest.mark.parametrize("label", [None, "v9-another"])
def test_one_whose_label_is_lost_or_says_otherwise_is_what_its_data_says_and_is_applied_again(
    label: str | None,
) -> None:
    parsed = spec(MINIMAL)
    live = _live(parsed)
    live["metadata"]["labels"].pop(REVISION_LABEL)
    if label:
        live["metadata"]["labels"][REVISION_LABEL] = label
    assert controller_revision.parse(live) == replace(snapshot(OWNER, parsed), created=None)


def test_one_whose_data_names_no_revision_is_what_its_label_says_or_is_refused() -> None:
    live = _live(spec(MINIMAL))
    del live["data"]["podTemplate"]["metadata"]["labels"][REVISION_LABEL]
    assert controller_revision.parse(live).revision == live["metadata"]["labels"].pop(REVISION_LABEL)

    with pytest.raises(ValueError, match="does not say which revision it is: delete it"):
        controller_revision.parse(live)
