"""What happened in many rollouts, and what Prometheus has of it: counters of two pods of each version. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.proof.many import Bools, Floats, Ints

PODS = 2
BASELINE_SECONDS = 300


@dataclass(frozen=True)
class Setting:
    """One kind of rollout: 5 min of baseline, then `looks` scrapes of the candidate, `scrape` seconds apart.

    Rates are errors per request; `traffic` is requests a second over both pods. Errors come in clumps of geometric size
    with mean `clump` (1: each by itself). `burst`: nine of ten requests come within three scrapes in a row.
    """

    baseline: float
    rate: float
    traffic: float
    clump: float = 1.0
    burst: bool = False
    looks: int = 60
    scrape: int = 5


@dataclass(frozen=True)
class Counters:
    """What each pod's counters grew by and show at each scrape: arrays of shape (rollouts, pods, scrapes).

    `restarted`: the pod's process began anew within the time before that scrape, so it counts from 0.
    """

    requests: Ints
    errors: Ints
    restarted: Bools

    @classmethod
    def of(cls, requests: Ints, errors: Ints) -> Counters:
        """Counters that never restart."""
        return cls(requests, errors, np.zeros(requests.shape, np.bool_))

    def of_row(self, row: int) -> Counters:
        """Those of one rollout alone, in the same shape."""
        part = slice(row, row + 1)
        return Counters(self.requests[part], self.errors[part], self.restarted[part])

    def shown(self) -> tuple[Ints, Ints]:
        """What the counters of good answers and of errors show."""
        return _since_restart(self.requests - self.errors, self.restarted), _since_restart(self.errors, self.restarted)

    def counted(self) -> tuple[Ints, Ints]:
        """The requests and errors that can be counted: a counter that fell is new, one that did not seems to go on."""
        good, bad = (_growth(shown) for shown in self.shown())
        return good + bad, bad


def _since_restart(grown: Ints, restarted: Bools) -> Ints:
    total = grown.cumsum(-1)
    return total - np.maximum.accumulate(np.where(restarted, total - grown, 0), axis=-1)


def _growth(shown: Ints) -> Ints:
    before = np.concatenate([np.zeros_like(shown[..., :1]), shown[..., :-1]], axis=-1)
    grown: Ints = np.where(shown >= before, shown - before, shown)
    return grown


def errors(rng: np.random.Generator, requests: Ints, rate: float, clump: float) -> Ints:
    """How many of these requests fail."""
    if clump == 1.0:
        return rng.binomial(requests, rate)
    clumps = rng.poisson(requests * (rate / clump))
    more = rng.negative_binomial(np.maximum(clumps, 1), 1 / clump)
    return np.minimum(clumps + np.where(clumps > 0, more, 0), requests)


@dataclass(frozen=True)
class History:
    """Many rollouts of one setting: the counters of the active version before the switch, the candidate's after it."""

    setting: Setting
    active: Counters
    candidate: Counters


def happened(rng: np.random.Generator, setting: Setting, runs: int) -> History:
    """Draw so many rollouts."""
    mean = setting.traffic * setting.scrape / PODS
    before = rng.poisson(mean, (runs, PODS, BASELINE_SECONDS // setting.scrape))
    means = mean * (_burst(rng, runs, setting.looks) if setting.burst else np.ones((runs, setting.looks)))
    after = rng.poisson(np.repeat(means[:, None, :], PODS, axis=1))
    return History(
        setting,
        Counters.of(before, errors(rng, before, setting.baseline, setting.clump)),
        Counters.of(after, errors(rng, after, setting.rate, setting.clump)),
    )


def _burst(rng: np.random.Generator, runs: int, looks: int) -> Floats:
    """Factors with mean 1: three scrapes in a row have nine of ten requests."""
    start = rng.integers(0, looks - 2, runs)[:, None]
    at = np.arange(looks)[None, :]
    within = (at >= start) & (at < start + 3)
    factors: Floats = np.where(within, 0.9 * looks / 3, 0.1 * looks / (looks - 3))
    return factors


def restarting(rng: np.random.Generator, counters: Counters, chance: float) -> Counters:
    """The same pods, of which each restarts before a scrape with this chance: what it had counted since is lost."""
    restarted = rng.random(counters.requests.shape) < chance
    good = counters.requests - counters.errors
    kept = [np.where(restarted, rng.binomial(grown, 0.5), grown) for grown in (good, counters.errors)]
    return replace(counters, requests=kept[0] + kept[1], errors=kept[1], restarted=restarted)
