"""One try to tell a receiver."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp

from verdigris.webhooks.message import Message, headers
from verdigris.webhooks.receiver import Receiver

SECONDS = 10.0
"""A receiver has so long to answer."""
_GONE = 410
_NOT_NOW = (408, 425, 429)


@dataclass(frozen=True)
class Try:
    """What came of it. `problem` is empty when it was taken; with `final` another try would change nothing."""

    problem: str = ""
    final: bool = False
    after: float = 0.0
    """Seconds that the receiver asks to wait before the next try."""


async def post(session: aiohttp.ClientSession, receiver: Receiver, sent: Message, now: float) -> Try:
    """Never raises; what it says names no address. `now` in Unix seconds."""
    try:
        async with session.post(
            receiver.url.get_secret_value(),
            data=sent.body,
            headers=headers(receiver, sent, int(now)),
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            allow_redirects=False,
        ) as answer:
            return _read(answer.status, answer.headers.get("retry-after", ""), now)
    except TimeoutError:
        return Try(f"it did not answer within {SECONDS:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Its message would name the address, which is a secret.
        return Try(f"it cannot be reached ({type(error).__name__})")


def _read(status: int, retry_after: str, now: float) -> Try:
    if 200 <= status < 300:
        return Try()
    if status == _GONE:
        return Try("it answered 410: it wants no more of this", final=True)
    if 300 <= status < 400:
        return Try(f"it answered {status}: give the address that it redirects to", final=True)
    if 400 <= status < 500 and status not in _NOT_NOW:
        return Try(f"it answered {status}: check its address and its key", final=True)
    return Try(f"it answered {status}", after=_seconds(retry_after, now))


def _seconds(retry_after: str, now: float) -> float:
    """RFC 9110, section 10.2.3: seconds, or a date."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return 0.0
