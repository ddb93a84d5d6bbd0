"""The workflows: parsed, pinned, with the least rights, and calling only what exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def parse(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text()))


def jobs(path: Path) -> dict[str, Any]:
    return dict(parse(path)["jobs"])


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(path).values():
        yield from job["steps"]


def test_there_is_one_workflow_for_the_tests_and_one_for_the_images() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "images.yml"]


@each_workflow
def test_a_workflow_may_only_read_unless_a_job_says_why(path: Path) -> None:
    assert parse(path)["permissions"] == {"contents": "read"}
    assert not [name for name, job in jobs(path).items() if "permissions" in job]


@each_workflow
def test_untrusted_code_never_runs_with_the_repositorys_secrets(path: Path) -> None:
    # YAML 1.1 reads the key `on` as a boolean.
    assert "pull_request_target" not in parse(path)[True]
    for name, job in jobs(path).items():
        if "secrets." in str(job):
            assert "refs/tags/v" in job["if"], name


@each_workflow
def test_every_action_is_pinned_to_a_commit_and_says_its_version(path: Path) -> None:
    uses = re.findall(r"uses: (.+)", path.read_text())
    assert uses
    assert [line for line in uses if not PINNED.match(line)] == []


@each_workflow
def test_no_text_of_others_is_pasted_into_a_script(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@each_workflow
def test_a_checkout_leaves_no_credentials_behind(path: Path) -> None:
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each_workflow
def test_every_job_ends_by_itself_on_a_named_system(path: Path) -> None:
    for name, job in jobs(path).items():
        assert job["timeout-minutes"] <= 60, name
        assert job["runs-on"] == "ubuntu-24.04", name
        for needed in job.get("needs", []):
            assert needed in jobs(path), name


@each_workflow
def test_scripts_call_only_what_the_repository_has(path: Path) -> None:
    script = "\n".join(step.get("run", "") for step in steps(path))
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", script)) <= targets
    for image in re.findall(r"image: (\w+)$", path.read_text(), re.MULTILINE):
        assert (REPOSITORY / f"Dockerfile.{image}").is_file()
    for folder in re.findall(r"\bcharts/\w+", script):
        assert (REPOSITORY / folder / "Chart.yaml").is_file()
