"""The README's way from a notebook to production: its commands are ones that there are, and its manifest is one."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from verdigris.api.spec import ModelDeploymentSpec
from verdigris.cli.parser import parser
from verdigris_serving.artifact.cli import _parser as model_parser
from verdigris_serving.card import cli as card

ROOT = Path(__file__).resolve().parents[2]
SECTION = "## From a notebook to production with gates, in ten commands"


def commands() -> list[list[str]]:
    """Each command of the section, comments left out; of several in a pipe each."""
    block = (ROOT / "README.md").read_text().split(SECTION)[1].split("```")[1].removeprefix("sh\n")
    lines = [re.sub(r"\s+#.*", "", line) for line in block.strip().splitlines()]
    assert len(lines) == 10
    return [shlex.split(part) for line in lines for part in line.strip("()").split(" | ")]


@pytest.mark.parametrize("command", [one for one in commands() if one[:2] == ["kubectl", "verdigris"]], ids=" ".join)
def test_kubectl_verdigris_takes_it(command: list[str]) -> None:
    assert parser().parse_args(command[2:]).name == "diabetes"


@pytest.mark.parametrize("command", [one for one in commands() if one[0] == "verdigris-model"], ids=" ".join)
def test_verdigris_model_takes_it(command: list[str]) -> None:
    assert model_parser((card.add,)).parse_args(command[1:]).use == "Screening of adults."


def test_every_file_that_is_named_is_there() -> None:
    named = {word for command in commands() for word in command if word.startswith("examples/")}
    assert named
    assert all((ROOT / name).is_file() for name in named)


def test_the_manifest_names_the_files_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "diabetes-1.1.0.vmodel").write_bytes(b"a model")
    (tmp_path / "holdout.csv").write_bytes(b"rows")
    command = ["sh", str(ROOT / "examples/gated/manifest.sh"), "1.1.0", str(tmp_path)]
    made = yaml.safe_load(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    spec = ModelDeploymentSpec.model_validate_json(json.dumps(made["spec"]))
    assert spec.model.sha256 == hashlib.sha256(b"a model").hexdigest()
    assert made["spec"]["rollout"]["steps"][0]["quality"]["data"]["sha256"] == hashlib.sha256(b"rows").hexdigest()
    (tmp_path / "holdout.csv").unlink()
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout, "holdout.csv is not there" in refused.stderr) == (1, "", True)
