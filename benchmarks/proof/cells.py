"""The cells of the proof, and what is found in each: how often the judge is wrong, and whether the copy is right."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.proof.faults import FAULTS, View
from benchmarks.proof.history import History, Setting, happened
from benchmarks.proof.many import Bools, Held, Ints, Judged, claims, enough, frozen, judged
from benchmarks.proof.one import POLICY, Watcher

FALSE_MOST, MISSED_MOST = 0.01, 0.10
TOLD_BY = 100
"""The share of fewer claims that were wrong says nothing."""

_CHUNK = 2500
_FRESH = 2
"""A pod whose newest sample is so many scrapes old is still seen (`VISIBLE_SCRAPES`, looking just after a scrape)."""


@dataclass(frozen=True)
class Cell:
    """Rollouts of one kind, under one fault. The candidate fails `ratio` times as often as the active version.

    `promised`: the bars are held. Errors in clumps are no independent trials, so their figures are told, not promised.
    """

    fault: str
    setting: Setting
    ratio: float
    title: str = ""
    promised: bool = True

    @property
    def kind(self) -> str:
        """What it is listed under."""
        return self.title or self.fault


@dataclass(frozen=True)
class Found:
    """What was found in a cell. Shares are of `runs`, but `missed`, which is of the `claimed`.

    `failed`: taken back. `passed`: would be promoted at the end of the bake; the rest is held. `claimed`: had so
    many requests that a pass says it would have found a candidate that bad; `missed`: of those, not taken back; None of
    too few. `compared` rollouts went through the operator's own code besides, and `agreed` of them came out the same.
    """

    cell: Cell
    runs: int
    failed: float
    passed: float
    claimed: int
    missed: float | None
    compared: int
    agreed: int

    @property
    def otherwise(self) -> str | None:
        """Whether the operator's own code comes to something else, as a sentence."""
        differ = self.compared - self.agreed
        return f"{differ} of {self.compared} rollouts come out otherwise by the operator's code" if differ else None

    @property
    def beyond(self) -> str | None:
        """Which bar it misses, if any, as a sentence."""
        if self.cell.ratio == 1 and self.failed > FALSE_MOST:
            return f"{self.failed:.1%} of healthy rollouts are taken back, more than {FALSE_MOST:.0%}"
        if self.missed is not None and self.missed > MISSED_MOST:
            return f"{self.missed:.1%} of what a pass claims to see is missed, more than {MISSED_MOST:.0%}"
        return None


BASELINES = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05)
TRAFFIC = (1.0, 10.0, 100.0, 1000.0)
RATIOS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 50.0)


def cells() -> Iterator[Cell]:
    """All of them: the whole grid with nothing wrong, a coarser one of each fault, and settings that are hard."""
    yield from _grid("nothing", BASELINES, TRAFFIC, RATIOS)
    few = (0.0001, 0.01, 0.05), (1.0, 30.0, 1000.0), (1.0, 3.0, 50.0)
    for fault in FAULTS:
        if fault != "nothing":
            yield from _grid(fault, *few)
    for cell in _grid("nothing", *few):
        yield replace(cell, title="requests in a burst", setting=replace(cell.setting, burst=True))
    for cell in _grid("nothing", (POLICY.error_rate.floor,), few[1], few[2]):
        # Nothing of the active version failed; the candidate is held against the floor.
        yield replace(cell, title="a baseline of no errors", setting=replace(cell.setting, baseline=0.0))
    for cell in _grid("nothing", few[0], (10 / 3600,), few[2]):
        yield replace(cell, title="10 requests an hour, a bake of a day", setting=_slow(cell.setting))
    for clump in (2.0, 5.0):
        for cell in _grid("nothing", *few):
            setting = replace(cell.setting, clump=clump)
            yield replace(cell, title=f"errors in clumps of {clump:g}", setting=setting, promised=False)


def _grid(
    fault: str, baselines: tuple[float, ...], traffic: tuple[float, ...], ratios: tuple[float, ...]
) -> Iterator[Cell]:
    for baseline in baselines:
        for each in traffic:
            for ratio in ratios:
                yield Cell(fault, Setting(baseline, min(1.0, ratio * baseline), each), ratio)


def _slow(setting: Setting) -> Setting:
    return replace(setting, scrape=60, looks=24 * 60)


@dataclass(frozen=True)
class Watched:
    """What the copy of the judge says of a history: the counts that each look added, and what came of them."""

    held: Held
    judged: Judged
    passed: Bools


def watched(history: History, view: View) -> Watched:
    """Each rollout of the history, as far as it is seen."""
    before = [one.sum(1) for one in history.active.counted()]
    if view.known is not None:
        before = [one[:, -view.known :] for one in before]
    policy, planned = POLICY.error_rate, history.setting.looks
    held = frozen(before[0], before[1], policy)
    newest = view.newest()
    requests, errors = (_batches(counted, newest) for counted in history.candidate.counted())
    found = judged(requests, errors, held, policy.factor, planned)
    fresh = (newest[:, :, -1] >= planned - _FRESH).all(1) & ~view.unusable()[:, -1]
    return Watched(held, found, ~found.failed & fresh & enough(found, held, policy, planned))


def _batches(grown: Ints, newest: Ints) -> Ints:
    """What each look adds: all that lies between the newest samples of this look and of the last."""
    total = np.concatenate([np.zeros_like(grown[..., :1]), grown.cumsum(-1)], axis=-1)
    told = np.take_along_axis(total, newest, axis=-1)
    batches: Ints = np.diff(told, axis=-1, prepend=0).sum(1)
    return batches


def examine(cell: Cell, runs: int, compared: int, seed: int = 1) -> Found:
    """So many rollouts by the copy, of which the first few by the operator's own code too."""
    rng = np.random.default_rng(seed)
    failed = passed = claimed = missed = agreed = 0
    done = 0
    while done < runs:
        part = min(_CHUNK, runs - done)
        history, view = FAULTS[cell.fault].seen(rng, happened(rng, cell.setting, part))
        found = watched(history, view)
        policy, planned = POLICY.error_rate, cell.setting.looks
        sees = claims(found.judged.requests, cell.setting.rate, found.held, policy.factor, planned)
        failed += int(found.judged.failed.sum())
        passed += int(found.passed.sum())
        claimed += int(sees.sum())
        missed += int((sees & ~found.judged.failed).sum())
        if not done:
            agreed = sum(same(history, view, found, row) for row in range(compared))
        done += part
    share = missed / claimed if claimed >= TOLD_BY else None
    return Found(cell, runs, failed / runs, passed / runs, claimed, share, compared, agreed)


def same(history: History, view: View, found: Watched, row: int) -> bool:
    """Whether the operator's own code comes to the same verdict, score and, while nothing failed, counts."""
    state, ours = Watcher(history, view, row).watch(), found.judged
    verdict = "Fail" if ours.failed[row] else "Pass" if found.passed[row] else "Inconclusive"
    counts = (state.candidate.requests, state.candidate.errors)
    counted = ours.failed[row] or counts == (ours.requests[row], ours.errors[row])
    return bool(
        state.verdict == verdict and counted and math.isclose(state.score, ours.score[row], rel_tol=1e-3, abs_tol=0.01)
    )
