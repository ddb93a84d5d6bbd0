"""The narrow port between the loop and the sources: open the artifact at an offset, read, close."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from verdigris_serving.reasons import Reason

Log = Callable[[str], None]


@dataclass(frozen=True)
class Resume:
    """What an earlier attempt left: ``offset`` bytes of the version of the artifact that ``validator`` names."""

    offset: int
    validator: str


class Reader(Protocol):
    """The part of a response or a file that streaming needs."""

    def read1(self, size: int, /) -> bytes:
        """About ``size`` bytes at most, as soon as there are any; empty at the end.

        Raises TimeoutError after a silence, IncompleteRead when the body breaks off, OSError for what else may pass.
        """

    def close(self) -> None:
        """Give the connection or the file back."""


@dataclass(frozen=True)
class Source:
    """An open artifact, its bytes from ``offset`` on.

    ``where`` is for messages. ``offset`` is 0 or the one that was asked for. ``length`` is that of the whole artifact
    in bytes, ``sha256`` its checksum in hex, each when the source declares it. ``validator`` names this version of the
    artifact for a later Resume; empty: a broken body has to be fetched again from its first byte.
    """

    where: str
    reader: Reader
    length: int | None
    offset: int = 0
    validator: str = ""
    sha256: str = ""


class Opener(Protocol):
    """One artifact at one address."""

    def open(self, timeout: float, resume: Resume | None) -> Source:
        """Open it, where ``resume`` left off if that can be; no step of it is silent for longer than ``timeout`` s.

        Raises Retry for what may pass by itself, ServingError for what will not.
        """


class Retry(Exception):
    """This attempt failed in a way that may pass; carries what to say, without a full stop, if it does not.

    ``start_over``: what is there already is of no use any more.
    """

    def __init__(self, reason: Reason, message: str, *, start_over: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.start_over = start_over


def safe_uri(uri: str) -> str:
    """The URI without user, password and query, which may hold a signature: fit for logs and messages."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the given uri"
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
