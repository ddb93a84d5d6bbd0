"""Prometheus' own tester of rules, as these tests use it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.cluster.patience import stretched
from dev.cluster.settings import from_environment
from dev.cluster.toolchain import Toolchain
from verdigris.children.alerts.rule import Group

Series = Mapping[str, str]
"""Values of series as promtool writes them (`0+10x20`: 0, 10, 20, …), by the series' names with labels."""
Firing = Mapping[str, int]
"""How many alerts fire, by `name/severity`."""

EVERY = "15s"
"""Between two values of a series, and between two evaluations."""


class Refused(AssertionError):
    """promtool says no; the text is all it says."""


@dataclass(frozen=True)
class Promtool:
    """One promtool program, and a folder for its files."""

    program: Path
    folder: Path

    def check(self, groups: Sequence[Group]) -> str:
        """What it says of rules that are sound. Raises Refused for others."""
        return self._run("check", "rules", "--lint=all", "--lint-fatal", self._rules(groups))

    def fires(self, groups: Sequence[Group], series: Series, at: Mapping[str, Firing]) -> None:
        """Raises Refused unless exactly these alerts fire at those times."""
        query = 'count by (alertname, severity) (ALERTS{alertstate="firing"})'
        expected = [
            {"expr": query, "eval_time": time, "exp_samples": [_sample(*entry) for entry in firing.items()]}
            for time, firing in at.items()
        ]
        self._test(groups, {"input_series": _written(series), "promql_expr_test": expected})

    def says(self, groups: Sequence[Group], series: Series, at: str, alert: str, expected: Mapping[str, Any]) -> None:
        """Raises Refused unless this alert fires once at that time, with these labels and annotations."""
        test = {"eval_time": at, "alertname": alert, "exp_alerts": [expected]}
        self._test(groups, {"input_series": _written(series), "alert_rule_test": [test]})

    def _test(self, groups: Sequence[Group], test: Mapping[str, Any]) -> None:
        rules = self._rules(groups)
        # JSON is YAML.
        whole = {"rule_files": [str(rules)], "evaluation_interval": EVERY, "tests": [{"interval": EVERY, **test}]}
        file = self.folder / "test.yaml"
        file.write_text(json.dumps(whole))
        self._run("test", "rules", file)

    def _rules(self, groups: Sequence[Group]) -> Path:
        file = self.folder / "rules.yaml"
        file.write_text(json.dumps({"groups": [group.entry("https://example.com/runbooks") for group in groups]}))
        return file

    def _run(self, *words: str | Path) -> str:
        done = subprocess.run(
            [self.program, *words], capture_output=True, text=True, timeout=stretched(120), check=False
        )
        if done.returncode != 0:
            raise Refused(done.stdout + done.stderr)
        return done.stdout


def find() -> Path:
    """The pinned promtool from the cluster's cache, else the machine's own, else one compiled now."""
    toolchain = Toolchain(from_environment())
    on_path = shutil.which("promtool")
    return Path(on_path) if on_path and not toolchain.cached("promtool").exists() else toolchain.path("promtool")


def _written(series: Series) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in series.items()]


def _sample(alert: str, count: int) -> dict[str, Any]:
    name, _, severity = alert.partition("/")
    return {"labels": f'{{alertname="{name}",severity="{severity}"}}', "value": count}
