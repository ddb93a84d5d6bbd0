"""The documents say what is there: links lead somewhere, and every test that a law names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# What tools keep for themselves begins with a dot, and may come up while the tests are collected.
FOLDERS = [path for path in REPOSITORY.iterdir() if path.is_dir() and path.name[0] != "." and path.name != "out"]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(path for folder in FOLDERS for path in folder.rglob("*.md"))])
LAWS = (REPOSITORY / "docs" / "laws.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_within_the_repository_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_every_test_that_a_law_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", LAWS)
    assert len(named) > 30
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (REPOSITORY / path).read_text()]
    assert missing == []


def test_every_law_names_a_test() -> None:
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", LAWS, flags=re.MULTILINE)]
    assert numbers == sorted(set(numbers)), "they stand in the order of the design, each once"
    sections = re.split(r"^## \d+\. ", LAWS, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections if "`tests/" not in section] == []
