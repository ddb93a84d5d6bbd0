"""Who may come in: what a request must be like whoever sends it, and what a door is."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Protocol

from verdigris.web.port import Cluster, Denied
from verdigris.web.site.messages import Answer, Request


@dataclass(frozen=True)
class Visitor:
    """Somebody who is in: the cluster as they may see it, and the token that their forms must bear."""

    cluster: Cluster
    csrf: str
    session: str
    leaves: bool = False


class Door(Protocol):
    """Knows people by their requests."""

    def origin(self, host: str) -> str | None:
        """The origin (`https://host:port`) by which the page is reached under this Host; None where it may not be."""
        ...

    @property
    def address(self) -> str:
        """Where to open the page, for a sentence."""
        ...

    async def enter(self, request: Request) -> Visitor | Answer:
        """Who it is, or what to answer to somebody who is not in (yet). Raises Trouble."""
        ...

    async def leave(self, visitor: Visitor) -> Answer:
        """Forget them."""
        ...


def origin_of(request: Request, door: Door) -> str:
    """Ours. Raises Denied for a Host that is not: a name that somebody else has pointed at this address."""
    host = request.headers.get("host", "").lower()
    origin = door.origin(host)
    if origin is None:
        raise Denied(f"This page is not reached as {host[:100] or 'a host without a name'}: open {door.address}.")
    return origin


def check_origin(request: Request, ours: str) -> None:
    """Raises Denied for a form that no page of ours has sent. Browsers name the origin of every POST."""
    origin = request.headers.get("origin", "")
    if origin != ours or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise Denied("That form was sent by another site, so nothing was done. Do it on this page itself.")


def check_csrf(request: Request, wanted: str) -> None:
    """Raises Denied for a form without the visitor's own token."""
    if not wanted or not hmac.compare_digest(request.form.get("csrf", "").encode(), wanted.encode()):
        raise Denied("That form is not of this session, so nothing was done. Reload the page, and send it again.")
