"""Every child, whole, as a file to read. A change shows as a diff; UPDATE_GOLDEN=1 writes the files anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests.resources.samples import FULL, MINIMAL, OWNER, children, spec

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    f"{size}/{name}": manifest
    for size, raw in (("minimal", MINIMAL), ("full", FULL))
    for name, manifest in children(OWNER, spec(raw)).items()
}


@pytest.mark.parametrize("case", CASES)
def test_a_child_is_what_the_golden_file_says(case: str) -> None:
    file = GOLDEN / f"{case}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(CASES[case], sort_keys=False))
        pytest.fail(f"{case}.yaml was written: read the diff, then run without UPDATE_GOLDEN")

    assert yaml.safe_load(file.read_text()) == CASES[case], "if this change is meant, run once with UPDATE_GOLDEN=1"


def test_no_golden_file_is_left_behind() -> None:
    on_disk = {str(file.relative_to(GOLDEN).with_suffix("")) for file in GOLDEN.rglob("*.yaml")}

    assert on_disk == set(CASES)
