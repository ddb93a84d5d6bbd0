"""What an alert is, and how it is written into a PrometheusRule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from verdigris.children.meta import Manifest

Severity = Literal["critical", "warning", "info"]
"""critical: clients are hurt now, wake somebody. warning: look today. info: something has happened."""

RUNBOOKS = "docs/runbooks"
"""Where an alert's page is, when nobody has said under which URL the pages are published."""


@dataclass(frozen=True)
class Alert:
    """One alert. `summary` is a sentence with the numbers, in Prometheus' templates; the page of its name says more.

    `hold` is how long `expr` has to be true first, `keep` how long it has to be false before the alert is over: without
    it a value that wavers around its limit would tell people again and again. Both as Prometheus writes durations.
    """

    name: str
    expr: str
    severity: Severity
    summary: str
    hold: str = "0s"
    keep: str = "0s"
    labels: Mapping[str, str] = field(default_factory=dict)

    def entry(self, runbooks: str) -> Manifest:
        """It as an entry of a rule group. `runbooks` is the URL under which the pages are; empty: their folder."""
        written: Manifest = {"alert": self.name, "expr": self.expr}
        if self.hold != "0s":
            written["for"] = self.hold
        if self.keep != "0s":
            written["keep_firing_for"] = self.keep
        page = f"{runbooks.rstrip('/') or RUNBOOKS}/{self.name}.md"
        return {
            **written,
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {"summary": self.summary, "runbook_url": page},
        }


@dataclass(frozen=True)
class Record:
    """A series that Prometheus computes at each evaluation, so that long windows read one series and not all pods'."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def entry(self) -> Manifest:
        """It as an entry of a rule group."""
        return {"record": self.name, "expr": self.expr, **({"labels": dict(self.labels)} if self.labels else {})}


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated together, one after the other, every `interval` (empty: as Prometheus is configured)."""

    name: str
    rules: Sequence[Alert | Record]
    interval: str = ""

    def entry(self, runbooks: str) -> Manifest:
        """It as an entry of a PrometheusRule's spec."""
        every = {"interval": self.interval} if self.interval else {}
        rules = [rule.entry(runbooks) if isinstance(rule, Alert) else rule.entry() for rule in self.rules]
        return {"name": self.name, **every, "rules": rules}


def alerts(groups: Sequence[Group]) -> list[Alert]:
    """The alerts among their rules, in order."""
    return [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]
