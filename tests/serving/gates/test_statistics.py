"""Limits against scipy's, published numbers, and the same by definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from verdigris_serving.gate.statistics.binomial import (
    difference,
    exact,
    mean_of_shares,
    paired_difference,
    ratio,
    transformed,
    wilson,
)
from verdigris_serving.gate.statistics.calibration import calibration_error
from verdigris_serving.gate.statistics.estimate import z_of
from verdigris_serving.gate.statistics.extremes import largest, smallest
from verdigris_serving.gate.statistics.means import of_means
from verdigris_serving.gate.statistics.ranking import auc, auc_difference


@pytest.mark.parametrize(("x", "n"), [(0, 5), (5, 5), (1, 1), (3, 10), (17, 1_000), (850, 1_000), (123_456, 200_000)])
@pytest.mark.parametrize("tail", [0.05, 0.001])
def test_an_exact_share_is_scipys(x: int, n: int, tail: float) -> None:
    wanted = stats.binomtest(x, n).proportion_ci(1 - 2 * tail, "exact")
    assert exact(x, n).limits(tail) == pytest.approx((wanted.low, wanted.high), abs=1e-10)


@pytest.mark.parametrize(("x", "n"), [(0, 7), (7, 7), (7, 20), (850, 1_000)])
def test_wilsons_limits_are_scipys(x: int, n: int) -> None:
    wanted = stats.binomtest(x, n).proportion_ci(0.9, "wilson")
    assert wilson(x, n, 0.05) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_a_difference_of_shares_is_newcombes_published_one() -> None:
    # Newcombe 1998, Statistics in Medicine 17, 873-890, table II: 56/70 and 48/80 by method 10.
    found = difference((56, 70), (48, 80))
    assert found.value == pytest.approx(0.2)
    assert found.limits(0.025) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def brute_ratio(first: tuple[int, int], second: tuple[int, int], at: float) -> float:
    """The score by the likelihood itself, maximised numerically where the ratio is ``at``."""
    (x, n), (y, m) = first, second

    def minus(q: float) -> float:
        p = at * q
        return -(stats.binom.logpmf(x, n, p) + stats.binom.logpmf(y, m, q))

    q = optimize.minimize_scalar(
        minus, bounds=(1e-12, min(1.0, 1 / at) - 1e-12), method="bounded", options={"xatol": 1e-12}
    ).x
    p, total = at * q, n + m
    variance = (p * (1 - p) / n + at**2 * q * (1 - q) / m) * total / (total - 1)
    return float((x / n - at * y / m) / math.sqrt(variance))


@pytest.mark.parametrize("pair", [((36, 40), (16, 80)), ((5, 30), (9, 31)), ((40, 100), (50, 100))])
def test_a_ratio_of_shares_is_where_its_score_says(pair: tuple[tuple[int, int], tuple[int, int]]) -> None:
    low, high = ratio(*pair).limits(0.05)
    assert brute_ratio(*pair, low) == pytest.approx(z_of(0.05), abs=1e-3)
    assert brute_ratio(*pair, high) == pytest.approx(-z_of(0.05), abs=1e-3)


def test_a_ratio_with_nobody_selected_has_no_value_and_no_limit() -> None:
    nobody = ratio((0, 40), (0, 50))
    assert math.isnan(nobody.value)
    assert nobody.limits(0.05) == (0.0, math.inf)
    assert ratio((0, 40), (20, 50)).limits(0.05)[0] == 0.0
    assert ratio((20, 40), (0, 50)).limits(0.05)[1] == math.inf


def brute_paired(first: int, second: int, n: int, at: float) -> float:
    """Tango's score by the likelihood of the two kinds of disagreement, maximised numerically."""

    def minus(q: float) -> float:
        p = q + at
        rest = 1 - p - q
        return -(first * math.log(p) + second * math.log(q) + (n - first - second) * math.log(rest))

    low, high = max(0.0, -at) + 1e-9, (1 - at) / 2 - 1e-9
    q = optimize.minimize_scalar(minus, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x
    return float((first - second - n * at) / math.sqrt(n * (2 * q + at - at**2)))


@pytest.mark.parametrize(("first", "second", "n"), [(9, 2, 44), (1, 7, 32), (30, 45, 1_000)])
def test_a_paired_difference_is_tangos(first: int, second: int, n: int) -> None:
    low, high = paired_difference(first, second, n).limits(0.025)
    assert brute_paired(first, second, n, low) == pytest.approx(z_of(0.025), abs=2e-3)
    assert brute_paired(first, second, n, high) == pytest.approx(-z_of(0.025), abs=2e-3)


def test_its_test_of_no_difference_is_mcnemars() -> None:
    # At the tail that McNemar's statistic (b - c) / sqrt(b + c) has, no difference is the limit itself.
    tail = stats.norm.sf((30 - 14) / math.sqrt(30 + 14))
    assert paired_difference(30, 14, 500).limits(tail)[0] == pytest.approx(0.0, abs=1e-9)


def test_two_models_that_never_differ_are_not_the_same_for_certain() -> None:
    low, high = paired_difference(0, 0, 50).limits(0.05)
    assert low == pytest.approx(-high)
    assert -0.06 < low < -0.04


def test_an_auc_is_the_published_one() -> None:
    # Hanley and McNeil 1982, table I; DeLong's standard error of it as Stata's roctab gives it: 0.8932, 0.0307.
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    negatives = [float(score) for score, count in enumerate(normal) for _ in range(count)]
    positives = [float(score) for score, count in enumerate(abnormal) for _ in range(count)]
    found = auc(positives, negatives)
    assert found.value == pytest.approx(0.8932, abs=5e-5)
    low, high = (math.log(limit / (1 - limit)) for limit in found.limits(0.025))
    error = (high - low) / (2 * z_of(0.025)) * found.value * (1 - found.value)
    assert error == pytest.approx(0.0307, abs=5e-5)


def kernel(positives: Any, negatives: Any) -> Any:
    """1 where the positive ranks above the negative, one half where they tie: DeLong's own definition."""
    above = np.subtract.outer(positives, negatives)
    return (above > 0) + 0.5 * (above == 0)


@pytest.mark.parametrize("digits", [1, 6])
def test_two_aucs_differ_by_delongs_own_definition(digits: int) -> None:
    source = np.random.default_rng(3)
    truth = source.random(150) < 0.4
    scores = (source.normal(size=(2, 150)) + truth * [[1.2], [0.8]] + source.normal(size=150)).round(digits)
    sets = [(each[truth], each[~truth]) for each in scores]
    kernels = [kernel(*each) for each in sets]
    rows = np.cov([k.mean(axis=1) for k in kernels])
    columns = np.cov([k.mean(axis=0) for k in kernels])
    variance = rows / truth.sum() + columns / (~truth).sum()
    error = math.sqrt(variance[0, 0] + variance[1, 1] - 2 * variance[0, 1])
    value = kernels[0].mean() - kernels[1].mean()
    found = auc_difference(*((list(a), list(b)) for a, b in sets))
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.limits(0.05) == pytest.approx((value - z_of(0.05) * error, value + z_of(0.05) * error), abs=1e-12)


def test_a_perfect_ranking_of_few_rows_is_not_perfect_for_certain() -> None:
    low, high = auc([3.0, 4.0, 5.0], [0.0, 1.0]).limits(0.05)
    assert high == 1.0
    assert 0.3 < low < 0.8
    few, many = (auc([2.0] * n, [1.0] * n).limits(0.05)[0] for n in (20, 2_000))
    assert few < 0.97
    assert many > 0.999


def mean(values: Any, axis: int = -1) -> Any:
    return np.mean(values, axis=axis)


def r_squared(truth: Any, said: Any, axis: int = -1) -> Any:
    return 1 - np.mean((truth - said) ** 2, axis=axis) / np.var(truth, axis=axis)


@pytest.mark.parametrize("tail", [0.05, 0.01])
def test_a_function_of_means_has_the_limits_of_the_bootstrap(tail: float) -> None:
    source = np.random.default_rng(1)
    skewed = source.exponential(size=60)
    truth = source.normal(size=80)
    said = truth + 0.6 * source.normal(size=80)
    rows = [(t, t * t, (s - t) ** 2) for t, s in zip(truth, said, strict=True)]
    cases: list[tuple[Any, Callable[..., Any], Any]] = [
        ((skewed,), mean, of_means([(value,) for value in skewed], lambda means: means[0])),
        ((truth, said), r_squared, of_means(rows, lambda means: 1 - means[2] / (means[1] - means[0] ** 2))),
    ]
    for data, function, found in cases:
        wanted = stats.bootstrap(
            data, function, paired=True, vectorized=True, n_resamples=20_000, confidence_level=1 - 2 * tail, rng=7
        ).confidence_interval
        width = wanted.high - wanted.low
        assert found.value == pytest.approx(function(*data))
        assert found.limits(tail) == pytest.approx((wanted.low, wanted.high), abs=0.05 * width)


def test_a_model_less_itself_is_nothing_for_certain() -> None:
    rows = [(float(k % 3), float(k % 3)) for k in range(50)]
    assert of_means(rows, lambda means: means[0] ** 2 - means[1] ** 2).limits(0.05) == (0.0, 0.0)


def test_one_row_that_outweighs_all_others_gives_limits_all_the_same() -> None:
    low, high = of_means([(0.0,)] * 99 + [(1e6,)], lambda means: means[0]).limits(1e-5)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < 1e4 < high


def test_a_mean_of_shares_and_a_rising_function_of_a_share() -> None:
    found = mean_of_shares([(80, 100), (30, 60)])
    assert found.value == pytest.approx(0.65)
    low, high = found.limits(0.05)
    assert 0.57 < low < 0.6
    assert 0.7 < high < 0.73
    jaccard = transformed(exact(30, 60), lambda share: 2 * share / (1 + share))
    share = exact(30, 60).limits(0.05)
    assert jaccard.limits(0.05) == tuple(2 * each / (1 + each) for each in share)


def test_the_smallest_needs_a_correction_where_it_refuses_only() -> None:
    each = [exact(40, 100), exact(50, 100), exact(60, 100)]
    found = smallest(each, 3)
    assert found.value == 0.4
    assert found.limits(0.06) == (each[0].limits(0.06)[0], each[0].limits(0.02)[1])
    apart = [difference((60, 100), (50, 100)), difference((50, 100), (60, 100))]
    wide = largest(apart, 2)
    assert wide.limits(0.06) == (max(0.0, apart[0].limits(0.03)[0]), apart[0].limits(0.06)[1])


def test_calibration_is_the_distance_of_groups_and_chance_alone_is_none() -> None:
    predicted = [0.05 + 0.1 * (k % 10) for k in range(1_000)]
    source = np.random.default_rng(5)
    right = calibration_error(predicted, [int(source.random() < p) for p in predicted])
    assert 0 < right.value < 0.05
    assert right.limits(0.05)[0] == 0.0
    always = calibration_error(predicted, [1] * 1_000)
    assert always.value == pytest.approx(0.5)
    low, high = always.limits(0.05)
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)
