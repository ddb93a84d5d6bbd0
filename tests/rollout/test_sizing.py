"""What a model used, and which requests are recommended for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollout.world import World, spec
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Recommendation
from verdigris.api.values import parse_quantity
from verdigris.rollout.actions import Plan
from verdigris.rollout.evidence import NOT_ASKED, Usage
from verdigris.rollout.plan import plan
from verdigris.rollout.sizing import MIN_SAMPLES, PERIOD, WINDOW, due, percentile, recommend, usage_question

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
        assert float(parse_quantity(made.cpu)) >= cpu
        assert float(parse_quantity(made.memory)) >= memory * MI


@settings(max_examples=150)
@given(amounts, st.floats(1, 5), specs)
def test_who_uses_more_is_never_advised_less(
    amount: tuple[float, float], more: float, wanted: ModelDeploymentSpec
) -> None:
    one, other = advice(usage(*amount), wanted), advice(usage(amount[0] * more, amount[1] * more), wanted)
    assert parse_quantity(other.cpu) >= parse_quantity(one.cpu)
    assert parse_quantity(other.memory) >= parse_quantity(one.memory)


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


# when it is asked


def running(wanted: ModelDeploymentSpec | None = None) -> World:
    """A world whose first version became active; nothing is under way."""
    world = World(wanted or spec(rollout={"bake": "10s"})).run(60)
    assert world.status.active is not None
    assert world.status.rollout is None
    return world


def test_the_question_is_about_the_active_pods_since_they_are() -> None:
    world = running()
    active = world.status.active
    assert active is not None
    asked = usage_question(world.observe(), active.since + timedelta(hours=3))
    assert asked is not None
    assert (asked.color, asked.revision, asked.namespace, asked.model) == (
        active.color,
        active.revision,
        "clinic",
        "diabetes",
    )
    assert (asked.window, asked.step) == (timedelta(hours=3), timedelta(minutes=1))
    later = usage_question(world.observe(), active.since + timedelta(days=9))
    assert later is not None
    assert later.window == WINDOW


def test_a_slow_scrape_makes_longer_steps() -> None:
    world = running(spec(monitoring={"serviceMonitor": {"interval": "30s"}}))
    asked = usage_question(world.observe(), world.now + timedelta(hours=3))
    assert asked is not None
    assert asked.step == timedelta(minutes=2)


def test_nothing_is_asked_about_young_pods_during_a_rollout_or_of_nobody() -> None:
    world = running()
    late = world.now + timedelta(hours=3)
    assert usage_question(world.observe(), world.now + timedelta(minutes=50)) is None
    world.apply(spec("2.0.0"))
    assert usage_question(world.observe(), late) is None, "the active pods are not what the spec describes"
    world.run(3)
    assert world.status.rollout is not None
    assert usage_question(world.observe(), late) is None
    assert usage_question(running().observe(), late) is not None
    nobody = running()
    nobody.address = None
    assert usage_question(nobody.observe(), late) is None


def test_each_model_has_its_turn_once_an_hour_and_they_are_spread() -> None:
    looks = [NOW + timedelta(minutes=10 * number) for number in range(6 * 24)]
    minutes = set()
    for number in range(40):
        turns = [now for before, now in pairwise(looks) if due(f"uid-{number}", before, now)]
        assert len(turns) in (23, 24)
        assert {later - earlier for earlier, later in pairwise(turns)} == {PERIOD}
        minutes.add(turns[0].minute)
    assert minutes == {0, 10, 20, 30, 40, 50}


def test_the_first_look_of_an_operator_only_begins_to_count() -> None:
    assert not any(due(f"uid-{number}", None, NOW) for number in range(100))


# through the plan


def planned(world: World, used: Usage) -> Plan:
    """One reconcile in which the use was learnt; its status is taken over."""
    made = plan(world.observe(), replace(NOT_ASKED, usage=used), world.now)
    world.status = made.status
    return made


def test_the_plan_takes_in_what_was_learnt_and_touches_nothing() -> None:
    world = running()
    before = plan(world.observe(), NOT_ASKED, world.now)
    made = planned(world, usage())
    assert made.status.recommendation is not None
    assert made.actions == before.actions
    assert made.notes == ()


def test_the_same_use_an_hour_later_writes_nothing() -> None:
    world = running()
    first = planned(world, usage()).status
    world.now += PERIOD
    assert planned(world, usage(cpu=0.122)).status == first
    assert planned(world, Usage(problem="away")).status == first
    assert plan(world.observe(), NOT_ASKED, world.now).status == first


def test_advice_about_pods_that_are_not_active_any_more_is_forgotten() -> None:
    world = running()
    planned(world, usage())
    world.apply(spec("2.0.0", rollout={"bake": "10s"})).run(5)
    assert world.status.rollout is not None
    assert world.status.recommendation is not None, "the pods that it is about still have the clients"
    world.run(120)
    assert world.status.active is not None
    assert world.status.active.version == "2.0.0"
    assert world.status.recommendation is None


def test_use_that_was_learnt_as_a_rollout_begins_is_not_taken_in() -> None:
    world = running().apply(spec("2.0.0"))
    assert planned(world, usage()).status.recommendation is None
