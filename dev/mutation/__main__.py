"""`python -m dev.mutation` (`make mutate`): which faults in the core's decisions would no test notice?"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from dev.mutation.mutants import Mutant, mutants_of
from dev.mutation.session import Fate, Plugin

CORE = Path("operator/verdigris/core")
TARGETS = ("routing", "judges", "steps")
TESTS = ("tests/judge", "tests/rollout", "tests/evidence")
WANTED = 0.85
_CAUGHT = ("killed", "timed out")


def main(argv: Sequence[str] | None = None) -> int:
    """Examine a sample, or all; 0 when enough of them are noticed."""
    given = _options().parse_args(argv)
    files = [path for target in given.target or TARGETS for path in sorted((CORE / target).glob("*.py"))]
    files = [path for path in files if given.only in path.name]
    every = [mutant for path in files for mutant in mutants_of(path)]
    chosen = every if given.all else random.Random(given.seed).sample(every, min(given.sample, len(every)))
    print(f"{len(chosen)} of {len(every)} faults, seed {given.seed}", flush=True)
    paths = [str(path) for target in TARGETS for path in sorted((CORE / target).glob("*.py"))]
    plugin = Plugin(chosen, paths, given.reach, given.slowest, lambda *told: _tell(len(chosen), *told))
    wanted = ["-qq", "-n", "0", "-p", "no:cacheprovider", "-m", "not cluster and not lifecycle and not thorough"]
    pytest.main([*wanted, *(given.tests or TESTS)], plugins=[plugin])
    if len(plugin.fates) < len(chosen):
        print("The tests could not be collected, or fail as they are: run them first.", file=sys.stderr)
        return 2
    return _report(plugin, len(every), given)


def _tell(total: int, number: int, mutant: Mutant, fate: Fate) -> None:
    if fate not in _CAUGHT:
        print(f"{fate}: {mutant}", flush=True)
    if not number % 25:
        print(f"{number} of {total}", file=sys.stderr, flush=True)


def _report(plugin: Plugin, every: int, given: argparse.Namespace) -> int:
    by_file: dict[str, Counter[str]] = defaultdict(Counter)
    by_folder: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, fate in plugin.fates:
        by_file[mutant.path][fate] += 1
        by_folder[Path(mutant.path).parent.name][fate] += 1
    share = sum(_caught(count) for count in by_file.values()) / len(plugin.fates)
    report = {
        "faults": every,
        "examined": len(plugin.fates),
        "seed": given.seed,
        "noticed": round(share, 4),
        "folders": {folder: dict(count) for folder, count in sorted(by_folder.items())},
        "files": {path: dict(count) for path, count in sorted(by_file.items())},
        "left": [str(mutant) for mutant, fate in plugin.fates if fate not in _CAUGHT],
        "slow_tests_left_out": plugin.left_out,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for path, count in sorted(by_file.items()):
        print(f"{_caught(count):4} of {count.total():4}  {Path(path).relative_to(CORE)}")
    for folder, count in sorted(by_folder.items()):
        print(f"{_caught(count):4} of {count.total():4}  {folder}: {_caught(count) / count.total():.1%}")
    print(f"{share:.1%} of {len(plugin.fates)} faults are noticed, {WANTED:.0%} are wanted. {given.out}")
    return 0 if share >= WANTED else 1


def _caught(count: Counter[str]) -> int:
    return sum(count[fate] for fate in _CAUGHT)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=200, help="faults to examine (default 200)")
    parser.add_argument("--all", action="store_true", help="every one of them")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="folder of the core (default: all three)")
    parser.add_argument("--only", default="", help="files that have this in their name (default: all)")
    parser.add_argument("--slowest", type=float, default=1.5, help="leave out tests of more CPU seconds (default 1.5)")
    parser.add_argument("--reach", type=Path, help="keep here what each test runs, and learn it of new tests only")
    parser.add_argument("--out", type=Path, default=Path("out/mutation/report.json"), help="the report")
    parser.add_argument("tests", nargs="*", help=f"files or folders of tests (default: {' '.join(TESTS)})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
