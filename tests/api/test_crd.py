"""The CRDs as they lie in crds/: up to date, structural, bounded, and readable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from verdigris.api.schema import crd
from verdigris.children import names
from verdigris.tools import crds, generated

Node = Mapping[str, Any]


def load(resource: crd.Resource) -> dict[str, Any]:
    text = (crds.FOLDER / resource.file).read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def version_of(resource: crd.Resource) -> dict[str, Any]:
    (version,) = load(resource)["spec"]["versions"]
    assert isinstance(version, dict)
    return version


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every schema in a schema, with its path."""
    yield path, node
    for name, member in node.get("properties", {}).items():
        yield from nodes(member, f"{path}.{name}")
    for word, step in (("items", "[]"), ("additionalProperties", ".*")):
        if word in node:
            yield from nodes(node[word], path + step)


SCHEMAS = [
    pytest.param(path, node, id=f"{resource.short_name}{path}")
    for resource in crd.RESOURCES
    for part in ("spec", "status")
    for path, node in nodes(version_of(resource)["schema"]["openAPIV3Schema"]["properties"][part], f".{part}")
]
RULES = [
    pytest.param(rule, id=f"{case.id}-{number}")
    for case in SCHEMAS
    for number, rule in enumerate(case.values[1].get("x-kubernetes-validations", ()))  # type: ignore[union-attr]
]


def test_the_files_are_what_the_models_say() -> None:
    assert generated.stale(crds.files()) == [], "run `python -m verdigris.tools.crds --write`"


def test_check_fails_with_a_sentence_when_a_file_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crds.main(["--write", "--at", str(tmp_path)]) == 0
    assert crds.main(["--check", "--at", str(tmp_path)]) == 0
    (tmp_path / crd.MODEL_DEPLOYMENT.file).write_text("old", encoding="utf-8")
    assert crds.main(["--check", "--at", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said == (
        f"{tmp_path / crd.MODEL_DEPLOYMENT.file}: not what the models say. "
        "Run `python -m verdigris.tools.crds --write`.\n"
    )


@pytest.mark.parametrize(("path", "node"), SCHEMAS)
def test_every_schema_is_structural_and_bounded(path: str, node: Node) -> None:
    assert not {"$ref", "anyOf", "oneOf", "title", "nullable", "pattern"} & set(node), path
    if node.get("x-kubernetes-int-or-string"):
        assert "type" not in node
        assert "maxLength" in node
    elif node["type"] == "string":
        assert "maxLength" in node or "enum" in node, f"{path} is unbounded"
    elif node["type"] == "array":
        assert "maxItems" in node, f"{path} is unbounded"
        assert node["x-kubernetes-list-type"] in {"atomic", "map"}
    elif node["type"] == "object" and "properties" not in node:
        assert "maxProperties" in node or node["x-kubernetes-preserve-unknown-fields"], f"{path} is unbounded"


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_sentence_that_says_what_to_do(rule: Mapping[str, str]) -> None:
    message = rule["message"]
    assert "\n" not in message
    assert len(message.split()) >= 6, message
    assert "match" not in message, "a regex is not advice"


def test_the_schema_knows_every_field_that_a_rule_blames() -> None:
    for resource in crd.RESOURCES:
        for path, node in nodes(version_of(resource)["schema"]["openAPIV3Schema"]):
            for rule in node.get("x-kubernetes-validations", ()):
                assert at(node, rule.get("fieldPath", "")), f"{path}: no {rule['fieldPath']}"


def at(node: Node, path: str) -> Node | None:
    """The schema at a path such as .a.b; None when there is none."""
    found: Node | None = node
    for step in path.split(".")[1:]:
        found = found and found.get("properties", {}).get(step)
    return found


@pytest.mark.parametrize("resource", crd.RESOURCES, ids=lambda resource: resource.kind)
def test_every_column_shows_a_field_that_exists(resource: crd.Resource) -> None:
    version = version_of(resource)
    for column in version["additionalPrinterColumns"]:
        path = re.sub(r"\[.*\]\..*", "", column["jsonPath"])
        assert path.startswith(".metadata.") or at(version["schema"]["openAPIV3Schema"], path), column


def test_the_columns_are_those_of_the_design() -> None:
    columns = {r.kind: [column.name for column in r.columns if not column.wide] for r in crd.RESOURCES}
    assert columns == {
        "ModelDeployment": ["Ready", "Version", "Active", "Candidate", "Weight", "Verdict", "Age"],
        "RolloutDecision": ["Model", "Revision", "Verb", "By", "Outcome", "Age"],
    }


@pytest.mark.parametrize("resource", crd.RESOURCES, ids=lambda resource: resource.kind)
def test_each_has_its_short_name_category_and_status_subresource(resource: crd.Resource) -> None:
    spec = load(resource)["spec"]
    assert spec["names"]["shortNames"] == [resource.short_name]
    assert spec["names"]["categories"] == ["verdigris"]
    assert version_of(resource)["subresources"]["status"] == {}


def test_a_model_is_scaled_where_the_operator_looks_for_it() -> None:
    version = version_of(crd.MODEL_DEPLOYMENT)
    paths = version["subresources"]["scale"]
    assert set(paths) == {"specReplicasPath", "statusReplicasPath", "labelSelectorPath"}
    for path in paths.values():
        assert at(version["schema"]["openAPIV3Schema"], path), path


def test_conditions_are_a_map_by_type() -> None:
    schema = version_of(crd.MODEL_DEPLOYMENT)["schema"]["openAPIV3Schema"]
    conditions = at(schema, ".status.conditions")
    assert conditions
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_the_operator_and_the_crds_name_the_same_group_and_kind() -> None:
    assert (crd.GROUP, crd.VERSION, crd.MODEL_DEPLOYMENT.kind) == (names.GROUP, names.VERSION, names.KIND)
