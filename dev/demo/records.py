"""What the clients saw, as values: one `Request` for each record that the client program wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["new", "keepalive"]
Result = Literal["answered", "bad", "lost"]
KINDS: tuple[Kind, Kind] = ("new", "keepalive")


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when it was due (unix seconds), how long it took (seconds), and what came back."""

    due: float
    latency: float
    kind: Kind
    status: int | None
    version: str | None
    error: str | None

    @property
    def ended(self) -> float:
        """When its answer or its error came, in unix seconds."""
        return self.due + self.latency

    @property
    def result(self) -> Result:
        """`answered` (200), `bad` (500, the model's own fault) or `lost` (anything else, e.g. refused, reset, 503)."""
        if self.status == 200:
            return "answered"
        return "bad" if self.status == 500 else "lost"

    @property
    def outcome(self) -> str:
        """The HTTP status or the class of the error, as one word."""
        return str(self.status) if self.status is not None else str(self.error)


class RecordsMissingError(Exception):
    """A line of records did not arrive, so that nothing may be said about what was lost."""


@dataclass
class Reader:
    """Turns lines into requests, and insists that none is missing."""

    next_seq: int = 0
    flushed: float = 0.0

    def read(self, line: str) -> list[Request]:
        """The requests of one line. Lines seen before are skipped; raises RecordsMissingError when one is missing."""
        if not line.startswith('{"seq":'):
            return []
        batch = json.loads(line)
        if batch["seq"] < self.next_seq:
            return []
        if batch["seq"] > self.next_seq:
            raise RecordsMissingError(
                f"the clients' records {self.next_seq} to {batch['seq'] - 1} did not arrive: the figures would be "
                "a guess. Run the demo again; if it recurs, look at `kubectl -n demo logs clients`"
            )
        self.next_seq += 1
        self.flushed = batch["flushed"]
        return [Request(*record) for record in batch["records"]]


def within(requests: Iterable[Request], begin: float, end: float) -> Iterator[Request]:
    """The requests that were due from `begin` to `end`, unix seconds, `end` excluded."""
    return (request for request in requests if begin <= request.due < end)
