"""How the operator shows itself to its own Prometheus: a token or a password, a tenant, a certificate authority.

They are files of one folder, as a mounted Secret makes them, and are read again when they change. They are sent to the
operator's own addresses only: what a tenant names gets none of them.
"""

from __future__ import annotations

import base64
import logging
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from verdigris.core.facts.trust import same_address

log = logging.getLogger(__name__)

FRESH = 10.0
"""Seconds that what was read is used before the folder is looked at again."""
FILES = ("token", "username", "password", "tenant", "ca.crt")
TENANT_HEADER = "X-Scope-OrgID"
"""As Mimir, Cortex, Loki and their like name it."""


@dataclass(frozen=True)
class Papers:
    """What is shown with a request: headers, and what the server's certificate is checked by (True: the system's)."""

    headers: dict[str, str] = field(default_factory=dict)
    trust: ssl.SSLContext | bool = True


NOTHING = Papers()


class Access:
    """The papers for an address. `folder` None, or without any of `FILES`: there are none for anybody.

    Raises nothing: a file that cannot be used is logged, once for each content, and left out. Prometheus then says no,
    which is told where it matters.
    """

    def __init__(
        self, own: Iterable[str] = (), folder: Path | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._own = tuple(own)
        self._folder = folder
        self._monotonic = monotonic
        self._read_at = float("-inf")
        self._content: dict[str, bytes] = {}
        self._papers = NOTHING

    def is_own(self, address: str) -> bool:
        """Whether it is one of the operator's own addresses."""
        return any(same_address(address, one) for one in self._own)

    def papers(self, address: str) -> Papers:
        """What to show to the server at this address."""
        if self._folder is None or not self.is_own(address):
            return NOTHING
        now = self._monotonic()
        if now - self._read_at >= FRESH:
            self._read_at = now
            content = _contents(self._folder)
            if content != self._content:
                self._content, self._papers = content, _papers(content)
        return self._papers

    def refusal(self, address: str, status: int) -> str:
        """What an answer of 401 or 403 means, to complete "Prometheus at <address> ..."."""
        if not self.is_own(address):
            return (
                f"refuses the operator ({status}): credentials are sent to the operator's own Prometheus only, so "
                "leave spec.analysis.prometheus.address out, or name one that needs none"
            )
        secret = "the Secret that prometheus.auth.secretName names in the values of the operator's chart"
        papers = self.papers(address)
        if not papers.headers:
            return f"wants credentials ({status}): put a token, or a username and a password, into {secret}"
        shown = " and ".join(_SHOWN[name] for name in papers.headers)
        return f"does not accept the operator's {shown} ({status}): correct {secret}; it is read again within a minute"


_SHOWN = {"Authorization": "credentials", TENANT_HEADER: "tenant"}


def _contents(folder: Path) -> dict[str, bytes]:
    """The files that are there. Kubernetes swaps a whole folder at once, so they belong together."""
    found = {}
    for name in FILES:
        try:
            found[name] = (folder / name).read_bytes().strip()
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("%s cannot be read (%s): Prometheus is asked without it", folder / name, error)
    return {name: content for name, content in found.items() if content}


def _papers(content: dict[str, bytes]) -> Papers:
    headers: dict[str, str] = {}
    if "token" in content:
        headers["Authorization"] = f"Bearer {_text(content, 'token')}"
    elif "username" in content:
        pair = content["username"] + b":" + content.get("password", b"")
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    if "tenant" in content:
        headers[TENANT_HEADER] = _text(content, "tenant")
    usable = {name: value for name, value in headers.items() if value.isprintable() and value.isascii()}
    for name in headers.keys() - usable.keys():
        log.warning("what is to be sent as %s has characters that no header may have: it is not sent", name)
    return Papers(usable, _trust(content.get("ca.crt")))


def _text(content: dict[str, bytes], name: str) -> str:
    return content[name].decode(errors="replace")


def _trust(authority: bytes | None) -> ssl.SSLContext | bool:
    if authority is None:
        return True
    try:
        return ssl.create_default_context(cadata=authority.decode())
    except (ssl.SSLError, ValueError) as error:
        log.warning("ca.crt is no certificate in PEM (%s): the system's authorities are trusted instead", error)
        return True
