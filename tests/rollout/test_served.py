"""What the registry is told of who serves: by the revision that is active, not by what is wished."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rollout.small import over, stage, until
from tests.rollout.test_follow import following, says, serving_it, version_of
from tests.rollout.test_rollout import condition
from tests.rollout.world import World
from verdigris.api.status import Failure
from verdigris.children.snapshot import Snapshot
from verdigris.core.facts.served import MOST_LEFT, Edit, Serving, Told, Wish, edits, first_wish, to_tell

TAG = "verdigris.serving.clinic.diabetes"


def told(world: World, cluster: str = "") -> Serving | None:
    seen = world.observe()
    return to_tell(seen.owner, seen.spec, seen.status, seen.snapshots, cluster)


def reporting(**rollout: Any) -> World:
    world = serving_it(**rollout)
    world.apply(following(follow={"report": True}, **rollout)).run(3)
    return world


def number(world: World) -> str | None:
    wanted = told(world)
    assert wanted
    return wanted.number


def test_it_is_the_number_of_the_active_version_through_a_promotion_and_a_rollback() -> None:
    world = reporting()
    assert number(world) == "1"
    world.registry = says("2", "1.1.0")
    until(world, stage("Measuring"))
    assert number(world) == "1", "a version on trial does not serve"
    until(world, lambda w: version_of(w) == "1.1.0" and over(w), seconds=600)
    active = world.status.active
    assert active
    assert told(world) == Serving("diabetes", TAG, "2", f"1.1.0 since {active.since:%Y-%m-%dT%H:%M:%SZ}")
    world.decide("rollback", active.revision)
    until(world, lambda w: version_of(w) == "1.0.0" and over(w), seconds=600)
    assert number(world) == "1", "the alias still says 2: that is a wish"


def test_a_version_of_no_number_is_told_by_no_tag() -> None:
    world = World(following("1.0.0", follow={"report": True}))
    assert told(world) is None, "nobody is active: nothing is known"
    world.run(40)
    assert number(world) == "1"
    world.snapshots = {key: replace(one, uri="models:/diabetes@champion") for key, one in world.snapshots.items()}
    assert told(world) == Serving("diabetes", TAG)
    world.snapshots = {}
    assert told(world) is None, "a snapshot that is not there says of no number that it is none"


def test_a_cluster_has_a_name_of_its_own_in_a_registry_that_several_share() -> None:
    wanted = told(reporting(), "eu-1")
    assert wanted
    assert wanted.tag == "verdigris.serving.eu-1.clinic.diabetes"


def test_nobody_asks_for_it_by_default() -> None:
    assert told(serving_it()) is None


SERVES = Serving("diabetes", TAG, "2", "1.1.0 since then")


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        ({}, (Edit("2", "1.1.0 since then"),)),
        ({"2": "1.1.0 since then"}, ()),
        ({"2": "by hand"}, (Edit("2", "1.1.0 since then"),)),
        ({"1": "1.0.0", "10": "0.9.0"}, (Edit("2", "1.1.0 since then"), Edit("1", None), Edit("10", None))),
    ],
)
def test_only_what_differs_is_written_and_who_serves_first(tagged: dict[str, str], expected: tuple[Edit, ...]) -> None:
    assert edits(SERVES, tagged) == expected


def test_who_has_told_nothing_yet_looks_at_each_model_that_a_kept_revision_is_of() -> None:
    uris = ("models:/b/1", "models:/diabetes/2", "models:/a/3", "models:/a/4", "https://models.example.com/a.vmodel")
    kept = {uri: Snapshot(uri, "1.0.0", "", uri, {}) for uri in uris}
    assert first_wish(SERVES, kept) == Wish(SERVES, ("a", "b"))


def test_where_nobody_serves_by_number_all_lose_the_tag() -> None:
    assert edits(Serving("diabetes", TAG), {"1": "a", "2": "b"}) == (Edit("1", None), Edit("2", None))


def test_what_was_named_before_is_left_until_it_was_seen_to_be_away() -> None:
    wish = Wish(Serving("a", TAG, "1", "1.0.0"))
    for model in ("b", "c", "c", "b"):
        wish = wish.then(Serving(model, TAG))
    assert wish == Wish(Serving("b", TAG), ("a", "c"))
    assert wish.without("a").then(SERVES) == Wish(SERVES, ("c", "b"))
    assert Wish(SERVES, ("a",)).of_nobody() == Wish(Serving("diabetes", TAG), ("a",))
    for number in range(20):
        wish = wish.then(Serving(f"m{number}", TAG))
    assert wish.left == tuple(f"m{number}" for number in range(19 - MOST_LEFT, 19)), "the newest ones"


@pytest.mark.parametrize(
    ("outcome", "reason", "words"),
    [
        (Told(Wish(SERVES)), ("True", "Reported"), "models:/diabetes/2 has the tag verdigris.serving.clinic.diabetes"),
        (Told(Wish(Serving("diabetes", TAG))), ("False", "NumberUnknown"), "no version there has the tag"),
        (
            Told(
                Wish(SERVES), Failure(reason="RegistryRefused", message="The registry lets the operator change no tag.")
            ),
            ("False", "RegistryRefused"),
            "lets the operator change no tag. It is tried again",
        ),
        (
            Told(Wish(SERVES, ("risk",)), Failure(reason="RegistryUnreachable", message="It is away")),
            ("False", "RegistryUnreachable"),
            "may be an old one, and a version of models:/risk may have it still.",
        ),
        (Told(Wish(SERVES), disputed=True), ("False", "TagDisputed"), "set registry.cluster in the values"),
        (None, ("Unknown", "RegistryAsked"), "is told which version serves"),
    ],
)
def test_a_condition_says_how_it_went_and_nothing_else_changes(
    outcome: Told | None, reason: tuple[str, str], words: str
) -> None:
    world = reporting()
    before = world.status
    world.told = outcome
    world.run(2)
    found = condition(world, "Reported")
    assert found[:2] == reason
    assert words in found[2]
    assert (world.status.active, world.status.rollout) == (before.active, None)
    world.apply(following()).run(2)
    assert condition(world, "Reported")[:2] == ("False", "NotReported")


def test_the_report_is_no_part_of_a_revision() -> None:
    world = serving_it()
    world.apply(following(follow={"report": True})).run(5)
    assert (world.status.rollout, len(world.snapshots)) == (None, 1)
