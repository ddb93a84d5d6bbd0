"""Who has signed in: a bounded number, in memory alone, forgotten when the process ends."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from verdigris.web.incluster.people import Person

MOST, MOST_OF_ONE = 500, 10
"""Sessions at the same time: of all, and of one person. The one that was used longest ago goes."""
LONGEST, IDLE = 8 * 3600.0, 3600.0
"""Seconds that a session lasts, and that it lasts without being used."""


@dataclass
class Session:
    """Somebody who has signed in. `token` is theirs: it is shown to nobody but the API server."""

    person: Person
    token: str = field(repr=False)
    born: float
    used: float
    reviewed: float
    name: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    ended: bool = False


class Sessions:
    """`clock` gives seconds of any beginning."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, Session] = {}

    def begin(self, person: Person, token: str) -> Session:
        """A new one, for a token that has just been reviewed."""
        now = self._clock()
        made = Session(person, token, born=now, used=now, reviewed=now)
        for one in [one for one in self._known.values() if self._over(one)]:
            self.end(one)
        self._make_room([one for one in self._known.values() if one.person.name == person.name], MOST_OF_ONE)
        self._make_room(list(self._known.values()), MOST)
        self._known[made.name] = made
        return made

    def find(self, name: str) -> Session | None:
        """The one of this name, if it goes on."""
        found = self._known.get(name)
        if found is None or self._over(found):
            if found is not None:
                self.end(found)
            return None
        found.used = self._clock()
        return found

    def end(self, session: Session) -> None:
        """Forget it, and the token with it."""
        self._known.pop(session.name, None)
        session.ended, session.token = True, ""

    def _make_room(self, among: list[Session], most: int) -> None:
        for one in sorted(among, key=lambda one: one.used)[: max(0, len(among) - most + 1)]:
            self.end(one)

    def _over(self, session: Session) -> bool:
        now = self._clock()
        return now - session.born > LONGEST or now - session.used > IDLE
