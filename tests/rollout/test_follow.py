"""`spec.model.follow`: the alias moves, and a new revision begins by itself; what cannot be used changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.parts import spec
from tests.rollout.small import over, stage, until
from tests.rollout.test_rollout import bake, condition, reasons
from tests.rollout.world import World
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Failure, ModelDeploymentStatus
from verdigris.core.facts.followed import Registered, RegistryView, asked_alias

SHA256 = "c" * 64
AWAY = RegistryView(problem=Failure(reason="RegistryUnreachable", message="The registry at x did not answer."))


def following(version: str = "1.0.0", follow: dict[str, Any] | None = None, **rollout: Any) -> ModelDeploymentSpec:
    model = {"uri": "models:/diabetes/1", "follow": {"alias": "champion", **(follow or {})}}
    return spec(version, model=model, rollout=rollout)


def says(number: str, version: str, sha256: str = SHA256) -> RegistryView:
    return RegistryView(Registered(number, version, sha256))


def serving_it(**rollout: Any) -> World:
    """Version 1.0.0, number 1, is active: by the spec, and by the registry."""
    world = World(following(**rollout), registry=says("1", "1.0.0", "a" * 64)).run(40)
    assert version_of(world) == "1.0.0"
    return world


def version_of(world: World) -> str | None:
    return world.status.active.version if world.status.active is not None else None


def test_an_alias_that_moves_is_a_new_revision_with_what_the_registry_records() -> None:
    world = serving_it()
    generation = world.generation
    world.registry = says("2", "1.1.0")
    until(world, lambda w: w.status.rollout is not None)
    assert world.status.rollout
    assert (world.status.rollout.version, world.status.rollout.sha256) == ("1.1.0", SHA256)
    until(bake(world), over)
    assert (version_of(world), world.generation) == ("1.1.0", generation)
    followed = world.status.followed
    assert followed
    assert (followed.number, followed.uri, followed.sha256) == ("2", "models:/diabetes/2", SHA256)
    snapshot = next(one for one in world.snapshots.values() if one.version == "1.1.0")
    assert (snapshot.uri, snapshot.sha256) == ("models:/diabetes/2", SHA256)
    assert condition(world, "Followed")[:2] == ("True", "AliasFollowed")
    assert reasons(world).count("AliasMoved") == 2, "what it was first seen at, and its move"


def test_it_moves_back_and_that_is_a_rollout_like_any_other() -> None:
    world = serving_it(keepWarm="0s")
    world.registry = says("2", "1.1.0")
    until(world, lambda w: version_of(w) == "1.1.0" and over(w), seconds=600)
    world.registry = says("1", "1.0.0", "a" * 64)
    until(world, lambda w: w.status.rollout is not None)
    until(world, lambda w: version_of(w) == "1.0.0" and over(w), seconds=600)


def test_an_answer_from_before_the_alias_was_seen_where_it_is_moves_nothing() -> None:
    """A leader that was held up goes on with the registry's answer of then; another has begun the next rollout."""
    world = serving_it()
    held_up = world.now
    world.registry = says("2", "1.1.0")
    until(world, lambda w: w.status.rollout is not None)
    world.registry = replace(says("1", "1.0.0", "a" * 64), asked_at=held_up)
    world.run(5)
    assert world.status.rollout
    assert world.status.rollout.version == "1.1.0"
    world.registry = replace(world.registry, asked_at=world.now)
    until(world, lambda w: w.status.rollout is None)
    assert version_of(world) == "1.0.0"


def test_a_leader_whose_clock_was_ahead_has_the_alias_stay_nowhere() -> None:
    world = serving_it()
    assert world.status.followed
    later = world.status.followed.model_copy(update={"since": world.now + timedelta(hours=1)})
    world.status = world.status.model_copy(update={"followed": later})
    world.registry = replace(says("2", "1.1.0"), asked_at=world.now)
    world.run(2)
    assert world.status.rollout
    assert world.status.rollout.version == "1.1.0"


@pytest.mark.parametrize(
    ("view", "reason", "words"),
    [
        (AWAY, "RegistryUnreachable", "did not answer. What is wanted stays 1.0.0."),
        (says("2", "1.1.0", ""), "ChecksumMissing", "is number 2, which has no tag verdigris.sha256"),
        (says("2", "1.1.0", "C" * 64), "ChecksumMissing", "64 hex digits"),
        (says("2", "", SHA256), "VersionMissing", "verdigris.version"),
        (says("2", "v2", SHA256), "VersionMissing", "semantic version"),
        (says("2", f"1.1.0-{'a' * 100}", SHA256), "VersionUnusable", "version cannot be kept"),
        (says("2" * 17, "1.1.0", SHA256), "VersionUnusable", "number cannot be kept"),
    ],
)
def test_what_cannot_be_used_is_told_and_the_active_version_untouched(
    view: RegistryView, reason: str, words: str
) -> None:
    world = serving_it()
    world.registry = view
    world.run(20)
    assert (version_of(world), world.status.rollout) == ("1.0.0", None)
    told = condition(world, "Followed")
    assert told[:2] == ("False", reason)
    assert words in told[2]
    assert condition(world, "Ready")[:2] == ("True", "Active")


