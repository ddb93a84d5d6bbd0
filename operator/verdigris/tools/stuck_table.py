"""docs/stuck-pods.md, made from the checks. `python -m verdigris.tools.stuck_table --write` (or `--check`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from verdigris.core.pods.diagnosis.chain import CHAIN
from verdigris.tools import generated

FILE = Path(__file__).resolve().parents[3] / "docs" / "stuck-pods.md"

_HEAD = """\
<!-- Made by `python -m verdigris.tools.stuck_table --write` from operator/verdigris/core/pods/diagnosis: change it \
there. -->
# Stuck pods

The operator looks at each pod of a model by the checks below, from top to bottom; the first that says something wins.
What it says is in `status.stuck`: the kind, a reason, a sentence, and what is or would be done. The times are those of
`spec.cleanup`: a state that usually passes counts after `stuckAfter`, one that no fresh start heals after
`giveUpAfter`.

"Evicted" is by the Eviction API, so PodDisruptionBudgets hold. Whatever is removed is removed by its UID, within
`budget` and `nodeBudget` per `window`, never the last ready pod; nothing is with `enabled: false` or `dryRun: true`.

| kind | how it is recognised | what is done | what you should do |
|---|---|---|---|
"""
_TAIL = """
`QuotaExceeded` is of no pod, as there is none yet: the Deployment's ReplicaSet is refused. It is told from the
ResourceQuota itself and from the condition ReplicaFailure, before traffic moves.
"""


def render() -> str:
    """The text of the file."""
    rows = (f"| {c.kind} | {c.recognised} | {c.done} | {c.advice} |\n" for c in CHAIN)
    return _HEAD + "".join(rows) + _TAIL


def files(file: Path | None = None) -> dict[Path, str]:
    """The table in its place, or in this one."""
    return {file or FILE: render()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or check it."""
    return generated.main("verdigris.tools.stuck_table", __doc__, "the checks say", files, arguments)


if __name__ == "__main__":
    sys.exit(main())
