"""Requests and answers without a server, and the headers that every answer has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HTML = "text/html; charset=utf-8"
MOST_BODY = 16 * 1024
"""Bytes of a form: a token of some kilobytes and a reason."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that, browsers call the origin of our own forms null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer. An answer may have a Cache-Control of its own."""
STREAM_HEADERS = {**HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Request:
    """Names of `headers` are in lower case; `form` is that of a POST, with one value a name."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """`headers` are those beside `HEADERS`, which the shells add by `all_headers`."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def all_headers(self) -> dict[str, str]:
        """All that are sent, but for the length."""
        return {**HEADERS, "Content-Type": HTML, **self.headers}


def shown(html: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A page."""
    return Answer(status, html.encode(), headers or {})


def elsewhere(to: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Go on there by a GET."""
    return Answer(303, b"", {"Location": to, **(headers or {})})


def cookie(name: str, value: str, *, secure: bool, seconds: int | None = None) -> str:
    """A Set-Cookie that no script reads and no other site makes the browser send."""
    lasts = "" if seconds is None else f"; Max-Age={seconds}"
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}{lasts}"
