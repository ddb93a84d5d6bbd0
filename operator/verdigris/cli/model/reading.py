"""Taking JSON documents apart that a newer or an older operator may have written: what is not there is not there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from verdigris.api.schema.durations import parse_duration
from verdigris.api.schema.text import plain

Raw = Mapping[str, Any]


def part(raw: Any, *path: str) -> Raw:
    """The object at this path; empty where there is none."""
    for name in path:
        raw = raw.get(name) if isinstance(raw, Mapping) else None
    return raw if isinstance(raw, Mapping) else {}


def parts(raw: Any, *path: str) -> list[Raw]:
    """The objects of the list at this path; empty where there is none."""
    found = part(raw, *path[:-1]).get(path[-1])
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def text(raw: Raw, name: str) -> str:
    """The text of that name, as it may be shown in a terminal; empty where there is none."""
    found = raw.get(name)
    return plain(found) if isinstance(found, str) else ""


def whole(raw: Raw, name: str) -> int:
    """The whole number of that name; 0 where there is none."""
    return int(number(raw, name) or 0)


def number(raw: Raw, name: str) -> float | None:
    """The number of that name; None where there is none."""
    found = raw.get(name)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def time_of(written: str) -> datetime | None:
    """RFC 3339 as an aware datetime; None for what is none."""
    try:
        found = datetime.fromisoformat(written.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def length_of(written: str) -> timedelta | None:
    """`5m` as a timedelta; None for what is no duration."""
    try:
        return parse_duration(written)
    except ValueError:
        return None
