"""One entry of the log: a CloudEvent 1.0 in JSON whose data is a CDEvent (0.4.1), spelled canonically (RFC 8785).

What CDEvents has no word for is one of its custom events, `dev.cdeventsx.verdigris-…`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import rfc8785

from verdigris.audit.model import API, Model

CDEVENTS = "0.4.1"

What = Literal[
    "moved",
    "began",
    "gate",
    "step",
    "share",
    "deployed",
    "serves",
    "rolledback",
    "restored",
    "ended",
    "decision",
    "pod",
    "removed",
    "operator",
    "gap",
]
"""What an entry tells."""


class Kind(NamedTuple):
    """How CDEvents spells what an entry tells: the type of the event, and that of its subject."""

    type: str
    subject: str


KINDS: Mapping[What, Kind] = {
    "moved": Kind("dev.cdeventsx.verdigris-alias.moved.0.1.0", "verdigris-alias"),
    "began": Kind("dev.cdeventsx.verdigris-rollout.began.0.1.0", "verdigris-rollout"),
    "gate": Kind("dev.cdevents.testsuiterun.finished.0.2.0", "testSuiteRun"),
    "step": Kind("dev.cdeventsx.verdigris-step.ended.0.1.0", "verdigris-step"),
    "share": Kind("dev.cdeventsx.verdigris-traffic.shifted.0.1.0", "verdigris-traffic"),
    "deployed": Kind("dev.cdevents.service.deployed.0.2.0", "service"),
    "serves": Kind("dev.cdevents.service.upgraded.0.2.0", "service"),
    "rolledback": Kind("dev.cdevents.service.rolledback.0.2.0", "service"),
    "restored": Kind("dev.cdeventsx.verdigris-traffic.restored.0.1.0", "verdigris-traffic"),
    "ended": Kind("dev.cdeventsx.verdigris-rollout.ended.0.1.0", "verdigris-rollout"),
    "decision": Kind("dev.cdeventsx.verdigris-decision.answered.0.1.0", "verdigris-decision"),
    "pod": Kind("dev.cdeventsx.verdigris-pod.removed.0.1.0", "verdigris-pod"),
    "removed": Kind("dev.cdevents.service.removed.0.2.0", "service"),
    "operator": Kind("dev.cdeventsx.verdigris-operator.started.0.1.0", "verdigris-operator"),
    "gap": Kind("dev.cdeventsx.verdigris-log.gap.0.1.0", "verdigris-log"),
}
WHAT: Mapping[str, What] = {kind.type: what for what, kind in KINDS.items()}


@dataclass(frozen=True)
class Entry:
    """What is to be recorded. `id` is made of what is recorded, so that the same thing is recorded once.

    `content` is what CDEvents defines for this type, `data` what this log adds. Both are JSON, without floats that are
    no numbers.
    """

    id: str
    what: What
    source: str
    subject: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """The CloudEvent, which is not numbered yet."""
        kind, at = KINDS[self.what], timestamp(self.at)
        context = {"version": CDEVENTS, "id": self.id, "source": self.source, "type": kind.type, "timestamp": at}
        about = {"id": self.subject, "source": self.source, "type": kind.subject, "content": dict(self.content)}
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": kind.type,
            "subject": self.subject,
            "time": at,
            "datacontenttype": "application/json",
            "data": {"context": context, "subject": about, "customData": dict(self.data)},
        }


def entry_of(
    model: Model,
    what: What,
    key: tuple[str, ...],
    at: datetime,
    *,
    data: Mapping[str, Any],
    content: Mapping[str, Any] | None = None,
) -> Entry:
    """An entry about a model; `key` is what tells it from all others about it, and is part of its id."""
    known = {name: value for name, value in data.items() if value is not None}
    return Entry("/".join((model.uid, *key)), what, model.source, model.subject, at, known, content or {})


def numbered(event: Mapping[str, Any], number: int, recorded: datetime) -> bytes:
    """The line of the log, with its newline: the event with its place in the log, and when it was put there."""
    return spelled({**event, "sequence": f"{number:012d}", "recordedtime": timestamp(recorded)}) + b"\n"


def spelled(event: Mapping[str, Any]) -> bytes:
    """The event as it is spelled canonically. Raises rfc8785.CanonicalizationError for what JSON cannot say."""
    return rfc8785.dumps(_as_doubles(event))


_EXACT = 2**53 - 1
"""Up to here whole numbers are themselves. JSON's numbers are doubles (RFC 8785, 3.2.2.3): a larger one is the nearest
of those, whether it was an int or a float, so that what is spelled is spelled the same once it has been read."""


def _as_doubles(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _as_doubles(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_doubles(inner) for inner in value]
    return float(value) if isinstance(value, int) and abs(value) > _EXACT else value


def _number(digits: str) -> int | float:
    """A whole number of a line. Raises ValueError for thousands of digits."""
    return whole if abs(whole := int(digits)) <= _EXACT else float(digits)


def can_be_spelled(event: Mapping[str, Any]) -> bool:
    """Whether it has a canonical spelling: a whole number beyond 2**53 has none, nor has half a character."""
    try:
        rfc8785.dumps(dict(event))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError):
        return False
    return True


def sequence_of(event: Mapping[str, Any]) -> int | None:
    """The number that an event says it has; None when it says none."""
    said = event.get("sequence")
    return int(said) if isinstance(said, str) and _SEQUENCE.fullmatch(said) else None


_SEQUENCE = re.compile("[0-9]{1,18}")


def read_line(line: bytes) -> dict[str, Any] | None:
    """The event of a line without its newline. None when that is no JSON object, or not spelled canonically."""
    event = parse_line(line)
    try:
        return event if event is not None and rfc8785.dumps(event) == line else None
    except rfc8785.CanonicalizationError:
        return None


def parse_line(line: bytes) -> dict[str, Any] | None:
    """As `read_line`, however it is spelled: an eighth of the time, for what is held against a signed hash anyway."""
    try:
        event = json.loads(line, parse_int=_number)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC to the millisecond, as times stand in a status: what was read again has the same spelling."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def operator_started(version: str, identity: str, at: datetime) -> Entry:
    """The entry that says which operator, of which version, writes from here on."""
    source = f"{API}/operators/{quote(identity, safe='')}"
    return Entry(f"operator/{identity}", "operator", source, identity, at, {"version": version})


def gap(dropped: int, at: datetime, identity: str, ordinal: int) -> Entry:
    """The entry that says that so many could not be kept; those that the statuses still tell come after it."""
    source = f"{API}/operators/{quote(identity, safe='')}"
    return Entry(f"gap/{identity}/{ordinal}", "gap", source, identity, at, {"dropped": dropped})
