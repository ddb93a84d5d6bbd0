"""What a model used, and which requests are recommended for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollout.parts import spec
from verdigris.api.schema.quantity import amount_of
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Recommendation
from verdigris.core.advice.sizing import MIN_SAMPLES, PERIOD, percentile, recommend
from verdigris.core.facts.evidence import Usage

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
MI = 2**20
ASKED = {"cpu": "500m", "memory": "256Mi"}


def usage(cpu: float = 0.12, memory: float = 150, samples: int = 1440) -> Usage:
    """So many cores in each step of a minute, and Mi of memory."""
    return Usage(cpu=tuple((NOW.timestamp() + 60 * number, cpu) for number in range(samples)), memory=memory * MI)


def sized(requests: Any, limits: Any = None, aims_at: int | None = None) -> ModelDeploymentSpec:
    """A spec with these requests and limits, and an autoscaler only if it is to aim at a share of the CPU request."""
    target = {"type": "Utilization", "averageUtilization": aims_at}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}] if aims_at else []
    scaling = {"minReplicas": 2, "maxReplicas": 4 if aims_at else 2, "metrics": metrics}
    return spec(serving={"resources": {"requests": requests, "limits": limits or {}}}, autoscaling=scaling)


def advice(used: Usage, wanted: ModelDeploymentSpec, last: Recommendation | None = None) -> Recommendation:
    made = recommend(used, wanted, NOW, last)
    assert made is not None
    return made


def test_the_advice_says_what_it_rests_on_and_what_to_do() -> None:
    made = advice(usage(), sized(ASKED, {"memory": "512Mi"}))
    assert (made.cpu, made.memory, made.percentile, made.window, made.samples, made.at) == (
        "140m",
        "184Mi",
        95,
        "24h",
        1440,
        NOW,
    )
    assert made.message == (
        "CPU: asks for 500m, 95 % of 1440 samples over 24h were at or below 120m: 140m would do. "
        "Memory: asks for 256Mi, used at most 150Mi: 184Mi would do. "
        "Set spec.serving.resources.requests.cpu to 140m. Set spec.serving.resources.requests.memory to 184Mi."
    )


@pytest.mark.parametrize(
    ("used", "wanted", "says"),
    [
        (usage(), sized({"cpu": "140m", "memory": "184Mi"}), "Nothing needs to be changed."),
        (usage(), sized({"cpu": "60m", "memory": "184Mi"}), "CPU: asks for 60m"),
        (usage(), sized({"cpu": "60m", "memory": "184Mi"}), "140m is needed. "),
        (usage(), sized({"cpu": "140m"}), "Memory: asks for nothing, used at most 150Mi: 184Mi would do."),
        (usage(), sized({"cpu": "140m"}, {"memory": "256Mi"}), "Memory: asks for 256Mi, used"),
        (
            usage(memory=160),
            sized({"cpu": "140m", "memory": "64Mi"}, {"memory": "192Mi"}),
            "192Mi is needed. The limit of 192Mi, where the kernel ends it (OOMKilled), is near. "
            "Set spec.serving.resources.requests.memory to 192Mi. "
            "Raise spec.serving.resources.limits.memory to 200Mi.",
        ),
        (
            usage(cpu=0.095),
            sized({"cpu": "50m", "memory": "184Mi"}, {"cpu": "100m"}),
            "The limit of 100m, where it is slowed down, is near.",
        ),
        (usage(cpu=0.001), sized({"cpu": "10m", "memory": "184Mi"}), "at or below 1m: that fits."),
        (
            usage(cpu=0.001),
            sized({"cpu": "2m", "memory": "184Mi"}, {"cpu": "5m"}),
            "at or below 1m: 10m is needed. Memory: asks for 184Mi, used at most 150Mi: that fits. "
            "Set spec.serving.resources.requests.cpu to 10m. Raise spec.serving.resources.limits.cpu to 10m.",
        ),
    ],
)
def test_the_words_fit_the_case(used: Usage, wanted: ModelDeploymentSpec, says: str) -> None:
    assert says in advice(used, wanted).message


def test_a_limit_that_is_not_near_is_not_mentioned() -> None:
    assert "limit" not in advice(usage(memory=153), sized({"memory": "128Mi"}, {"memory": "192Mi"})).message


@pytest.mark.parametrize(
    ("used", "aims_at", "asked", "cpu"),
    [
        # Lower only as far as the autoscaler stays where it is: 120m are 60 % of 200m.
        (0.12, 60, "500m", "200m"),
        # Between the two it stays: were it raised, pods would go, and the rest would use more.
        (0.12, 60, "160m", "160m"),
        # Higher when not even the use has room.
        (0.12, 60, "100m", "140m"),
        (0.12, None, "500m", "140m"),
    ],
)
def test_an_autoscaler_that_goes_by_the_request_is_not_set_off(
    used: float, aims_at: int | None, asked: str, cpu: str
) -> None:
    assert advice(usage(cpu=used), sized({"cpu": asked, "memory": "184Mi"}, aims_at=aims_at)).cpu == cpu


def test_an_autoscaler_without_metrics_aims_at_70_percent() -> None:
    assert advice(usage(cpu=0.14), spec(serving={"resources": {"requests": {"cpu": "500m"}}})).cpu == "200m"


def test_an_autoscaler_by_another_measure_leaves_cpu_alone() -> None:
    requests = {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "50"}}
    scaling = {"minReplicas": 2, "maxReplicas": 4, "metrics": [{"type": "Pods", "pods": requests}]}
    assert (
        advice(usage(), spec(serving={"resources": {"requests": {"cpu": "500m"}}}, autoscaling=scaling)).cpu == "140m"
    )


@pytest.mark.parametrize(
    "thin",
    [
        Usage(problem="Prometheus at http://prometheus.test did not answer"),
        Usage(),
        usage(samples=MIN_SAMPLES - 1),
        usage(memory=0),
    ],
)
def test_little_evidence_changes_nothing(thin: Usage) -> None:
    before = advice(usage(), sized(ASKED))
    assert recommend(thin, sized(ASKED), NOW, None) is None
    assert recommend(thin, sized(ASKED), NOW, before) is before


@pytest.mark.parametrize(
    ("cpu", "memory", "stays"),
    [(0.125, 155, True), (0.112, 145, True), (0.15, 150, False), (0.12, 175, False), (0.06, 150, False)],
)
def test_about_the_same_is_the_same(cpu: float, memory: float, stays: bool) -> None:
    before = advice(usage(), sized(ASKED))
    later = recommend(usage(cpu, memory), sized(ASKED), NOW + PERIOD, before)
    assert (later is before) is stays


def test_the_smallest_amounts_do_not_swing_by_a_step() -> None:
    low, high = usage(cpu=0.008), usage(cpu=0.0095)
    first = advice(low, sized(ASKED))
    second = advice(high, sized(ASKED), first)
    assert (first.cpu, second.cpu) == ("10m", "15m")
    assert recommend(low, sized(ASKED), NOW, second) is second


def test_the_percentile_is_a_value_that_95_percent_are_not_above() -> None:
    assert percentile(range(1, 101)) == 95
    assert percentile([3.0]) == 3.0
    assert percentile([1.0] * 95 + [9.0] * 5) == 1.0
    assert percentile([1.0] * 94 + [9.0] * 6) == 9.0


amounts = st.tuples(st.floats(0, 64), st.floats(0.1, 100_000))
specs = st.sampled_from(
    [sized(ASKED), sized({}), sized(ASKED, {"cpu": "1", "memory": "1Gi"}), sized(ASKED, aims_at=60)]
)


@settings(max_examples=150)
@given(amounts, amounts, specs)
def test_it_is_never_below_what_was_used_however_it_came_to_be(
    first: tuple[float, float], then: tuple[float, float], wanted: ModelDeploymentSpec
) -> None:
    before = advice(usage(*first), wanted)
    for (cpu, memory), made in ((first, before), (then, advice(usage(*then), wanted, before))):
        assert float(amount_of(made.cpu)) >= cpu
        assert float(amount_of(made.memory)) >= memory * MI


@settings(max_examples=150)
@given(amounts, st.floats(1, 5), specs)
def test_who_uses_more_is_never_advised_less(
    amount: tuple[float, float], more: float, wanted: ModelDeploymentSpec
) -> None:
    one, other = advice(usage(*amount), wanted), advice(usage(amount[0] * more, amount[1] * more), wanted)
    assert amount_of(other.cpu) >= amount_of(one.cpu)
    assert amount_of(other.memory) >= amount_of(one.memory)


@settings(max_examples=100)
@given(amounts, specs)
def test_who_takes_the_advice_is_told_that_it_fits(amount: tuple[float, float], wanted: ModelDeploymentSpec) -> None:
    made = advice(usage(*amount), wanted)
    scaling = wanted.autoscaling.dump()
    taken = spec(
        serving={"resources": {"requests": {"cpu": made.cpu, "memory": made.memory}, "limits": {}}}, autoscaling=scaling
    )
    again = advice(usage(*amount), taken)
    assert "Set spec" not in again.message
    assert recommend(usage(*amount), taken, NOW, made) is made
