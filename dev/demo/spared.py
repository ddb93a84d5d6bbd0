"""What clients were spared: faults of the version on trial that the active pods answered, as those pods count them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from dev.demo.kube import Kube

EVERY = 0.5
"""Seconds between two readings."""
PORT = 8080
"""Of a serving pod: where it answers, and shows its metrics."""

_SPARED = re.compile(r'^verdigris_spared_total\{active="answered",revision="([^"]+)"\} ([0-9.e+]+)$', re.MULTILINE)


def spared_in(metrics: str, revision: str) -> float:
    """The faults of this revision that a pod answered, by what it shows to Prometheus; 0 when it has none."""
    return sum(float(value) for found, value in _SPARED.findall(metrics) if found == revision)


@dataclass
class Spared:
    """Reads it from the pods again and again while an act goes on: `read` often."""

    kube: Kube
    model: str
    samples: list[tuple[float, float]] = field(default_factory=list)
    """(unix seconds, total since the trial began), oldest first."""

    def read(self, active: str, revision: str) -> None:
        """Ask the pods of the active revision, unless they were asked just now."""
        if self.samples and time.time() < self.samples[-1][0] + EVERY:
            return
        names = self.kube.run(
            "get", "pods", "-l", f"verdigris.dev/model={self.model},verdigris.dev/revision={active}", "-o", "name"
        ).split()
        total = sum(spared_in(self.kube.metrics(name.removeprefix("pod/"), PORT), revision) for name in names)
        self.samples.append((time.time(), total))

    @property
    def total(self) -> int:
        """All of it, as far as it was read."""
        return round(self.samples[-1][1]) if self.samples else 0