def test_a_registry_that_is_away_takes_nothing_back() -> None:
    world = serving_it()
    world.registry = says("2", "1.1.0")
    until(world, lambda w: version_of(w) == "1.1.0" and over(w), seconds=600)
    for view in (AWAY, None):
        world.registry = view
        world.run(20)
        assert (version_of(world), world.status.rollout) == ("1.1.0", None)


def test_before_the_first_answer_the_spec_itself_is_wanted() -> None:
    world = World(following("1.2.0")).run(40)
    assert version_of(world) == "1.2.0"
    assert condition(world, "Followed")[:2] == ("Unknown", "RegistryAsked")


def on_the_second() -> World:
    """The alias has moved, and 1.1.0 is active; the spec still says 1.0.0."""
    world = serving_it()
    world.registry = says("2", "1.1.0")
    return until(world, lambda w: version_of(w) == "1.1.0" and over(w), seconds=600)


@pytest.mark.parametrize("view", [AWAY, None])
def test_a_status_that_was_lost_brings_back_no_version_of_the_spec(view: RegistryView | None) -> None:
    world = on_the_second()
    world.registry, world.status = view, ModelDeploymentStatus()
    world.run(20)
    assert (version_of(world), world.status.rollout) == ("1.1.0", None)
    world.registry = says("2", "1.1.0")
    world.run(20)
    assert (version_of(world), world.status.rollout) == ("1.1.0", None)


def test_another_alias_replaces_nobody_before_the_registry_has_told_of_it() -> None:
    world = on_the_second()
    world.registry = AWAY
    world.apply(following(follow={"alias": "next"})).run(20)
    assert (version_of(world), world.status.rollout) == ("1.1.0", None)
    assert condition(world, "Followed")[2].endswith("What is wanted stays 1.1.0.")
    world.registry = says("3", "1.2.0", "d" * 64)
    until(world, lambda w: version_of(w) == "1.2.0" and over(w), seconds=600)


def test_a_version_that_was_rejected_is_not_tried_again_because_the_alias_is_still_there() -> None:
    world = serving_it()
    world.registry = says("2", "1.1.0")
    until(world, stage("Measuring"))
    assert world.status.rollout
    world.decide("abort", world.status.rollout.revision)
    until(world, over)
    world.run(60)
    assert (version_of(world), world.status.rollout) == ("1.0.0", None)
    assert world.status.rejected[-1].version == "1.1.0"


def test_a_move_in_mid_rollout_supersedes_it() -> None:
    world = serving_it()
    world.registry = says("2", "1.1.0")
    until(world, stage("Measuring"))
    world.registry = says("3", "1.2.0", "d" * 64)
    until(world, lambda w: version_of(w) == "1.2.0" and over(w), seconds=600)
    assert [entry.outcome for entry in world.status.history[-2:]] == ["Superseded", "Promoted"]


def test_a_person_may_have_to_approve_what_comes_so() -> None:
    world = World(following(follow={"approval": "Required"})).run(3)
    world.registry = says("2", "1.1.0")
    until(world, stage("AwaitingApproval"))
    assert world.status.rollout
    assert world.status.rollout.version == "1.1.0"


def test_who_follows_nobody_any_more_gets_what_the_spec_says() -> None:
    world = serving_it()
    world.registry = says("2", "1.1.0")
    until(world, lambda w: version_of(w) == "1.1.0" and over(w), seconds=600)
    world.apply(spec("1.3.0"))
    until(world, lambda w: version_of(w) == "1.3.0" and over(w), seconds=600)
    assert world.status.followed is None
    assert condition(world, "Followed")[:2] == ("False", "NotFollowed")


def test_steady_means_silent() -> None:
    world = serving_it(keepWarm="0s").run(30)
    before = world.status
    world.run(10)
    assert world.status == before


@pytest.mark.parametrize(
    ("uri", "model"), [("models:/diabetes/3", "diabetes"), ("models:/risk%20model@old", "risk model")]
)
def test_the_model_is_the_one_that_the_uri_names(uri: str, model: str) -> None:
    asked = asked_alias(spec(model={"uri": uri, "follow": {"alias": "champion"}}))
    assert asked
    assert (asked.model, asked.name) == (model, "champion")
