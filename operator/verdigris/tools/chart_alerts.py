"""The chart's alerts about the operator. `python -m verdigris.tools.chart_alerts --write` (or `--check`).

What only an installation knows stands there as a word between two @, which the chart replaces.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from verdigris.children.alerts.of_operator import Limits, of_operator
from verdigris.children.alerts.rule import Group
from verdigris.tools import generated

FILE = Path(__file__).resolve().parents[3] / "charts" / "verdigris" / "files" / "alerts.yaml"
RUNBOOKS = "@runbooks@"
_HEAD = """\
# Made by `python -m verdigris.tools.chart_alerts --write` from operator/verdigris/children/alerts: change it there.
"""


def group() -> Group:
    """The group, with the words that the chart replaces."""
    limits = Limits(evidence_stale="@evidenceStaleSeconds@", held="@heldSeconds@", stuck_for="@stuckFor@")
    return of_operator("@namespace@", "@service@", limits)


def files(file: Path | None = None) -> Mapping[Path, str]:
    """The group in its place, or in this one."""
    text = yaml.safe_dump([group().entry(RUNBOOKS)], sort_keys=False, width=110, allow_unicode=True)
    return {file or FILE: _HEAD + text}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or check it."""
    return generated.main("verdigris.tools.chart_alerts", __doc__, "the alerts say", files, arguments)


if __name__ == "__main__":
    sys.exit(main())
