"""Whatever the CRD lets a model be called, every object of it has a name and labels that Kubernetes takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.resources.samples import FULL, MINIMAL, OWNER, children, spec
from verdigris.api.schema.values import OBJECT_NAME
from verdigris.children.meta import Manifest

LONGEST = "a" + "-" * 38 + "z"
DNS_LABEL = re.compile("[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL = re.compile("([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def label_maps(value: Any) -> Iterator[dict[str, str]]:
    """Everything that Kubernetes takes for labels or for a selector by labels, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("labels", "matchLabels") and isinstance(inner, dict):
                yield inner
            else:
                yield from label_maps(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from label_maps(inner)


def all_children(name: str) -> list[Manifest]:
    owner = replace(OWNER, name=name)
    return [child for raw in (MINIMAL, FULL) for child in children(owner, spec(raw)).values()]


@pytest.mark.parametrize("name", ["a", "a0", LONGEST, "default"])
def test_every_child_of_a_name_that_the_crd_takes_is_valid(name: str) -> None:
    assert OBJECT_NAME.holds(name)
    for child in all_children(name):
        assert DNS_LABEL.fullmatch(child["metadata"]["name"]), child["kind"]
        for labels in label_maps(child):
            assert all(LABEL.fullmatch(value) for value in labels.values()), (child["kind"], labels)


def test_a_longer_name_is_refused() -> None:
    assert not OBJECT_NAME.holds(LONGEST + "z")
