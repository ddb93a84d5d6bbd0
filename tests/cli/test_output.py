"""`-o json|yaml|name` of every reading verb: its schema is published, and YAML says the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.cli.scenes import SCENES, rejected
from tests.cli.stage import Stage
from verdigris.cli import output
from verdigris.tools import cli_schema, generated

VALIDATOR = Draft202012Validator(json.loads(cli_schema.FILE.read_text(encoding="utf-8")))
READING = {
    "get": "Tree",
    "status": "Status",
    "why": "Findings",
    "history": "History",
    "diff": "Differences",
    "recommend": "Recommended",
}
ADVICE = {
    "cpu": "250m",
    "memory": "96Mi",
    "message": "The 95th percentile of an hour.",
    "percentile": 0.95,
    "window": "1h",
    "samples": 720,
    "at": "2026-11-23T10:00:00Z",
}


def given(stage: Stage, name: str = "rejected") -> Stage:
    scene = SCENES[name]()
    return stage.given(scene.model, *scene.pods[:5])


def test_the_schema_on_disk_is_that_of_the_classes() -> None:
    assert not generated.stale(cli_schema.files())


@pytest.mark.parametrize("name", SCENES)
def test_a_tree_is_as_its_schema_says(stage: Stage, name: str) -> None:
    made = given(stage, name).document("get", "diabetes")
    VALIDATOR.validate(made)
    assert made["kind"] == "Tree"


@pytest.mark.parametrize(("verb", "kind"), READING.items())
def test_each_verb_prints_its_kind_as_the_schema_says(stage: Stage, verb: str, kind: str) -> None:
    model = rejected().model
    model["status"]["recommendation"] = ADVICE
    stage.given(model)
    code, out, _ = stage.run(verb, "diabetes", "-o", "json")
    made = json.loads(out)
    VALIDATOR.validate(made)
    assert (made["kind"], made["apiVersion"]) == (kind, output.API_VERSION)
    assert code == (3 if verb == "status" else 0)


@pytest.mark.parametrize("verb", READING)
def test_yaml_says_the_same_as_json(stage: Stage, verb: str) -> None:
    given(stage)
    _, as_json, _ = stage.run(verb, "diabetes", "-o", "json")
    _, as_yaml, _ = stage.run(verb, "diabetes", "-o", "yaml")
    assert yaml.safe_load(as_yaml) == json.loads(as_json)


@pytest.mark.parametrize("verb", READING)
def test_the_name_is_kubectls(stage: Stage, verb: str) -> None:
    given(stage)
    assert stage.run(verb, "diabetes", "-o", "name")[1] == "modeldeployment.verdigris.dev/diabetes\n"


def test_a_list_is_as_its_schema_says(stage: Stage) -> None:
    made = given(stage).document("list")
    VALIDATOR.validate(made)
    assert [one["name"] for one in made["items"]] == ["diabetes"]
    assert stage.run("list", "-o", "name")[1] == "modeldeployment.verdigris.dev/diabetes\n"


@pytest.mark.parametrize("verb", [["lint", "-f", "-"], ["check", "--pre"]])
def test_lint_and_check_are_as_the_schema_says(stage: Stage, verb: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.read", lambda: "", raising=False)
    _, out, _ = stage.run(*verb, "-o", "json")
    VALIDATOR.validate(json.loads(out))


def test_a_schema_that_is_not_kept_is_noticed() -> None:
    made = {"apiVersion": output.API_VERSION, "kind": "Status", "name": "m", "namespace": "n", "more": 1}
    assert not VALIDATOR.is_valid(made)


@pytest.mark.parametrize(
    "value",
    [
        {"a": "yes", "b": "", "c": "x: y", "d": "- z", "e": [], "f": {}, "g": None, "h": True, "i": 1.5, "j": "1e3"},
        {"list": [{"a": 1, "b": {"c": ["d", {"e": "f"}]}}, {"a": 2}], "text": "two\nlines\t“…”"},
        {"k": ["#", "null", "~", "on", "2026-11-28", "0x1", "a-b_c/d.e"]},
    ],
)
def test_any_document_comes_back_from_yaml(value: dict[str, Any]) -> None:
    assert yaml.safe_load(output.written(value, "yaml")) == value
