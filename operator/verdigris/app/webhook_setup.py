"""Webhooks by the settings: who is told, and what /metrics says of it.

What tells is imported once it is asked for: an operator without webhooks does not pay for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from prometheus_client import CollectorRegistry, Counter, Gauge

if TYPE_CHECKING:
    from verdigris.app.webhooks import Webhooks

log = logging.getLogger(__name__)


class WebhookMetrics:
    """The series of webhooks. Receivers are named by who runs the operator: they are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._went = Counter(
            "verdigris_webhooks_total",
            "Messages to webhooks: sent, refused by their receiver, or dropped for want of room or time.",
            ["receiver", "outcome"],
            registry=registry,
        )
        self._waiting = Gauge("verdigris_webhooks_waiting", "Messages that wait.", ["receiver"], registry=registry)

    def went(self, receiver: str, outcome: str) -> None:
        """A message was sent, refused or dropped."""
        self._went.labels(receiver, outcome).inc()

    def waiting(self, receiver: str, count: int) -> None:
        """So many wait for it."""
        self._waiting.labels(receiver).set(count)


def webhooks(
    file: Path | None, session: aiohttp.ClientSession, registry: CollectorRegistry, now: Callable[[], datetime]
) -> Webhooks | None:
    """Who is told, by that file; None without one. One that cannot be used is a warning: nobody is told then."""
    if file is None:
        return None
    from verdigris.adapters.webhooks.post import Try, post  # noqa: PLC0415
    from verdigris.app.webhooks import Webhooks  # noqa: PLC0415
    from verdigris.webhooks.message import Message  # noqa: PLC0415
    from verdigris.webhooks.receiver import Receiver, ReceiversError, read_receivers  # noqa: PLC0415

    try:
        receivers = read_receivers(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ReceiversError) as error:
        todo = f"Mend {file.name} in the Secret that webhooks.secretName names, and restart the operator."
        log.error("webhooks: nobody is told of anything: %s. %s", error, todo)
        return None

    async def send(receiver: Receiver, sent: Message) -> Try:
        return await post(session, receiver, sent, time.time())

    return Webhooks(receivers, post=send, told=WebhookMetrics(registry), now=now, clock=time.monotonic)
