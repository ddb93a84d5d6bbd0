"""The door of one person: a secret that opens it once, then a cookie."""

from __future__ import annotations

import hmac
import secrets
import threading

from verdigris.web.port import Cluster, Denied
from verdigris.web.site.door import Visitor
from verdigris.web.site.messages import Answer, Request, cookie, elsewhere


class LoopbackDoor:
    """Lets in whoever has the address that was printed. `port` is where the page listens."""

    def __init__(self, cluster: Cluster, port: int) -> None:
        self._cluster = cluster
        # Cookies know no ports: two dashboards must not take each other's.
        self._cookie = f"verdigris-{port}"
        self._lock = threading.Lock()
        self._token: str | None = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self._csrf = secrets.token_urlsafe(32)
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self.address = f"http://{self._hosts[0]}"

    @property
    def opening(self) -> str:
        """What to open. It opens once."""
        return f"{self.address}/?token={self._token}"

    def origin(self, host: str) -> str | None:
        """By either name of this machine's own address."""
        return f"http://{host}" if host in self._hosts else None

    async def enter(self, request: Request) -> Visitor | Answer:
        """Raises Denied for whoever has neither the cookie nor the token."""
        shown = request.cookies.get(self._cookie, "")
        if hmac.compare_digest(shown.encode(), self._session.encode()):
            return Visitor(self._cluster, self._csrf, self._session)
        if request.method == "GET" and request.path == "/" and self._opens(request.query.get("token", "")):
            return elsewhere("/", {"Set-Cookie": cookie(self._cookie, self._session, secure=False)})
        raise Denied(
            "Open the address that kubectl verdigris dashboard has printed. It opens once, in one browser: for another "
            "one end it with Ctrl-C, and run it again."
        )

    async def leave(self, visitor: Visitor) -> Answer:  # noqa: ARG002 - the port has it
        """There is no signing out: Ctrl-C ends it all."""
        raise Denied("End kubectl verdigris dashboard with Ctrl-C.")

    def _opens(self, token: str) -> bool:
        with self._lock:
            right = self._token is not None and hmac.compare_digest(token.encode(), self._token.encode())
            if right:
                self._token = None
            return right
