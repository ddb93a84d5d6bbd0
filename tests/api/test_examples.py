"""Every example of the repository is taken by the API server, for good, and means what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.conftest import Kubectl
from verdigris.api.decision import RolloutDecisionSpec
from verdigris.api.schema.fields import ApiModel
from verdigris.api.spec import ModelDeploymentSpec

FOLDER = Path(__file__).resolve().parents[2] / "examples"
MODELS: dict[str, type[ApiModel]] = {"ModelDeployment": ModelDeploymentSpec, "RolloutDecision": RolloutDecisionSpec}


def documents(path: Path) -> list[dict[str, Any]]:
    """The objects of our API group in a file."""
    found = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return [document for document in found if str(document.get("apiVersion", "")).startswith("verdigris.dev/")]


ENVIRONMENTS = FOLDER / "environments"
EXAMPLES = [path for path in sorted(FOLDER.rglob("*.yaml")) if documents(path)]
each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(FOLDER)))


def test_there_is_an_example_of_each_way_of_working() -> None:
    expected = {"minimal.yaml", "production.yaml", "loadbalancer.yaml", "approval.yaml", "approve.yaml", "bucket.yaml"}
    expected |= {"canary.yaml", "gates.yaml", "follow.yaml", "dev.yaml", "staging.yaml"}
    assert expected <= {path.name for path in EXAMPLES}


@each_example
def test_the_models_understand_the_example(path: Path) -> None:
    for document in documents(path):
        MODELS[document["kind"]].parse(document["spec"])


@each_example
def test_the_example_opens_with_what_it_is_for(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_the_same_bytes_go_through_all_environments_and_each_asks_the_one_before() -> None:
    specs = [documents(ENVIRONMENTS / f"{name}.yaml")[0]["spec"] for name in ("dev", "staging", "production")]
    assert all(spec["model"] == specs[0]["model"] for spec in specs)
    asked = [[step["from"]["namespace"] for step in spec["rollout"]["steps"] if "from" in step] for spec in specs]
    assert asked == [[], ["dev"], ["staging"]]
    bound = list(yaml.safe_load_all((ENVIRONMENTS / "consent.yaml").read_text(encoding="utf-8")))
    assert [(one["metadata"]["namespace"], one["subjects"][0]["name"]) for one in bound] == [
        ("dev", "system:serviceaccounts:staging"),
        ("staging", "system:serviceaccounts:production"),
    ]


@pytest.mark.cluster
@each_example
def test_the_example_can_be_applied_and_deleted(kubectl: Kubectl, namespace: str, path: Path) -> None:
    # A decision is signed: it takes its author. Everything else is applied as the examples say.
    signers = {document["spec"].get("requestedBy") for document in documents(path)} - {None}
    as_author = [word for name in signers for word in ("--as", name, "--as-group", "system:masters")]
    verb = "create" if as_author else "apply"
    made = kubectl(verb, "-n", namespace, "-o", "name", "-f", path, *as_author)
    assert made.returncode == 0, made.stderr
    names = made.stdout.split()
    assert len(names) == len(documents(path))
    assert kubectl("get", "-n", namespace, *names).returncode == 0
    removed = kubectl("delete", "-n", namespace, "--wait=false", *names)
    assert removed.returncode == 0, removed.stderr
