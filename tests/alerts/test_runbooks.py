"""Every alert has its page, and a page says only what is true: commands that parse, and names that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from dev.cluster import Cluster
from tests.alerts.exposition import asked, names
from tests.alerts.samples import OPERATOR, rules
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.children.alerts.rule import RUNBOOKS, Record, alerts
from verdigris.cli.parser import parser

REPOSITORY = Path(__file__).parents[2]
VALUES = yaml.safe_load((REPOSITORY / "charts" / "verdigris" / "values.yaml").read_text(encoding="utf-8"))
GROUPS = (*rules(slo=99.9), *OPERATOR)
ALERTS = alerts(GROUPS)
EXPRESSIONS = [rule.expr for group in GROUPS for rule in group.rules]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / RUNBOOKS).glob("*.md"))}
HEADINGS = ["What it means", "Look here", "Do this"]

each_page = pytest.mark.parametrize("text", PAGES.values(), ids=PAGES.keys())


def blocks(text: str, language: str) -> Iterator[str]:
    """The lines of all code blocks in this language."""
    for block in re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL):
        yield from (line.strip() for line in block.splitlines() if line.strip())


def commands(text: str) -> list[list[str]]:
    """The commands of a page as words, about the model clinic/diabetes."""
    inline = re.findall(r"`(kubectl [^`]+)`", text)
    lines = [*blocks(text, "sh"), *inline]
    return [shlex.split(line.replace("NAMESPACE", "clinic").replace("NAME", "diabetes")) for line in lines]


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert set(PAGES) == {alert.name for alert in ALERTS}


def test_every_alert_says_how_bad_it_is_and_what_is_the_matter() -> None:
    for alert in ALERTS:
        entry = alert.entry("")
        assert entry["labels"]["severity"] in ("critical", "warning"), alert.name
        assert entry["annotations"]["runbook_url"] == f"{RUNBOOKS}/{alert.name}.md"
        assert entry["annotations"]["summary"].endswith((".", "{{ end }}")), alert.name


def test_a_page_is_linked_where_the_pages_are_published() -> None:
    entry = ALERTS[0].entry("https://example.com/runbooks/")
    assert entry["annotations"]["runbook_url"] == f"https://example.com/runbooks/{ALERTS[0].name}.md"


def test_every_metric_that_an_alert_asks_for_exists() -> None:
    assert {metric for expr in EXPRESSIONS for metric in asked(expr)} <= names()
    assert all(asked(expr) for expr in EXPRESSIONS)
    assert any(isinstance(rule, Record) for group in GROUPS for rule in group.rules)


@each_page
def test_a_page_has_all_its_parts(text: str) -> None:
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == HEADINGS
    assert len(list(blocks(text, "sh"))) >= 2


@each_page
def test_the_severity_on_a_page_is_the_alerts(text: str) -> None:
    name = re.findall(r"^# (\w+)$", text, flags=re.MULTILINE)[0]
    told = re.findall(r"^Severity: (.+?)\. ", text, flags=re.MULTILINE)[0]
    assert {alert.severity for alert in ALERTS if alert.name == name} == set(re.findall("critical|warning", told))


@each_page
def test_its_commands_of_the_plugin_are_understood(text: str) -> None:
    ours = [words[2:] for words in commands(text) if words[:2] == ["kubectl", "verdigris"]]
    assert ours
    for words in ours:
        parser().parse_args(words)


@each_page
def test_its_queries_ask_for_what_exists(text: str) -> None:
    queries = list(blocks(text, "promql"))
    assert queries
    assert {metric for query in queries for metric in asked(query)} <= names()


@each_page
def test_the_fields_and_values_that_it_names_exist(text: str) -> None:
    for path in re.findall(r"`(spec\.[\w.]+)", text):
        assert has_field(ModelDeploymentSpec, path.split(".")[1:]), path
    for path in re.findall(r"`((?:monitoring|lease|networkPolicy|prometheus|serviceMonitor)\.[\w.]+)`", text):
        value: Any = VALUES
        for part in path.split("."):
            assert part in value, path
            value = value[part]


def has_field(model: Any, path: list[str]) -> bool:
    """Whether the model has this field, by its names in manifests."""
    if not path:
        return True
    models = [one for one in (model, *get_args(model)) if isinstance(one, type) and issubclass(one, BaseModel)]
    if not models:
        return True  # a map with keys of the user's
    fields = {field.alias or name: field for one in models for name, field in one.model_fields.items()}
    return path[0] in fields and (len(path) == 1 or has_field(fields[path[0]].annotation, path[1:]))


@pytest.mark.cluster
def test_kubectl_itself_understands_the_others(cluster: Cluster) -> None:
    """Asked about no cluster at all: what it does not understand it says before it looks for one."""
    others = {tuple(words[1:]) for text in PAGES.values() for words in commands(text) if words[1] != "verdigris"}
    assert len(others) > 10
    for words in sorted(others):
        said = subprocess.run(
            [cluster.tool("kubectl"), "--server=http://127.0.0.1:1", *words],
            capture_output=True,
            text=True,
            env={"HOME": "/nonexistent"},
            timeout=60,
            check=False,
        ).stderr
        assert "refused" in said, (words, said)
