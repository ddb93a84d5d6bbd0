"""``python -m benchmarks.pack`` (``make bench-pack``): random pipelines packed and asked, and a table by estimator."""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pack import estimators, report, trial


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every packed pipeline answered every row as scikit-learn does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pack", description=__doc__)
    parser.add_argument("--pipelines", type=int, default=2_000, help="random pipelines (default 2000)")
    parser.add_argument("--rows", type=int, default=10_000, help="fresh rows for each (default 10000)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first (default 0)")
    parser.add_argument("--out", type=Path, default=Path("out/bench/pack.json"), help="the report")
    parser.add_argument("--page", type=Path, help="also write the table by estimator as Markdown")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="verdigris-bench-") as name:
        trials, broke = _trials(Path(name), given.first, given.pipelines, given.rows)
        table = list(estimators.lines(Path(name)))
    found = report.document(trials, table, given.rows)
    report.write(found, given.out)
    if given.page:
        given.page.write_text(report.page(table))
    print(
        f"\n{found['pipelines']} pipelines ({found['formats']}), {found['rows']} rows: {found['wrong_labels']} labels "
        f"differ, {found['beyond_tolerance']} rows beyond {trial.TOLERANCE:g}. {given.out}"
    )
    return 1 if found["wrong_labels"] or found["beyond_tolerance"] or broke else 0


def _trials(folder: Path, first: int, count: int, rows: int) -> tuple[list[trial.Trial], list[int]]:
    """As many as there is patience for: Ctrl-C ends them, and what was found is reported. And the seeds that broke."""
    done: list[trial.Trial] = []
    broke: list[int] = []
    began = time.monotonic()
    for seed in range(first, first + count):
        try:
            found = trial.run(seed, folder, rows)
        except KeyboardInterrupt:
            break
        except Exception:  # a traceback is a fault of packing's, and the others are still of interest
            print(f"\nseed {seed} ended in a traceback:")
            traceback.print_exc()
            broke.append(seed)
            continue
        done.append(found)
        if found.wrong_labels or found.beyond_tolerance:
            print(f"\nseed {seed}: {found.wrong_labels} labels, {found.beyond_tolerance} beyond: {found.name}")
        left = (time.monotonic() - began) / len(done) * (count - len(done))
        faults = sum(each.wrong_labels + each.beyond_tolerance for each in done)
        print(f"\r{len(done)} of {count} pipelines, {faults} faults, {left:.0f} s left ", end="", flush=True)
    return done, broke


if __name__ == "__main__":
    sys.exit(main())
