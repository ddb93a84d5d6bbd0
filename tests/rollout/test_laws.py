"""The laws that the plan itself must keep, one heading each; the world refuses most breaches at the action."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rollout.parts import Version, spec
from tests.rollout.test_rollout import bake, condition
from tests.rollout.walk import EVENTS, WAYS, Suspicious, happen
from tests.rollout.world import serving
from verdigris.api.status import Failure
from verdigris.core.actions import Keep, MoveTraffic
from verdigris.core.engine.plan import plan
from verdigris.core.facts.revision import revision_of

# 1. Rollback needs nothing


@pytest.mark.parametrize("hindrance", ["unready candidate", "prometheus down", "paused", "approval required", "quota"])
def test_a_rollback_moves_traffic_whatever_else_is_the_matter(hindrance: str) -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    revision = revision_of(world.spec)
    if hindrance == "unready candidate":
        world.unready.add("green")
    elif hindrance == "prometheus down":
        world.prometheus_down = True
    elif hindrance == "paused":
        world.apply(spec("1.1.0", paused=True))
    elif hindrance == "approval required":
        world.apply(spec("1.1.0", rollout={"approval": "Required"}))
    else:
        view = world.deployments["green"]
        trouble = Failure(reason="QuotaExceeded", message="exceeded quota")
        world.deployments["green"] = view.__class__(view.uid, view.replicas, view.revision, trouble)
    world.decide("abort", revision).run(1)
    assert world.selected == "blue"


def test_a_bad_candidate_is_rolled_back_during_a_pause() -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = Version(error_rate=0.5)
    bake(world.apply(spec("1.1.0"))).apply(spec("1.1.0", paused=True)).run(10)
    assert world.selected == "blue"


def test_moving_the_clients_comes_before_anything_that_could_be_refused() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0"))).decide("abort", revision_of(world.spec))
    first = plan(world.observe(), world.evidence(), world.now).actions[0]
    assert isinstance(first, MoveTraffic)
    assert (first.manifest["kind"], first.manifest["metadata"]["name"]) == ("Service", "diabetes")
    assert first.manifest["spec"]["selector"]["verdigris.dev/color"] == "blue"


# 2. Traffic never points at nothing


def test_traffic_does_not_return_to_a_colour_without_pods_while_the_other_answers() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.unready.add("blue")
    world.decide("abort", revision_of(world.spec)).run(5)
    assert world.selected == "green"
    world.unready.clear()
    world.run(1)
    assert world.selected == "blue"


def test_a_candidate_that_lost_all_its_pods_loses_its_clients() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.unready.add("green")
    world.run(1)
    assert world.selected == "blue"
    assert world.status.last_rollback
    assert world.status.last_rollback.reason == "CandidateUnavailable"


def test_a_candidate_whose_pods_crash_loses_its_clients_although_no_error_is_counted() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0"))).run(3)
    pod = next(p for p in world.pods if p.view.color == "green")
    pod.view = replace(pod.view, restarts=1)
    world.run(2)
    assert world.selected == "green"
    pod.view = replace(pod.view, restarts=2)
    world.run(1)
    assert world.selected == "blue"
    assert world.status.last_rollback
    assert world.status.last_rollback.reason == "CandidateCrashing"


# 3. No evidence is not evidence


def test_without_prometheus_no_traffic_moves_and_the_condition_says_so() -> None:
    world = serving("1.0.0")
    world.prometheus_down = True
    world.apply(spec("1.1.0")).run(400)
    assert world.selected == "blue"
    assert world.status.rollout
    assert world.status.rollout.stage == "Measuring"
    assert condition(world, "AnalysisHealthy")[:2] == ("Unknown", "PrometheusUnreachable")


def test_prometheus_lost_in_the_bake_neither_promotes_nor_rolls_back() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    world.prometheus_down = True
    world.run(900)
    assert world.selected == "green"
    assert world.status.rollout
    assert world.status.rollout.stage == "Baking"
    world.prometheus_down = False
    world.run(30)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


@pytest.mark.parametrize(("policy", "version"), [("Promote", "1.1.0"), ("Rollback", "1.0.0")])
def test_a_declared_policy_ends_the_inconclusive(policy: str, version: str) -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0", rollout={"onInconclusive": policy, "inconclusiveDeadline": "40s"})))
    world.prometheus_down = True
    world.run(60)
    assert world.status.active
    assert world.status.active.version == version
    assert world.status.rollout is None


def test_a_bake_that_is_over_without_evidence_says_how_to_end_it() -> None:
    world = serving("1.0.0")
    world.rate = 0
    bake(world.apply(spec("1.1.0"))).run(25)
    assert "RolloutDecision" not in condition(world, "Ready")[2]
    world.run(10)
    message = condition(world, "Ready")[2]
    assert "has had 0 of the 307 requests that a pass needs" in message
    assert f"verb promote or abort and revision {revision_of(world.spec)}" in message

    assert "onInconclusive: Rollback ends it at 11:" in message


def test_an_operator_without_prometheus_says_what_to_configure() -> None:
    world = serving("1.0.0")
    world.address = None
    world.apply(spec("1.1.0")).run(30)
    assert world.selected == "blue"
    assert "prometheus.address" in condition(world, "AnalysisHealthy")[2]


# 5. The baseline is honest


def test_the_baseline_is_frozen_before_the_switch_and_shown() -> None:
    world = serving("1.0.0", error_rate=0.02)
    world.versions["1.1.0"] = world.versions["1.0.0"]
    bake(world.apply(spec("1.1.0"))).run(5)
    assert world.status.rollout
    baseline = world.status.rollout.evidence.baseline
    assert baseline.source == "Frozen"
    assert baseline.requests > 5000
    assert baseline.rate == pytest.approx(0.02, abs=0.002)


# 7. An operator upgrade touches no pod


def test_another_rendering_of_the_pods_changes_no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    world = serving("1.0.0")
    before = {p.view.uid for p in world.pods}
    monkeypatch.setattr(
        "verdigris.children.pod_template.build", lambda *_: {"metadata": {"labels": {}}, "spec": {"changed": True}}
    )
    world.run(5)
    assert {p.view.uid for p in world.pods} == before


def test_the_revision_ignores_defaults_spelled_out_and_what_is_not_about_pods() -> None:
    plain = spec("1.0.0")
    spelled = spec("1.0.0", serving={"concurrency": 8, "service": {"port": 8000}}, analysis={"interval": "2s"})
    assert revision_of(plain) == revision_of(spelled)
    assert revision_of(plain) != revision_of(spec("1.0.0", serving={"concurrency": 9}))


def test_the_first_algorithm_gives_for_ever_what_it_gave_on_its_first_day() -> None:
    assert revision_of(spec("1.0.0")) == "v1-035370aa40"


def test_a_field_that_is_younger_than_the_algorithm_counts_only_once_it_is_given() -> None:
    keyed = spec("1.0.0", model={"credentialsSecret": "store-keys"})
    paged, plain = (revision_of(spec("1.0.0", serving={"page": page})) for page in (True, False))
    assert paged != plain == revision_of(spec("1.0.0"))
    large = spec("1.0.0", serving={"maxBodyMiB": 9})
    assert revision_of(large) != revision_of(spec("1.0.0", serving={"maxBodyMiB": 8})) == revision_of(spec("1.0.0"))
    asked = spec("1.0.0", serving={"grpc": True, "image": "a-grpc"})
    assert revision_of(asked) != revision_of(spec("1.0.0", serving={"image": "a-grpc"}))
    assert revision_of(keyed) not in {revision_of(spec("1.0.0")), revision_of(spec("1.0.0", model={"format": "onnx"}))}


# 8. Steady means silent


def test_a_steady_model_is_planned_the_same_again_and_again() -> None:
    world = serving("1.0.0").apply(spec("1.1.0")).run(200)
    observed = world.observe()
    first = plan(observed, world.evidence(), world.now)
    world.run(300)
    again = plan(world.observe(), world.evidence(), world.now)
    assert again.status == observed.status
    assert [a for a in again.actions if isinstance(a, Keep)] == [a for a in first.actions if isinstance(a, Keep)]
    assert not again.notes


# Random walks: whatever happens, the world's refusals hold, and when it stops happening, things settle


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=12), st.sampled_from(WAYS), st.sampled_from([None, 2, 3]))
def test_whatever_happens_no_law_is_broken_and_it_settles(
    events: list[str], way: dict[str, Any], room: int | None
) -> None:
    world = Suspicious(spec("1.0.0", rollout=way), room=room)
    world.versions = {
        "2.0.0": Version(error_rate=0.5),
        "3.0.0": Version(never_ready=True),
        "4.0.0": Version(disagrees=0.5),
    }
    world.run(10)
    for event in events:
        happen(world, event, way)
        world.run(1)
    world.unready.clear()
    world.prometheus_down = False
    world.delays = lambda _: 0
    world.room = None
    world.refuses = lambda _: False
    world.versions.pop("1.1.0", None)
    world.apply(spec("9.0.0")).run(240)
    assert world.status.active
    assert world.status.active.version == "9.0.0"
    world.run(130)
    settled = world.observe()
    world.run(30)
    assert world.status == settled.status
    assert world.observe().pods == settled.pods
