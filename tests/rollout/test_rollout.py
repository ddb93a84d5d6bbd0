"""The life of a rollout, told as scenarios."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.world import World, serving
from verdigris.api.status import Failure, RolloutStatus, WarmStatus
from verdigris.core.actions import Keep
from verdigris.core.facts.revision import revision_of


def condition(world: World, kind: str) -> tuple[str, str, str]:
    found = next(c for c in world.status.conditions if c.type == kind)
    return found.status, found.reason, found.message


def reasons(world: World) -> list[str]:
    return [note.reason for note in world.notes]


def bake(world: World) -> World:
    """Run until the candidate has the clients."""
    for _ in range(60):
        if world.status.rollout and world.status.rollout.stage == "Baking":
            return world
        world.run(1)
    raise AssertionError(f"never got to bake: {world.status.rollout}")


def test_the_first_version_becomes_active_as_soon_as_its_pods_are_ready() -> None:
    world = World(spec("1.0.0")).run(1)
    assert world.selected is None
    world.run(5)
    assert world.status.active
    assert world.status.active.version == "1.0.0"
    assert world.selected == "blue"
    assert condition(world, "Ready")[:2] == ("True", "Active")


def test_a_good_version_is_promoted_by_a_role_swap() -> None:
    world = serving("1.0.0")
    world.apply(spec("1.1.0"))
    bake(world)
    judged = {p.view.uid for p in world.pods if p.view.color == "green"}
    world.run(40)
    assert world.status.active
    assert (world.status.active.version, world.status.active.color) == ("1.1.0", "green")
    assert {p.view.uid for p in world.pods if p.view.color == "green"} == judged
    assert world.status.warm
    assert world.status.warm.version == "1.0.0"
    assert {(p.view.color, p.view.traffic) for p in world.pods} == {("blue", "off"), ("green", "on")}
    assert reasons(world)[-3:] == ["CandidateReady", "TrafficShifted", "Promoted"]


def test_the_warm_colour_is_retired_when_its_time_is_over() -> None:
    world = serving("1.0.0").apply(spec("1.1.0")).run(60)
    assert world.status.warm
    world.run(130)
    assert world.status.warm is None
    assert set(world.deployments) == {"green"}
    assert set(world.hpas) == {"green"}


def test_a_version_that_fails_half_its_calls_loses_its_clients_within_a_scrape_and_a_tick() -> None:
    world = serving("1.0.0")
    world.versions["1.2.0"] = world.versions["1.0.0"].__class__(error_rate=0.5)
    bake(world.apply(spec("1.2.0")))
    switched = world.switches[-1][0]
    world.run(30)
    back, color = world.switches[-1]
    assert color == "blue"
    assert back - switched <= timedelta(seconds=6)
    assert world.status.last_rollback
    assert world.status.last_rollback.reason == "ErrorRateDoubled"
    assert world.status.last_rollback.traffic_restored_at
    assert condition(world, "Stalled")[:2] == ("True", "ErrorRateDoubled")
    assert condition(world, "RolledBack")[0] == "True"
    assert "green" not in world.deployments


def test_a_healthy_version_beside_a_bad_baseline_is_not_rolled_back() -> None:
    world = serving("1.0.0", error_rate=0.05)
    world.versions["1.1.0"] = world.versions["1.0.0"]
    world.apply(spec("1.1.0")).run(80)
    assert world.status.active
    assert world.status.active.version == "1.1.0"


@pytest.mark.parametrize("reason", ["ChecksumMismatch", "ArtifactNotFound", "ArtifactTruncated", "GoldenRowsFailed"])
def test_a_hopeless_candidate_ends_the_rollout_at_once(reason: str) -> None:
    world = serving("1.0.0")
    switches = list(world.switches)
    fault = Failure(reason=reason, message="The artifact is not what it should be.")
    world.versions["1.1.0"] = world.versions["1.0.0"].__class__(fault=fault)
    world.apply(spec("1.1.0")).run(5)
    assert world.status.rollout is None
    assert world.status.rejected[-1].reason == reason
    assert condition(world, "Stalled")[:2] == ("True", reason)
    assert condition(world, "Available")[0] == "True"
    assert world.switches == switches
    assert "RolloutFailed" in reasons(world)


def test_a_candidate_whose_image_cannot_be_pulled_ends_after_give_up_after_with_what_kubernetes_said() -> None:
    world = serving("1.0.0").apply(spec("1.1.0"))
    world.versions["1.1.0"] = world.versions["1.0.0"].__class__(never_ready=True)
    world.trouble[revision_of(world.spec)] = Failure(
        reason="ImagePullBackOff", message="The image nowhere/at:all cannot be pulled."
    )
    world.run(28)
    assert world.status.rollout is not None
    world.run(5)
    assert world.status.rejected[-1].reason == "ImagePullBackOff"
    assert "nowhere/at:all" in condition(world, "Ready")[2]


def test_a_crash_is_named_at_the_deadline_though_the_pod_runs_at_that_very_moment() -> None:
    world = serving("1.0.0").apply(spec("1.1.0"))
    world.versions["1.1.0"] = world.versions["1.0.0"].__class__(never_ready=True)
    crash = Failure(reason="CrashLoopBackOff", message="The container server ends with exit code 3.")
    world.trouble[revision_of(world.spec)] = crash
    world.run(50)
    world.trouble.clear()
    world.run(15)
    assert world.status.rejected[-1].reason == "CrashLoopBackOff"


def test_a_rejected_revision_stays_rejected_until_the_spec_changes() -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = world.versions["1.0.0"].__class__(never_ready=True)
    world.apply(spec("1.1.0")).run(80)
    world.run(200)
    assert reasons(world).count("RolloutStarted") == 2
    world.apply(spec("1.1.1")).run(80)
    assert world.status.active
    assert world.status.active.version == "1.1.1"


def test_a_new_spec_supersedes_the_rollout_under_way_traffic_back_first() -> None:
    world = serving("1.0.0")
    bake(world.apply(spec("1.1.0")))
    assert world.selected == "green"
    world.apply(spec("1.2.0")).run(1)
    assert world.selected == "blue"
    world.run(90)
    assert [(h.version, h.outcome) for h in world.status.history][-2:] == [
        ("1.1.0", "Superseded"),
        ("1.2.0", "Promoted"),
    ]
    assert not world.status.rejected


def test_taking_the_spec_back_during_a_rollout_leaves_the_active_version_as_it_was() -> None:
    world = serving("1.0.0")
    pods = {p.view.uid for p in world.pods}
    bake(world.apply(spec("1.1.0"))).apply(spec("1.0.0")).run(30)
    assert world.status.active
    assert world.status.active.version == "1.0.0"
    assert {p.view.uid for p in world.pods} == pods
    assert condition(world, "Ready")[0] == "True"


def test_applying_the_version_that_is_still_warm_is_a_rollback_and_needs_nothing() -> None:
    world = serving("1.0.0").apply(spec("1.1.0")).run(60)
    warm = {p.view.uid for p in world.pods if p.view.color == "blue"}
    world.prometheus_down = True
    world.apply(spec("1.0.0", rollout={"approval": "Required"}, paused=True)).run(1)
    assert world.selected == "blue"
    world.run(30)
    assert world.status.active
    assert world.status.active.version == "1.0.0"
    assert (world.status.history[-1].outcome, world.status.history[-1].reason) == ("Superseded", "Reverted")
    assert not world.status.rejected
    assert {p.view.uid for p in world.pods} == warm


def test_the_candidate_starts_at_the_size_that_the_active_colour_has_now() -> None:
    world = serving("1.0.0")
    world._scale("blue", 4)
    bake(world.apply(spec("1.1.0")))
    assert world.deployments["green"].replicas == 4
    assert world.hpas["green"] == 4
    assert world.hpas["blue"] == 4


def test_the_stores_of_every_colour_in_use_stay_reachable() -> None:
    def told(address: str) -> dict[str, Any]:
        return {"env": [{"name": "MLFLOW_TRACKING_URI", "value": address}]}

    world = World(spec("1.0.0", serving=told("http://old.example.com:5001"))).run(30)
    world.apply(spec("1.1.0", serving=told("http://new.example.com:5002")))
    (policy,) = [
        action.manifest
        for action in world.reconcile().actions
        if isinstance(action, Keep) and action.manifest["kind"] == "NetworkPolicy"
    ]

    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", ())}
    assert ports == {53, 443, 5001, 5002}


@pytest.mark.parametrize("asked", [(True, False), (False, True)])
def test_the_port_of_grpc_stays_open_while_any_colour_in_use_answers_on_it(asked: tuple[bool, bool]) -> None:
    before, after = (
        spec(v, serving={"grpc": g, "image": "i-grpc"}) for v, g in zip(("1.0.0", "1.1.0"), asked, strict=True)
    )
    world = World(before).run(30).apply(after)
    kept = [action.manifest for action in world.reconcile().actions if isinstance(action, Keep)]

    services = [manifest for manifest in kept if manifest["kind"] == "Service"]
    (policy,) = (manifest for manifest in kept if manifest["kind"] == "NetworkPolicy")
    assert {service["metadata"]["name"] for service in services} == {"diabetes", "diabetes-blue", "diabetes-green"}
    assert all([port["name"] for port in service["spec"]["ports"]] == ["http", "grpc"] for service in services)
    assert [port["port"] for port in policy["spec"]["ingress"][0]["ports"]] == [8080, 8081]


def test_a_fixed_size_has_no_autoscaler() -> None:
    world = World(spec("1.0.0", autoscaling={"minReplicas": 3, "maxReplicas": 3})).run(10)
    assert world.hpas == {}
    assert world.deployments["blue"].replicas == 3


def test_a_status_that_was_lost_is_read_back_from_what_runs() -> None:
    world = serving("1.0.0")
    pods = {p.view.uid for p in world.pods}
    world.status = world.status.__class__()
    world.run(3)
    assert world.status.active
    assert world.status.active.version == "1.0.0"
    assert {p.view.uid for p in world.pods} == pods
    assert "Adopted" in reasons(world)


@pytest.mark.parametrize("role", ["rollout", "warm"])
def test_a_status_that_gives_a_colour_two_roles_is_mended(role: str) -> None:
    world = serving("1.0.0").apply(spec("1.1.0")).run(60)
    assert world.status.active
    pods = {p.view.uid for p in world.pods if p.view.color == "green"}
    both = world.status.active.model_dump(include={"version", "revision", "color", "sha256"})
    times = {"started_at": world.now, "since": world.now, "until": world.now + timedelta(hours=1)}
    broken = {"rollout": RolloutStatus, "warm": WarmStatus}[role]
    fields = {name: value for name, value in times.items() if name in broken.model_fields}
    extra = {"stage": "Baking", "weight": 100} if role == "rollout" else {}
    world.status = world.status.model_copy(update={role: broken(**both, **fields, **extra)})
    world.run(3)
    assert getattr(world.status, role) is None
    assert {p.view.uid for p in world.pods if p.view.color == "green"} == pods
    assert world.selected == "green"
    assert "StatusMended" in reasons(world)


@pytest.mark.parametrize(("error_rate", "truth"), [(0.0, "True"), (0.5, "False")])
def test_no_question_about_the_analysis_is_left_open_when_a_rollout_has_ended(error_rate: float, truth: str) -> None:
    world = serving("1.0.0")
    world.versions["1.1.0"] = world.versions["1.0.0"].__class__(error_rate=error_rate)
    world.apply(spec("1.1.0")).run(90)
    assert world.status.rollout is None
    assert condition(world, "AnalysisHealthy")[0] == truth
