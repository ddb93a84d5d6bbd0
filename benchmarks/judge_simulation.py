"""How fast is the judge right, and what would simpler tests do? Simulated rollouts by the ten thousand.

Run `python -m benchmarks.judge_simulation` for the tables of docs/design/0004-judge.md (about five minutes on one
core). Whether the judge keeps what it promises, also when something goes wrong, is what `benchmarks.proof` asks.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.proof.history import errors
from benchmarks.proof.many import Held, Ints, advance, combined, frozen, ladders
from verdigris.api.spec import ErrorRateSpec
from verdigris.core.judges.power import gross, needed
from verdigris.core.judges.score import WEIGHTS, Terms, start_weight, threshold

BASELINES = (0.0, 0.001, 0.005, 0.01, 0.05)
NEVER = 1 << 40
PLAIN = (1.0, 0.0, 0.0, 0.0)
"""Only the factor that the user asked for."""


@dataclass(frozen=True)
class Setting:
    """One kind of rollout: 5 min of baseline, then a bake of `looks` looks that see a batch each.

    Rates are errors per request; `traffic` is requests a second; errors come in clumps of geometric size with mean
    `clump` (1: each by itself). The candidate fails at `before` until look number `change` (from 0), at `rate` then.
    `known` is a baseline limit that is given instead of estimated. `scattered` False and `weights` PLAIN are the judge
    without its two refinements, for comparison.
    """

    baseline: float
    rate: float
    traffic: float
    clump: float = 1.0
    change: int = 0
    before: float = 0.0
    known: float | None = None
    looks: int = 180
    planned: int = 300
    bake: float = 300.0
    floor: float = 0.005
    factor: float = 2.0
    min_requests: int = 50
    scattered: bool = True
    weights: tuple[float, ...] = WEIGHTS


@dataclass(frozen=True)
class Outcome:
    """Of each simulated rollout: the requests since the change until the failure was found, or NEVER."""

    requests: Ints

    @property
    def found(self) -> float:
        """Share of rollouts in which a failure was found."""
        return float((self.requests < NEVER).mean())

    def quantile(self, share: float) -> float:
        """Requests until this share of all rollouts was found; NEVER or more when it never was."""
        return float(np.quantile(self.requests, share, method="higher"))


def baselines(rng: np.random.Generator, setting: Setting, runs: int, slots: int = 60) -> Held:
    """What each candidate is held against: the limit that is known, or one from so many slots in 5 min of baseline."""
    if setting.known is not None:
        return Held(np.full(runs, setting.known), np.ones(runs))
    n = rng.poisson(setting.traffic * 300 / slots, (runs, slots))
    policy = ErrorRateSpec(floor=setting.floor, factor=setting.factor, min_requests=setting.min_requests)
    return frozen(n, errors(rng, n, setting.baseline, setting.clump), policy, setting.scattered)


def simulate(setting: Setting, runs: int, seed: int = 1) -> Outcome:
    """Watch `runs` rollouts look by look, as the operator does."""
    rng = np.random.default_rng(seed)
    held = baselines(rng, setting, runs)
    limit, scatter, ladder = held.limit, held.scatter, ladders(held.limit, setting.factor)
    bad = np.log(ladder / limit[:, None]) / scatter[:, None]
    good = np.log((1 - ladder) / (1 - limit[:, None])) / scatter[:, None]
    scores, counted = np.zeros(ladder.shape), np.zeros(runs, np.int64)
    looks, found = np.zeros(runs, np.int64), np.full(runs, NEVER)
    for look in range(setting.looks):
        n = rng.poisson(setting.traffic * setting.bake / setting.looks, runs)
        e = errors(rng, n, setting.rate if look >= setting.change else setting.before, setting.clump)
        looks += n > 0
        counted += n if look >= setting.change else 0
        new = advance(scores, e[:, None] * bad + (n - e)[:, None] * good, start_weight(look + 1, setting.planned))
        scores = np.where((n > 0)[:, None], new, scores)
        hit = (combined(scores, setting.weights) >= threshold(setting.planned)) & (found == NEVER)
        found[hit] = counted[hit]
    return Outcome(found)


def naive(setting: Setting, runs: int, seed: int = 1) -> float:
    """Share of rollouts in which the rate so far is ever twice the true baseline, from `min_requests` requests on."""
    rng = np.random.default_rng(seed)
    requests, failed, found = (np.zeros(runs, np.int64), np.zeros(runs, np.int64), np.zeros(runs, bool))
    for _ in range(setting.looks):
        n = rng.poisson(setting.traffic * setting.bake / setting.looks, runs)
        requests, failed = requests + n, failed + errors(rng, n, setting.rate, setting.clump)
        found |= (requests >= setting.min_requests) & (failed > 0) & (failed >= 2 * setting.baseline * requests)
    return float(found.mean())


def doubling(baseline: float, floor: float = 0.005) -> float:
    """The error rate that is a doubling of this baseline or of the floor, whichever is higher."""
    return 2 * max(baseline, floor)


def fixed_size(rate: float) -> int:
    """Requests that a test of fixed size needs to tell `2 * rate` from `rate` (alpha 1 %, power 90 %).

    The normal approximation of the one-sided binomial test; no sequential test can beat it by much.
    """
    z_alpha, z_beta, worse = 2.3263, 1.2816, 2 * rate
    root = z_alpha * np.sqrt(rate * (1 - rate)) + z_beta * np.sqrt(worse * (1 - worse))
    return int(np.ceil((root / rate) ** 2))


def false_rollbacks(runs: int, clump: float = 1.0, traffic: Iterable[float] = (1, 10, 50, 250)) -> list[list[Any]]:
    """Rows of baseline and, by traffic, the share of healthy rollouts taken back.

    By the judge, then by the judge without regard to scatter, then by the naive rule.
    """
    rows: list[list[Any]] = []
    for baseline in BASELINES:
        ours = [Setting(baseline, baseline, t, clump) for t in traffic]
        blind = [replace(setting, scattered=False) for setting in ours]
        few = runs // 4
        rows.append(
            [
                baseline,
                *(simulate(setting, runs).found for setting in ours),
                *(simulate(setting, few).found for setting in blind),
                *(naive(setting, few) for setting in ours),
            ]
        )
    return rows


def delays(runs: int) -> list[list[Any]]:
    """Rows of limit, true rate, and requests until found: half and 90 % of the faults, then the same without ladder."""
    rows: list[list[Any]] = []
    for limit in (0.005, 0.01, 0.05):
        for rate in (2 * limit, 3 * limit, 0.2, 0.5, 1.0):
            batch = max(1.0, min(20.0, 0.2 / rate))
            looks = 400 if rate >= 0.1 else 3000
            ours = Setting(limit, rate, batch, known=limit, looks=looks, bake=float(looks))
            outcomes = [simulate(setting, runs) for setting in (ours, replace(ours, weights=PLAIN))]
            found = [outcome.quantile(share) for outcome in outcomes for share in (0.5, 0.9)]
            rows.append([limit, rate, *found])
    return rows


def latency(slow: float, traffic: float, runs: int, z: float = 3.0902, seed: int = 1) -> float:
    """Share of rollouts in which the latency check fails, when this share of requests is slower than the limit.

    It looks once a scrape of 5 s at the last 2 min (`verdigris.core.judges.queries`); `z` 0 is the plain p95.
    """
    rng, window, looks = np.random.default_rng(seed), 24, 60
    requests = rng.poisson(traffic * 5, (runs, looks)).cumsum(1)
    late = rng.binomial(np.diff(requests, axis=1, prepend=0), slow).cumsum(1)
    n, k = (np.concatenate([c[:, :window], c[:, window:] - c[:, :-window]], axis=1) for c in (requests, late))
    out = (n >= 20) & (k > 0.05 * n + z * np.sqrt(0.0475 * n))
    return float((out[:, 2:] & out[:, 1:-1] & out[:, :-2]).any(1).mean())


def latencies(runs: int) -> list[list[Any]]:
    """Rows of the share of slow requests and, by traffic, how often the check fails; then how often the plain p95."""
    shares, traffics = (0.03, 0.04, 0.05, 0.1, 0.2), (1, 10, 250)
    return [[s, *(latency(s, t, runs, z) for z in (3.0902, 0.0) for t in traffics)] for s in shares]


def late_faults(runs: int) -> list[list[Any]]:
    """Rows of the rate and, by the look at which the fault starts, the requests until half of the faults were found."""
    rows: list[list[Any]] = []
    for rate in (0.02, 0.03, 0.1, 0.5):
        base = Setting(0.01, rate, 250, before=0.01)
        found = [simulate(replace(base, change=c, looks=c + 120, bake=(c + 120) / 0.6), runs) for c in (0, 60, 160)]
        rows.append([rate, *(outcome.quantile(0.5) for outcome in found)])
    return rows


def power(runs: int) -> list[list[Any]]:
    """Rows of baseline and, by traffic, the share of doublings found within a bake of 5 min."""
    return [[b, *(simulate(Setting(b, doubling(b), t), runs).found for t in (1, 10, 50, 250))] for b in BASELINES]


def claims(runs: int) -> list[list[Any]]:
    """Rows of limit and `detect`: the requests that a pass needs, and the share of faults found in 30 and 300 looks.

    A pass claims 90 % (docs/design/0018-what-a-pass-has-seen.md).
    """
    rows: list[list[Any]] = []
    for limit in (0.005, 0.01, 0.05, 0.2):
        for detect in (2.0, 4.0, 10.0):
            rate = gross(limit, 2.0, detect)
            needed_requests = needed(rate, Terms(limit, 2.0, 300))
            setting = Setting(limit, rate, 1, known=limit, bake=float(needed_requests))
            found = [simulate(replace(setting, looks=looks), runs).found for looks in (30, 300)]
            rows.append([limit, detect, needed_requests, *found])
    return rows


def passes(runs: int, limit: float = 0.005) -> list[list[Any]]:
    """Rows of requests and, by true error rate, the share of rollouts that the test lets pass after so many."""
    rates = (0.01, 0.02, 0.05, 0.1, 0.2)

    def kinds(seen: int) -> list[Setting]:
        return [Setting(limit, r, 1, known=limit, looks=min(60, seen), bake=float(seen)) for r in rates]

    return [[n, *(1 - simulate(kind, runs).found for kind in kinds(n))] for n in (50, 100, 350, 1500)]


def _show(title: str, header: list[str], rows: list[list[Any]]) -> None:
    print(f"\n{title}\n| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(f"{cell:.4g}" for cell in row) + " |", flush=True)


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=20000, help="simulated rollouts per figure")
    runs = parser.parse_args().runs
    by_traffic = ["1/s", "10/s", "50/s", "250/s"]
    judges = [f"{who}{traffic}" for who in ("", "blind ", "naive ") for traffic in by_traffic]
    for clump in (1.0, 2.0, 5.0):
        title = f"Healthy rollouts taken back; errors in clumps of {clump:g}"
        _show(title, ["baseline", *judges], false_rollbacks(runs, clump))
    _show("Doublings found within 5 min", ["baseline", *by_traffic], power(runs // 4))
    _show("Requests until found", ["limit", "rate", "half", "90 %", "plain half", "plain 90 %"], delays(runs // 10))
    _show(
        "Requests until half are found, by the fault's first look", ["rate", "0", "60", "160"], late_faults(runs // 4)
    )
    _show("Found with what a pass needs", ["limit", "detect", "requests", "30 looks", "300 looks"], claims(runs // 10))
    _show("Bad releases that pass", ["requests", "1 %", "2 %", "5 %", "10 %", "20 %"], passes(runs // 10))


if __name__ == "__main__":
    main()
