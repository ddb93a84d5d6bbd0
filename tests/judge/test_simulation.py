"""Laws 3 and 4 in figures, on simulated rollouts. Larger tables: `python -m benchmarks.judge_simulation`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.judge_simulation import (
    BASELINES,
    Setting,
    baselines,
    doubling,
    fixed_size,
    latency,
    naive,
    simulate,
)
from benchmarks.proof.history import errors
from benchmarks.proof.many import advance as advance_many
from benchmarks.proof.many import combined, ladders
from tests.judge.scenes import START, clock
from verdigris.api.spec import ErrorRateSpec
from verdigris.api.status import Counts
from verdigris.core.facts.evidence import Series
from verdigris.core.judges import score as judge_score
from verdigris.core.judges.baseline import freeze_baseline

RUNS = 3000


def test_the_simulated_score_is_the_operators_score() -> None:
    rng = np.random.default_rng(3)
    terms = judge_score.Terms(limit=0.013, factor=2.0, planned_looks=20, dispersion=1.7)
    ladder = ladders(np.array([terms.limit]), terms.factor)
    bad, good = np.log(ladder / terms.limit) / 1.7, np.log((1 - ladder) / (1 - terms.limit)) / 1.7
    ours: tuple[float, ...] = ()
    theirs = np.zeros((1, len(judge_score.WEIGHTS)))
    for look in range(1, 60):
        n, e = int(rng.integers(1, 400)), int(rng.integers(0, 6))
        ours = judge_score.advance(ours, Counts(requests=n, errors=min(n, e)), look, terms)
        gain = min(n, e) * bad + (n - min(n, e)) * good
        theirs = advance_many(theirs, gain, judge_score.start_weight(look, terms.planned_looks))
        assert theirs[0] == pytest.approx(ours, abs=1e-9)
        assert combined(theirs)[0] == pytest.approx(judge_score.combined(ours), abs=1e-9)


@pytest.mark.parametrize(
    ("rate", "traffic", "clump"), [(0.01, 50, 1.0), (0.05, 10, 3.0), (0.0, 1, 1.0), (0.02, 0.1, 1.0)]
)
def test_the_simulated_baseline_is_the_operators_baseline(rate: float, traffic: float, clump: float) -> None:
    held = baselines(np.random.default_rng(5), Setting(rate, rate, traffic, clump), runs=20)
    again = np.random.default_rng(5)
    requests = again.poisson(traffic * 5, (20, 60))
    failed = errors(again, requests, rate, clump)
    times = (START + 2.5 + 5 * np.arange(60)).tolist()
    for run in range(20):
        counted = {"200": np.cumsum(requests[run] - failed[run]), "500": np.cumsum(failed[run])}
        series = [
            Series("a", code, ((START, 0.0), *zip(times, map(float, values), strict=True)))
            for code, values in counted.items()
        ]
        baseline = freeze_baseline(series, clock(0), clock(300), ErrorRateSpec())
        assert baseline.limit == pytest.approx(held.limit[run], abs=1e-6)
        assert baseline.dispersion == pytest.approx(held.scatter[run], abs=1e-3)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("traffic", [0.5, 5, 50, 250])
def test_a_healthy_release_is_taken_back_in_at_most_one_rollout_of_a_hundred(baseline: float, traffic: float) -> None:
    assert simulate(Setting(baseline, baseline, traffic), RUNS).found <= 0.01


@pytest.mark.parametrize("limit", [0.005, 0.01, 0.05])
@pytest.mark.parametrize("traffic", [5, 250])
def test_that_holds_for_a_candidate_exactly_at_its_limit(limit: float, traffic: float) -> None:
    assert simulate(Setting(limit, limit, traffic, known=limit), RUNS).found <= 0.01


def test_that_holds_however_long_a_rollout_is_held() -> None:
    """Ten times as many looks as were planned."""
    setting = Setting(0.05, 0.05, 20, known=0.05, planned=60, looks=600, bake=600.0)
    assert simulate(setting, RUNS).found <= 0.01


def test_the_naive_rule_would_take_back_a_quarter() -> None:
    assert naive(Setting(0.01, 0.01, 50), RUNS) > 0.2


@pytest.mark.parametrize("baseline", [0.005, 0.01, 0.05])
@pytest.mark.parametrize("traffic", [10, 250])
def test_errors_in_clumps_of_two_take_back_few_where_the_plain_test_takes_back_a_third(
    baseline: float, traffic: float
) -> None:
    clumped = Setting(baseline, baseline, traffic, clump=2.0)
    plain = simulate(replace(clumped, known=baseline), RUNS // 3).found
    assert simulate(clumped, RUNS).found <= min(0.08, plain / 3)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_doubling_is_found_in_nine_of_ten_rollouts_once_enough_requests_were_seen(baseline: float) -> None:
    """Enough: twice what a test of fixed size, which may look only once, would need."""
    needed = 2 * fixed_size(max(baseline, 0.005))
    setting = Setting(baseline, doubling(baseline), 1, known=max(baseline, 0.005), bake=needed)
    assert simulate(setting, RUNS).found >= 0.9


@pytest.mark.parametrize("baseline", BASELINES)
def test_at_250_requests_a_second_a_doubling_is_found_within_the_bake_even_by_an_estimated_baseline(
    baseline: float,
) -> None:
    assert simulate(Setting(baseline, doubling(baseline), 250), RUNS // 2).found >= 0.99


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_candidate_that_fails_half_its_calls_is_caught_within_40_requests(baseline: float) -> None:
    """One request a look, the hardest case: 99 of 100 rollouts, and half of them within 20."""
    limit = max(baseline, 0.005)
    caught = simulate(Setting(baseline, 0.5, 1, known=limit, looks=60, bake=60.0), RUNS)
    assert caught.quantile(0.99) <= 40
    assert caught.quantile(0.5) <= 20


@pytest.mark.parametrize("rate", [0.02, 0.03, 0.5])
def test_a_fault_that_starts_late_is_found_as_fast_as_an_early_one(rate: float) -> None:
    """After 100 of 180 looks at a healthy 1 %, against a fault that is there from the start."""
    early = Setting(0.01, rate, 50, before=0.01, known=0.01, looks=150, bake=250.0)
    late = replace(early, change=100, looks=250, bake=250.0 * 250 / 150)
    first, second = (simulate(setting, RUNS // 3) for setting in (early, late))
    assert second.quantile(0.5) <= 1.1 * first.quantile(0.5)
    assert second.quantile(0.9) <= 1.2 * first.quantile(0.9)


@pytest.mark.parametrize("traffic", [1, 250])
def test_a_latency_at_its_limit_fails_in_one_rollout_of_thirty_and_a_slow_one_nearly_always(traffic: float) -> None:
    assert latency(0.05, traffic, RUNS) <= 0.033
    assert latency(0.05, traffic, RUNS, z=0.0) > 0.9
    assert latency(0.04, traffic, RUNS) <= 0.005
    assert latency(0.2, traffic, RUNS) >= 0.98
