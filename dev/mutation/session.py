"""A pytest session that forks once its tests are collected: for what each test reaches, and then for each mutant."""

from __future__ import annotations

import json
import math
import mmap
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from _pytest.runner import runtestprotocol

from dev.mutation.applying import apply, forget, watch
from dev.mutation.mutants import Mutant

Fate = Literal["killed", "timed out", "survived", "not reached"]

GRACE = 5.0
"""Seconds of CPU that a test may take in any case."""

_KILLED, _SURVIVED = 11, 12
_NUMBER = 4
"""Bytes in which a forked process says which test it runs."""


@dataclass(frozen=True)
class Reach:
    """What a test runs of the files in question, as (path, qualified name), and how long it takes (CPU s)."""

    seconds: float
    functions: frozenset[tuple[str, str]]

    def touches(self, mutant: Mutant) -> bool:
        """Whether it runs the function, or anything of the file with the constant: whoever runs that may read it."""
        if mutant.in_function:
            return (mutant.path, mutant.place) in self.functions
        return any(path == mutant.path for path, _ in self.functions)


@dataclass
class Plugin:
    """Instead of running the tests it examines `mutants`. `slowest`: tests of more CPU seconds are left out.

    `paths` are the files that may be looked at. `kept`, if given, is the file that tells, and keeps, what each test
    runs of them; only tests that it does not know are run to learn it.
    With a fault in it a test has `patience` times as long as it takes without, and `GRACE` on top. First come those
    that have noticed another fault of the same function, then the fastest.
    """

    mutants: Sequence[Mutant]
    paths: Sequence[str]
    kept: Path | None
    slowest: float
    tell: Callable[[int, Mutant, Fate], None]
    patience: float = 5.0
    fates: list[tuple[Mutant, Fate]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    noticed_by: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """See the class."""
        reaches = self._reaches(session)
        for number, mutant in enumerate(self.mutants, 1):
            fate = self._fate(session, mutant, reaches)
            self.fates.append((mutant, fate))
            self.tell(number, mutant, fate)
        return True

    def _reaches(self, session: pytest.Session) -> dict[str, Reach]:
        """By test. Raises RuntimeError when one fails without any fault: then nothing could be told."""
        known = json.loads(self.kept.read_text(encoding="utf-8")) if self.kept and self.kept.exists() else {}
        new = [item for item in session.items if item.nodeid not in known]
        with tempfile.NamedTemporaryFile("r", suffix=".json") as told:
            _forked(lambda: _record(new, self.paths, Path(told.name)))
            known |= json.loads(told.read() or "{}")
        recorded = {item.nodeid: known[item.nodeid] for item in session.items if item.nodeid in known}
        failed = [name for name, (_, _, passed) in recorded.items() if not passed]
        if failed or len(recorded) < len(session.items):
            raise RuntimeError(
                f"these tests fail as it is, mend them first: {', '.join(failed) or 'the process ended'}"
            )
        if self.kept:
            self.kept.write_text(json.dumps(known), encoding="utf-8")
        self.left_out = [name for name, (seconds, _, _) in recorded.items() if seconds > self.slowest]
        return {
            name: Reach(seconds, frozenset((path, place) for path, place in functions))
            for name, (seconds, functions, _) in recorded.items()
            if seconds <= self.slowest
        }

    def _fate(self, session: pytest.Session, mutant: Mutant, reaches: dict[str, Reach]) -> Fate:
        chosen = [
            (reaches[item.nodeid].seconds, item)
            for item in session.items
            if item.nodeid in reaches and reaches[item.nodeid].touches(mutant)
        ]
        if not chosen:
            return "not reached"
        told = self.noticed_by[mutant.path, mutant.place]
        chosen.sort(key=lambda one: (one[1].nodeid not in told, one[0]))
        tests = [(item, GRACE + self.patience * seconds) for seconds, item in chosen]
        with mmap.mmap(-1, mmap.PAGESIZE) as shared:
            status = _forked(lambda: _try(tests, mutant, shared))
            under_way = int.from_bytes(shared[:_NUMBER], sys.byteorder)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _SURVIVED:
            return "survived"
        told.add(tests[under_way][0].nodeid)
        return "killed" if os.WIFEXITED(status) else "timed out"


def _forked(work: Callable[[], None]) -> int:
    """What became of a process that did this, with its output thrown away."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        work()
    finally:
        os._exit(_KILLED)


def _record(items: Sequence[pytest.Item], paths: Sequence[str], out: Path) -> None:
    recorded: dict[str, Any] = {}
    reached: set[tuple[str, str]] = set()
    for path in paths:
        watch(path, reached)
    for item in items:
        reached.clear()
        forget()
        began = time.process_time()
        passed = _passes(item)
        recorded[item.nodeid] = (time.process_time() - began, sorted(reached), passed)
    out.write_text(json.dumps(recorded), encoding="utf-8")


def _try(tests: Sequence[tuple[pytest.Item, float]], mutant: Mutant, under_way: mmap.mmap) -> None:
    """Run each test within its seconds of CPU, until one notices; the kernel ends the process that takes longer."""
    apply(mutant)
    forget()
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    for number, (item, seconds) in enumerate(tests):
        under_way[:_NUMBER] = number.to_bytes(_NUMBER, sys.byteorder)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds), most))
        if not _passes(item):
            os._exit(_KILLED)
    os._exit(_SURVIVED)


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in _reports(item))


def _reports(item: pytest.Item) -> Iterator[pytest.TestReport]:
    # The whole protocol would take the turns of `tests/conftest.py`, which are for tests on the cluster.
    yield from runtestprotocol(item, log=False, nextitem=None)
