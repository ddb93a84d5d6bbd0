"""What goes wrong between the pods' counters and the judge: what Prometheus has, and what it answers, at each look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.proof.history import PODS, History, restarting
from benchmarks.proof.many import Bools, Ints

OUTAGE = 20
"""Looks that an outage lasts."""
LATE = 2
"""Looks by which samples come late."""
YOUNG = 12
"""Scrapes of the baseline that a Prometheus has which lost all data before the switch."""


@dataclass(frozen=True)
class View:
    """What is seen of a history. Arrays have a row a rollout; look number i comes just after scrape number i.

    `taken` (rollouts, pods, scrapes): the scrape took place. `late`: looks until its samples are there. At a look of
    (rollouts, looks) Prometheus may be `silent` (down, too slow, or its values are no numbers), `empty` (it has no such
    series) or `contradicting` (two series of one counter that cannot both be right). `forgets` (rollouts): at this look
    it has lost all older samples, -1: never. `known`: scrapes of the active version that it has. `twice`: two jobs
    scrape each pod. `ahead`: by how many seconds its clock is. `amnesia`: the operator restarts before each look.
    """

    taken: Bools
    silent: Bools
    empty: Bools
    contradicting: Bools
    forgets: Ints
    late: int = 0
    known: int | None = None
    twice: bool = False
    ahead: float = 0.0
    amnesia: bool = False

    def unusable(self) -> Bools:
        """The looks that tell nothing."""
        return self.silent | self.empty | self.contradicting

    def newest(self) -> Ints:
        """How many scrapes of each pod the newest sample that each look could use stands for.

        Shape (rollouts, pods, looks).
        """
        runs, pods, looks = self.taken.shape
        last = np.maximum.accumulate(np.where(self.taken, np.arange(1, looks + 1), 0), axis=-1)
        there = np.concatenate([np.zeros((runs, pods, self.late), last.dtype), last], axis=-1)[..., :looks]
        told = np.where(self.unusable()[:, None, :], 0, there)
        newest: Ints = np.maximum.accumulate(told, axis=-1)
        return newest


def clear(history: History) -> View:
    """Everything is seen."""
    runs, looks = len(history.candidate.requests), history.setting.looks
    never = np.zeros((runs, looks), np.bool_)
    return View(np.ones((runs, PODS, looks), np.bool_), never, never, never, np.full(runs, -1))


def _stretch(rng: np.random.Generator, view: View, length: int) -> Bools:
    """So many looks in a row, anywhere, of each rollout."""
    runs, looks = view.silent.shape
    start = rng.integers(0, looks - length + 1, runs)[:, None]
    at = np.arange(looks)[None, :]
    within: Bools = (at >= start) & (at < start + length)
    return within


def _down(rng: np.random.Generator, view: View) -> View:
    return replace(view, silent=_stretch(rng, view, OUTAGE))


def _flapping(rng: np.random.Generator, view: View) -> View:
    return replace(view, silent=rng.random(view.silent.shape) < 0.5)


def _no_numbers(rng: np.random.Generator, view: View) -> View:
    return replace(view, silent=_stretch(rng, view, 3) | (rng.random(view.silent.shape) < 0.1))


def _empty(rng: np.random.Generator, view: View) -> View:
    return replace(view, empty=rng.random(view.empty.shape) < 0.3)


def _contradicting(rng: np.random.Generator, view: View) -> View:
    return replace(view, contradicting=rng.random(view.empty.shape) < 0.3)


def _forgetting(rng: np.random.Generator, view: View) -> View:
    runs, looks = view.silent.shape
    at = rng.integers(4, looks, size=(runs,))
    since = at[:, None] - np.arange(looks)[None, :]
    down = (since > 0) & (since <= 3)
    return replace(view, forgets=at, silent=down, taken=view.taken & ~down[:, None, :])


def _gaps(rng: np.random.Generator, view: View) -> View:
    return replace(view, taken=rng.random(view.taken.shape) >= 0.3)


def _one_pod_unseen(rng: np.random.Generator, view: View) -> View:
    taken = view.taken.copy()
    taken[:, 0, :] = ~_stretch(rng, view, OUTAGE)
    return replace(view, taken=taken)


def _quiet(_: np.random.Generator, view: View) -> View:
    return view


@dataclass(frozen=True)
class Fault:
    """How the view of a history is disturbed; `restarts` is the chance that a pod restarts between two scrapes."""

    disturb: Callable[[np.random.Generator, View], View] = _quiet
    restarts: float = 0.0
    also: Mapping[str, object] = field(default_factory=dict)

    def seen(self, rng: np.random.Generator, history: History) -> tuple[History, View]:
        """What there is to be seen, and what is seen of it."""
        if self.restarts:
            active, candidate = (restarting(rng, one, self.restarts) for one in (history.active, history.candidate))
            history = replace(history, active=active, candidate=candidate)
        return history, replace(self.disturb(rng, clear(history)), **self.also)  # type: ignore[arg-type]


FAULTS: dict[str, Fault] = {
    "nothing": Fault(),
    "Prometheus down for 20 looks": Fault(_down),
    "Prometheus flapping, every other look": Fault(_flapping),
    "samples 2 scrapes late": Fault(also={"late": LATE}),
    "Prometheus restarted without its data": Fault(_forgetting),
    "data lost a minute before the switch": Fault(also={"known": YOUNG}),
    "values that are no numbers": Fault(_no_numbers),
    "empty answers, 3 of 10": Fault(_empty),
    "each pod scraped by two jobs": Fault(also={"twice": True}),
    "series that contradict each other, 3 of 10": Fault(_contradicting),
    "counters reset, 1 of 20 scrapes": Fault(restarts=0.05),
    "clock 10 minutes ahead": Fault(also={"ahead": 600.0}),
    "scrapes missed, 3 of 10": Fault(_gaps),
    "one pod unseen for 20 scrapes": Fault(_one_pod_unseen),
    "operator restarted before every look": Fault(also={"amnesia": True}),
}
