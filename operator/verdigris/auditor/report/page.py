"""Writes the report: as one HTML page that needs nothing else, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from verdigris.audit.event import timestamp
from verdigris.auditor.report.story import Story


@dataclass(frozen=True)
class Source:
    """The log that it was made from: who signed it, how long it is, and the checkpoint over it."""

    key: str
    size: int
    checkpoint: str
    proofs: Mapping[int, list[str]]
    """The audit path of each entry that the report rests on, in base64, from the entry upwards."""


def as_json(story: Story, source: Source) -> str:
    """One JSON document, with times in RFC 3339."""
    whole = {"log": asdict(source), **asdict(story)}
    return json.dumps(whole, indent=2, default=_plain, ensure_ascii=False) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return timestamp(value)
    raise TypeError(f"{type(value).__name__} is not for a report")


def as_html(story: Story, source: Source) -> str:
    """One page, without a script and without anything from elsewhere."""
    from jinja2 import ChainableUndefined, Environment, PackageLoader  # noqa: PLC0415 - JSON goes without it

    environment = Environment(
        loader=PackageLoader("verdigris.auditor.report", "."),
        autoescape=True,
        # An entry of another operator's version may not have all of it.
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"time": _time, "number": _number, "interval": _interval, "percent": _percent}
    return environment.get_template("page.html.j2").render(story=story, source=source) + "\n"


def _time(at: Any) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S") if isinstance(at, datetime) else ""


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _percent(value: Any) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, int | float) else ""


def _interval(check: Mapping[str, Any]) -> str:
    low, high = check.get("low"), check.get("high")
    return f"{_number(low)} to {_number(high)}" if low is not None and high is not None else ""
