"""The door of many: a token of the cluster's opens it, a cookie keeps it open, and the token is reviewed again."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable

from verdigris.core.words import plain
from verdigris.web.incluster.people import People
from verdigris.web.incluster.sessions import Session, Sessions
from verdigris.web.pages.door import login
from verdigris.web.port import Cluster, Denied
from verdigris.web.site.door import Visitor, check_csrf
from verdigris.web.site.messages import Answer, Request, cookie, elsewhere, shown

REVIEW = 60.0
"""Seconds after which a session's token is reviewed again: one that was revoked signs nobody in for longer."""
_LOCAL = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
_TOKEN = re.compile(r"[\x21-\x7e]{8,8192}")

log = logging.getLogger(__name__)


class ClusterDoor:
    """Args:
    people: who they are.
    sessions: who has signed in.
    as_seen_by: the cluster as the person of a session may see it.
    url: the https:// origin of the page; None: it is reached by kubectl port-forward alone, as a name of this machine.
    """

    def __init__(
        self, people: People, sessions: Sessions, as_seen_by: Callable[[Session], Cluster], url: str | None
    ) -> None:
        self._people = people
        self._sessions = sessions
        self._as_seen_by = as_seen_by
        self._url = url
        # A cookie of this prefix is taken by browsers over TLS alone, and from this very host.
        self._cookie = "__Host-verdigris" if url else "verdigris"
        self.address = url or "it by kubectl port-forward, as http://localhost:PORT, or set page.url of the chart"

    def origin(self, host: str) -> str | None:
        """That of `url`; without it, any port of the machine on which port-forward runs: nothing leaves it in clear."""
        if self._url is not None:
            return self._url if f"https://{host}" == self._url else None
        return f"http://{host}" if _LOCAL.fullmatch(host) else None

    async def enter(self, request: Request) -> Visitor | Answer:
        """See `Door`."""
        if request.path == "/login":
            return await self._signing_in(request) if request.method == "POST" else self._form(request)
        session = self._sessions.find(request.cookies.get(self._cookie, ""))
        if session is None or not await self._is_still(session):
            if request.method == "POST":
                raise Denied("You are not signed in any more, so nothing was done. Sign in, and do it again.")
            return elsewhere("/login")
        return Visitor(self._as_seen_by(session), session.csrf, session.name, leaves=True)

    async def leave(self, visitor: Visitor) -> Answer:
        """Forget the session and its token."""
        session = self._sessions.find(visitor.session)
        if session is not None:
            self._sessions.end(session)
        return elsewhere("/login", {"Set-Cookie": self._set(self._cookie, "", 0)})

    async def _is_still(self, session: Session) -> bool:
        now = self._people.clock()
        if now - session.reviewed < REVIEW:
            return True
        person = await self._people.of(session.token)
        if person is None or person.name != session.person.name:
            self._sessions.end(session)
            return False
        # Also the groups of now.
        session.person, session.reviewed = person, now
        return True

    def _form(self, request: Request, told: str = "", status: int = 200) -> Answer:
        """The form bears what a cookie bears as well: another site can set neither."""
        known = request.cookies.get(self._login_cookie, "")
        csrf = known if re.fullmatch(r"[\w-]{43}", known) else secrets.token_urlsafe(32)
        return shown(login(csrf, told), status, {"Set-Cookie": self._set(self._login_cookie, csrf, 600)})

    async def _signing_in(self, request: Request) -> Answer:
        check_csrf(request, request.cookies.get(self._login_cookie, ""))
        token = request.form.get("token", "").strip()
        person = await self._people.of(token) if _TOKEN.fullmatch(token) else None
        if person is None:
            log.info("a token that was pasted is nobody's")
            told = "The API server knows nobody by this token: it may have expired, or be of another cluster."
            return self._form(request, f"{told} Paste a new one.", 403)
        before = self._sessions.find(request.cookies.get(self._cookie, ""))
        if before is not None:
            self._sessions.end(before)
        session = self._sessions.begin(person, token)
        log.info("%s has signed in", plain(person.name))
        return elsewhere("/", {"Set-Cookie": self._set(self._cookie, session.name, None)})

    @property
    def _login_cookie(self) -> str:
        return f"{self._cookie}-login"

    def _set(self, name: str, value: str, seconds: int | None) -> str:
        return cookie(name, value, secure=self._url is not None, seconds=seconds)
