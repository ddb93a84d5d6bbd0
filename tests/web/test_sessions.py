"""Sessions and answers about rights are believed for a while, are bounded, and end with the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.web.stub_api import OWN, StubApi, served
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.connection import Connection
from verdigris.web.incluster import people as of_people
from verdigris.web.incluster.door import REVIEW, ClusterDoor
from verdigris.web.incluster.people import FRESH, People, Person
from verdigris.web.incluster.sessions import IDLE, LONGEST, MOST, MOST_OF_ONE, Sessions
from verdigris.web.port import Right
from verdigris.web.site.door import Visitor
from verdigris.web.site.messages import Answer, Request

TOKEN = "token-of-alice"
ALICE = Person("alice")
RIGHT = Right("list", "modeldeployments", "clinic")


@dataclass
class Clock:
    """Stands still until it is put forward."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api() -> AsyncIterator[StubApi]:
    made = StubApi(people={TOKEN: "alice"}, rights={"alice": {("list", "modeldeployments", "clinic")}})
    async with served(made):
        yield made


@pytest.fixture
async def people(api: StubApi, clock: Clock) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        client = Client(Connection(api.address, None, lambda: OWN))
        stack.push_async_callback(client.close)
        yield People(client, clock)


async def test_an_answer_about_a_right_is_believed_for_some_seconds(people: People, api: StubApi, clock: Clock) -> None:
    alice = await people.of(TOKEN)
    assert alice is not None
    assert await people.may(alice, [RIGHT]) == [True]
    api.rights.clear()
    clock.now += FRESH - 1
    assert await people.may(alice, [RIGHT]) == [True]
    clock.now += 1
    assert await people.may(alice, [RIGHT]) == [False]


async def test_a_no_is_not_remembered_for_somebody_else(people: People, api: StubApi) -> None:
    alice = await people.of(TOKEN)
    assert alice is not None
    assert await people.may(Person("bob", groups=alice.groups), [RIGHT]) == [False]
    assert await people.may(alice, [RIGHT, Right("list", "pods", "clinic", group="")]) == [True, False]
    assert len([path for _, path, _ in api.asked if path.endswith("subjectaccessreviews")]) == 3


async def test_what_is_remembered_of_rights_is_bounded(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_people, "_KEPT", 3)
    alice = await people.of(TOKEN)
    assert alice is not None
    await people.may(alice, [Right("list", "modeldeployments", f"team-{place}") for place in range(10)])
    assert len(people._known) == 3


def door_of(people: People, sessions: Sessions) -> ClusterDoor:
    def nobody(_: object) -> None:
        return None

    return ClusterDoor(people, sessions, nobody, None)  # type: ignore[arg-type]


async def test_a_token_that_was_revoked_signs_nobody_in_for_longer_than_a_minute(
    people: People, api: StubApi, clock: Clock
) -> None:
    sessions = Sessions(clock)
    session = sessions.begin(ALICE, TOKEN)
    door, request = door_of(people, sessions), Request("GET", "/", cookies={"verdigris": session.name})
    api.people.clear()
    assert isinstance(await door.enter(request), Visitor)
    clock.now += REVIEW
    answer = await door.enter(request)
    assert isinstance(answer, Answer)
    assert answer.headers["Location"] == "/login"
    assert (session.ended, session.token) == (True, "")


async def test_groups_are_those_of_the_last_review(people: People, clock: Clock) -> None:
    sessions = Sessions(clock)
    session = sessions.begin(ALICE, TOKEN)
    clock.now += REVIEW
    await door_of(people, sessions).enter(Request("GET", "/", cookies={"verdigris": session.name}))
    assert session.person.groups == ("people", "system:authenticated")


def test_a_session_ends_when_it_is_old_or_not_used(clock: Clock) -> None:
    sessions = Sessions(clock)
    idle = sessions.begin(ALICE, TOKEN)
    clock.now += IDLE + 1
    assert sessions.find(idle.name) is None
    old = sessions.begin(ALICE, TOKEN)
    for _ in range(int(LONGEST / IDLE)):
        clock.now += IDLE
        assert sessions.find(old.name) is old
    clock.now += 1
    assert sessions.find(old.name) is None
    assert (old.ended, old.token) == (True, "")


def test_sessions_are_bounded_and_the_one_that_was_used_longest_ago_goes(clock: Clock) -> None:
    sessions = Sessions(clock)
    first = sessions.begin(ALICE, TOKEN)
    others = []
    for _ in range(MOST_OF_ONE - 1):
        clock.now += 1
        others.append(sessions.begin(ALICE, TOKEN))
    assert sessions.find(first.name) is first
    sessions.begin(ALICE, TOKEN)
    assert sessions.find(first.name) is first
    assert sessions.find(others[0].name) is None
    for place in range(MOST + 5):
        clock.now += 1
        sessions.begin(Person(f"person-{place}"), TOKEN)
    assert len(sessions._known) == MOST


def test_a_session_does_not_show_its_token_when_it_is_printed(clock: Clock) -> None:
    session = Sessions(clock).begin(ALICE, TOKEN)
    assert TOKEN not in repr(session)
    assert session.name not in repr(session)
