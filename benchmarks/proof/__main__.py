"""`python -m benchmarks.proof` (`make proof`): ten thousand rollouts of each kind, given to the operator's judge."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from benchmarks.proof.cells import Cell, Found, cells, examine
from benchmarks.proof.picture import draw
from benchmarks.proof.report import as_json, named, tables, wrong


def main(argv: Sequence[str] | None = None) -> int:
    """Examine every cell and report; 0 when all that is promised was kept, else 1."""
    given = _options().parse_args(argv)
    chosen = [cell for cell in cells() if given.only in cell.kind]
    if not chosen:
        print(f"No kind of rollout has {given.only!r} in its name: leave --only out for all.", file=sys.stderr)
        return 2
    found: list[Found] = []
    with Pool(given.jobs) as pool:
        work = partial(_examined, runs=given.runs, compared=given.compare)
        for done, one in enumerate(pool.imap(work, chosen), 1):
            found.append(one)
            for sentence in wrong(one):
                print(f"WRONG {named(one.cell)}: {sentence}", flush=True)
            if not done % 50 or done == len(chosen):
                print(f"{done} of {len(chosen)} kinds of rollout", file=sys.stderr, flush=True)
    report = as_json(found)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    draw(found, given.out)
    print(tables(found))
    told = f"{report['rollouts']:,} rollouts, {report['compared']:,} of them by the operator's own code"
    print(f"\n{told}: {len(report['wrong'])} wrong. {given.out / 'report.json'}")
    return 1 if report["wrong"] else 0


def _examined(cell: Cell, runs: int, compared: int) -> Found:
    # A day's bake takes the operator's code seconds for each rollout.
    return examine(cell, runs, min(compared, max(1, compared * 60 // cell.setting.looks)))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proof", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="rollouts of each kind (default 10,000)")
    parser.add_argument("--compare", type=int, default=20, help="of those, by the operator's own code (default 20)")
    parser.add_argument("--only", default="", help="kinds that have this in their name (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--out", type=Path, default=Path("out/proof"), help="folder of the report")
    return parser


if __name__ == "__main__":
    sys.exit(main())
