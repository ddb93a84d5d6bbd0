"""A watch goes on after the API server has ended it; one that is refused ends, and says why."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

import pytest

from tests.cli.scenes import on_trial
from verdigris.cli.commands.following import Known
from verdigris.cli.exits import CliError
from verdigris.cli.kubectl import Asked
from verdigris.cli.refusals import Refused, Unreachable
from verdigris.cli.watching import Anew, Away, Change, Ended, News, Watches

FORBIDDEN = (
    'Error from server (Forbidden): pods is forbidden: User "bob" cannot watch resource "pods" in API group "" in the '
    'namespace "clinic"'
)
AWAY = "The connection to the server 127.0.0.1:6443 was refused"


class Scripts:
    """A kubectl that is one shell script after the other; the last one again and again."""

    def __init__(self, *scripts: str) -> None:
        self._scripts = list(scripts)

    def start(self, asked: Asked) -> subprocess.Popen[str]:  # noqa: ARG002
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        pipe = subprocess.PIPE
        return subprocess.Popen(["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


def told(*scripts: str, number: int) -> list[News]:
    """The first news of one watch."""
    news: list[News] = []
    deadline = time.monotonic() + 30
    with Watches(Scripts(*scripts), {"pods": Asked(())}, pause=lambda _: None) as watches:  # type: ignore[arg-type]
        while len(news) < number and time.monotonic() < deadline:
            news += watches.next(1.0)
    return news[:number]


def event(name: str, type: str = "ADDED") -> str:
    return f'echo \'{{"type": "{type}", "object": {{"metadata": {{"name": "{name}"}}}}}}\''


def kinds(news: Sequence[News]) -> list[type]:
    return [type(one) for one in news]


def test_a_watch_that_has_ended_is_begun_again() -> None:
    news = told(event("a"), f"{event('b')}; exec sleep 60", number=4)
    assert kinds(news) == [Anew, Change, Anew, Change]


def test_one_that_has_grown_too_old_is_begun_again() -> None:
    news = told(f"{event('a')}; {event('x', 'ERROR')}; exec sleep 60", f"{event('b')}; exec sleep 60", number=4)
    assert kinds(news) == [Anew, Change, Anew, Change]


def test_one_that_is_refused_ends_with_the_right_that_is_missing() -> None:
    news = told(f"echo '{FORBIDDEN}' >&2; exit 1", number=2)
    assert kinds(news) == [Anew, Ended]
    assert isinstance(news[1], Ended)
    assert isinstance(news[1].error, Refused)


def test_a_server_that_was_never_there_ends_it() -> None:
    news = told(f"echo '{AWAY}' >&2; exit 1", number=2)
    assert isinstance(news[1], Ended)
    assert isinstance(news[1].error, Unreachable)


def test_a_server_that_goes_away_is_waited_for() -> None:
    news = told(f"{event('a')}; echo '{AWAY}' >&2; exit 1", f"{event('b')}; exec sleep 60", number=5)
    assert kinds(news) == [Anew, Change, Away, Anew, Change]


def test_what_is_no_watch_ends_it() -> None:
    news = told("echo hello; exec sleep 60", number=2)
    assert isinstance(news[1], Ended)
    assert "no watch event" in str(news[1].error)


def test_what_a_new_watch_does_not_tell_is_gone() -> None:
    scene, known = on_trial(), Known()
    known.take(Change("model", "ADDED", scene.model))
    for one in scene.pods:
        known.take(Change("pods", "ADDED", one))
    known.take(Anew("pods"))
    known.take(Change("pods", "ADDED", scene.pods[0]))
    picture = known.picture()
    assert picture is not None
    assert len(picture.pods) == 1


def test_a_picture_that_is_not_up_to_date_says_so() -> None:
    scene, known = on_trial(), Known()
    known.take(Change("model", "ADDED", scene.model))
    known.take(Away("model", Unreachable("The server is away.")))
    picture = known.picture()
    assert picture is not None
    assert picture.away == "The server is away."
    known.take(Change("model", "MODIFIED", scene.model))
    picture = known.picture()
    assert picture is not None
    assert picture.away == ""


def test_a_model_that_may_not_be_watched_is_an_error() -> None:
    with pytest.raises(CliError, match="no right"):
        Known().take(Ended("model", Refused("no right")))
    known = Known()
    known.take(Change("model", "ADDED", on_trial().model))
    known.take(Ended("pods", Refused("no right")))
    picture = known.picture()
    assert picture is not None
    assert picture.pods_unseen == "no right"
