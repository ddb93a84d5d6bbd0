"""A pytest session that forks once its tests are collected: for what each test reaches, and then for each mutant."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import pytest
from _pytest.runner import runtestprotocol

from dev.mutation.applying import apply
from dev.mutation.mutants import Mutant

Fate = Literal["killed", "timed out", "survived", "not reached"]

_KILLED, _SURVIVED = 11, 12


@dataclass(frozen=True)
class Reach:
    """What a test runs of the files in question, as (path, first line of a function), and how long it takes (CPU s)."""

    seconds: float
    functions: frozenset[tuple[str, int]]


@dataclass
class Plugin:
    """Instead of running the tests it examines `mutants`. `slowest`: tests of more CPU seconds are left out.

    A mutant's tests, the fastest first, have `patience` times as long as they take without it, and 10 s on top.
    """

    mutants: Sequence[Mutant]
    lines: dict[tuple[str, str], tuple[int, int]]
    slowest: float
    tell: Callable[[int, Mutant, Fate], None]
    patience: float = 5.0
    fates: list[tuple[Mutant, Fate]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

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
        files = {os.path.abspath(mutant.path): mutant.path for mutant in self.mutants}
        with tempfile.NamedTemporaryFile("r", suffix=".json") as told:
            _forked(lambda: _record(session.items, files, Path(told.name)))
            recorded = json.load(told)
        failed = [name for name, (_, _, passed) in recorded.items() if not passed]
        if failed or len(recorded) < len(session.items):
            raise RuntimeError(
                f"these tests fail as it is, mend them first: {', '.join(failed) or 'the process ended'}"
            )
        self.left_out = [name for name, (seconds, _, _) in recorded.items() if seconds > self.slowest]
        return {
            name: Reach(seconds, frozenset((path, line) for path, line in functions))
            for name, (seconds, functions, _) in recorded.items()
            if seconds <= self.slowest
        }

    def _fate(self, session: pytest.Session, mutant: Mutant, reaches: dict[str, Reach]) -> Fate:
        first, last = self.lines[mutant.path, mutant.place]
        chosen = [
            (reaches[item.nodeid].seconds, item)
            for item in session.items
            if item.nodeid in reaches and _touches(reaches[item.nodeid], mutant.path, first, last)
        ]
        if not chosen:
            return "not reached"
        chosen.sort(key=lambda one: one[0])
        limit = 10 + self.patience * sum(seconds for seconds, _ in chosen)
        status = _forked(lambda: _try([item for _, item in chosen], mutant, limit))
        if os.WIFEXITED(status):
            return "survived" if os.WEXITSTATUS(status) == _SURVIVED else "killed"
        return "timed out"


def _touches(reach: Reach, path: str, first: int, last: int) -> bool:
    return any(where == path and first <= line <= last for where, line in reach.functions)


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


def _record(items: Sequence[pytest.Item], files: dict[str, str], out: Path) -> None:
    recorded: dict[str, Any] = {}
    for item in items:
        seen: set[tuple[str, int]] = set()

        def notice(frame: FrameType, event: str, _: object, seen: set[tuple[str, int]] = seen) -> None:
            if event == "call" and (path := files.get(frame.f_code.co_filename)) is not None:
                seen.add((path, frame.f_code.co_firstlineno))

        began = time.process_time()
        sys.setprofile(notice)
        passed = _passes(item)
        sys.setprofile(None)
        recorded[item.nodeid] = (time.process_time() - began, sorted(seen), passed)
    out.write_text(json.dumps(recorded), encoding="utf-8")


def _try(items: Sequence[pytest.Item], mutant: Mutant, limit: float) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + limit) + 1,) * 2)
    apply(mutant)
    for item in items:
        if not _passes(item):
            os._exit(_KILLED)
    os._exit(_SURVIVED)


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in _reports(item))


def _reports(item: pytest.Item) -> Iterator[pytest.TestReport]:
    # The whole protocol would take the turns of `tests/conftest.py`, which are for tests on the cluster.
    yield from runtestprotocol(item, log=False, nextitem=None)
