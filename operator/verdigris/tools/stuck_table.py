"""docs/stuck-pods.md, made from the checks. `python -m verdigris.tools.stuck_table --write` (or `--check`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from verdigris.core.pods.diagnosis.chain import CHAIN

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


def is_stale(file: Path = FILE) -> bool:
    """Whether the file is missing, or differs from what the checks say now."""
    return not file.is_file() or file.read_text(encoding="utf-8") != render()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or check it: 0 when it is up to date, 1 and a sentence when it is not."""
    parser = argparse.ArgumentParser(prog="python -m verdigris.tools.stuck_table", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the table")
    action.add_argument("--check", action="store_true", help="fail when the table is not what the checks say")
    parser.add_argument("--file", type=Path, default=FILE, help="where it is (default: docs/stuck-pods.md)")
    options = parser.parse_args(arguments)
    if options.write:
        options.file.write_text(render(), encoding="utf-8")
    elif is_stale(options.file):
        print(
            f"{options.file}: not what the checks say. Run `python -m verdigris.tools.stuck_table --write`.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
