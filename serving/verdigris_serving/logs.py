"""One JSON object a line on standard error. No patient value may ever be passed to a log call."""

import json
import logging
import sys
import time


class JsonFormatter(logging.Formatter):
    """``time`` (RFC 3339, UTC), ``level``, ``message``, whatever is in ``extra={"fields": {...}}``, and a trace."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_logging() -> None:
    """Send every logger of the process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class Sparse:
    """Lets one message a second through and counts the rest, so that a failing model cannot flood the log."""

    def __init__(self, period: float = 1.0) -> None:
        self._period = period
        self._next = float("-inf")
        self._held = 0

    def allow(self, now: float) -> int | None:
        """None to stay silent at ``now`` (seconds, monotonic), else how many were held back since the last one."""
        if now < self._next:
            self._held += 1
            return None
        held, self._held, self._next = self._held, 0, now + self._period
        return held
