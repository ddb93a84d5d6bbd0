"""values.yaml and its schema agree, and a wrong value is refused by name and in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart.helm import CHART, Helm, Refused
from verdigris.tools import chart_readme

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def leaves(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(dotted path, schema) of every value that the schema knows."""
    for key, part in schema.get("properties", {}).items():
        if part.get("properties"):
            yield from leaves(part, f"{path}{key}.")
        else:
            yield f"{path}{key}", part


def lookup(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object schema with named properties."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for part in schema.values():
            yield from objects(part)


def test_the_defaults_satisfy_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


def test_every_value_of_the_schema_has_a_default_and_a_description() -> None:
    for path, part in leaves(SCHEMA):
        assert part["description"], path
        if path != "global":
            lookup(VALUES, path)


def test_the_schema_lets_no_unknown_name_pass() -> None:
    for part in objects(SCHEMA):
        assert part["additionalProperties"] is False


def test_the_readme_lists_every_value_with_its_default(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert chart_readme.main(["--check"]) == 0
    table = chart_readme.table(CHART)
    assert [path for path, _ in leaves(SCHEMA) if path != "global" and f"| `{path}` |" not in table] == []
    assert '| `lease.duration` | `"15s"` |' in table

    copy = tmp_path / "verdigris"
    shutil.copytree(CHART, copy)
    values = copy / "values.yaml"
    values.write_text(values.read_text().replace("duration: 15s", "duration: 16s"))
    assert chart_readme.main(["--check", "--at", str(copy)]) == 1
    assert "Run `python -m verdigris.tools.chart_readme --write`" in capsys.readouterr().err
    assert chart_readme.main(["--write", "--at", str(copy)]) == 0
    assert chart_readme.main(["--check", "--at", str(copy)]) == 0


def test_a_readme_without_a_place_for_the_table_is_told(tmp_path: Path) -> None:
    copy = tmp_path / "verdigris"
    shutil.copytree(CHART, copy)
    (copy / "README.md").write_text("# The chart")
    with pytest.raises(ValueError, match="put these two lines there"):
        chart_readme.files(copy)


def test_every_block_of_values_is_explained_where_it_stands() -> None:
    for block in (CHART / "values.yaml").read_text().split("\n\n"):
        assert "# " in block, block


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replica": 3}, ["replica", "not allowed"]),
        ({"image": {"name": "x"}}, ["/image", "name", "not allowed"]),
        ({"replicas": 0}, ["/replicas", "minimum"]),
        ({"replicas": "two"}, ["/replicas", "want integer"]),
        ({"image": {"pullPolicy": "Sometimes"}}, ["/image/pullPolicy", "Always", "IfNotPresent", "Never"]),
        ({"logLevel": "loud"}, ["/logLevel", "debug", "warning"]),
        ({"watchNamespaces": "clinic"}, ["/watchNamespaces", "want array"]),
        ({"networkPolicy": {"apiServerPorts": [0]}}, ["/networkPolicy/apiServerPorts/0", "minimum"]),
        ({"networkPolicy": {"apiServerPorts": []}}, ["/networkPolicy/apiServerPorts", "minItems"]),
        ({"crds": {"install": "yes"}}, ["/crds/install", "want boolean"]),
        (
            {"prometheus": {"allowedAddresses": ["team-a:9090"]}},
            ["prometheus.allowedAddresses names 'team-a:9090'", "base URLs"],
        ),
        ({"prometheus": {"address": "prometheus:9090"}}, ["prometheus.address is 'prometheus:9090'", "base URL"]),
        ({"resyncInterval": "often"}, ["resyncInterval is 'often'", "for example 10m"]),
        ({"image": {"digest": "latest"}}, ["image.digest is 'latest'", "64 hex digits"]),
        ({"watchNamespaces": ["team-*"]}, ["watchNamespaces names 'team-*'", "without patterns"]),
        ({"workers": 0}, ["/workers", "minimum"]),
        ({"lease": {"duration": 15}}, ["/lease/duration", "want string"]),
        ({"extraEnv": [{"name": "VERDIGRIS_PORT", "value": "1"}]}, ["extraEnv names 'VERDIGRIS_PORT'", "other values"]),
        ({"fullnameOverride": "x" * 41}, ["/fullnameOverride", "maxLength"]),
        ({"fullnameOverride": "My_Name"}, ["all objects would be named 'My_Name'", "lower-case letters"]),
        ({"fullnameOverride": "1st"}, ["all objects would be named '1st'", "beginning with a letter"]),
        ({"lease": {"duration": "soon"}}, ["lease.duration is 'soon'", "for example 15s"]),
        ({"lease": {"retryPeriod": "0s"}}, ["lease.retryPeriod is '0s'", "above zero"]),
        ({"lease": {"duration": "5s"}}, ["lease.duration is 5s", "retryPeriod < renewDeadline < duration"]),
        ({"extraEnv": [{"name": "A"}, {"name": "A", "value": "1"}]}, ["extraEnv names 'A' twice"]),
        (
            {"extraEnv": [{"name": "A", "value": "1", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
            ["extraEnv gives 'A' a value and a valueFrom"],
        ),
        (
            {"commonLabels": {"app.kubernetes.io/name": "models"}},
            ["commonLabels names 'app.kubernetes.io/name', which the chart sets"],
        ),
        (
            {"serviceMonitor": {"labels": {"app.kubernetes.io/component": "models"}}},
            ["serviceMonitor.labels names 'app.kubernetes.io/component', which the chart sets"],
        ),
        (
            {"podAnnotations": {"kubectl.kubernetes.io/default-container": "proxy"}},
            ["podAnnotations names 'kubectl.kubernetes.io/default-container', which the chart sets"],
        ),
        ({"requiredGates": {"from": "staging'"}}, ["/requiredGates/from", "does not match pattern"]),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_in_words(helm: Helm, values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(Refused) as refusal:
        helm.render(values)
    for word in words:
        assert word in str(refusal.value)
