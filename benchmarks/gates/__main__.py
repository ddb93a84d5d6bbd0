"""`python -m benchmarks.gates` (`make bench-gates`): how often the gates are wrong, on data whose truth is known."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from benchmarks.gates.cells import cells
from benchmarks.gates.report import Found, as_json, beyond, tables
from verdigris_serving.gate.result import Verdict

SEED = 44


def main(argv: Sequence[str] | None = None) -> int:
    """Judge every cell and report; 0 when no gate is wrong more often than promised, else 1."""
    given = _options().parse_args(argv)
    every = list(cells())
    chosen = [number for number, cell in enumerate(every) if given.only in cell.rule]
    if not chosen:
        print(f"No gate has {given.only!r} in its name: leave --only out for all.", file=sys.stderr)
        return 2
    with Pool(given.jobs) as pool:
        counts = pool.imap(partial(examined, runs=given.runs), chosen)
        found = []
        for number, count in zip(chosen, counts, strict=True):
            shares = count[Verdict.PASS], count[Verdict.FAIL], count[Verdict.INCONCLUSIVE]
            found.append(Found(every[number], given.runs, *shares))
            print(
                f"{len(found)} of {len(chosen)}: {every[number].rule}, n {every[number].n}", file=sys.stderr, flush=True
            )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(as_json(found), indent=1) + "\n", encoding="utf-8")
    print("\n".join(tables(found)))
    wrong = [sentence for one in found if (sentence := beyond(one))]
    for sentence in wrong:
        print(f"WRONG {sentence}")
    print(f"{sum(one.runs for one in found):,} data sets, {len(wrong)} cells wrong. {given.out}")
    return 1 if wrong else 0


def examined(number: int, runs: int) -> Counter[Verdict]:
    """The verdicts on one cell, by its number; the same number draws the same data sets."""
    cell = list(cells())[number]
    source = np.random.default_rng([SEED, number])
    return Counter(cell.judged(source) for _ in range(runs))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gates", description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000, help="data sets of each cell (default 2,000)")
    parser.add_argument("--only", default="", help="gates that have this in their name (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--out", type=Path, default=Path("out/bench/gates.json"), help="the report's file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
