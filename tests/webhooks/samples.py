"""Receivers and events."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from verdigris.audit.event import Entry, What, entry_of
from verdigris.audit.model import Model
from verdigris.webhooks.receiver import Receiver

KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
MODEL = Model("clinic", "diabetes", "uid-1")
AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def receiver(**fields: Any) -> Receiver:
    """One that takes signed events."""
    return Receiver.model_validate({"name": "ops", "url": "https://example.com/hook", "key": KEY, **fields})


def slack(**fields: Any) -> Receiver:
    """One that takes text."""
    return receiver(format="slack", key=None, **fields)


def entry(what: What = "serves", **data: Any) -> Entry:
    """An event about the model."""
    return entry_of(MODEL, what, (what, "1"), AT, data={"version": "1.1.0", **data})
