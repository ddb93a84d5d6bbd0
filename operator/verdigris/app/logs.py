"""Logging: one JSON object a line on stderr, kopf's loggers included."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO

from verdigris.core.words import plain

context: ContextVar[Mapping[str, str]] = ContextVar("verdigris_log_context", default=MappingProxyType({}))
"""Fields that every record of the current task carries: `key`, and `revision` while a rollout is under way."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_CALLED_TOO_MUCH = ("aiohttp.access", "asyncio")


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "msg", ...}`: the context of the task, and `error` with a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
            **context.get(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        # JSON escapes control characters; the marks that turn the direction of writing, and the like, it lets pass.
        return plain(json.dumps(line, ensure_ascii=False))


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send everything of this level and above to `stream` (default: stderr) as JSON lines. Level as in settings."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    # kopf tells of each login and each handler; what we do ourselves says more.
    logging.getLogger("kopf").setLevel(max(_LEVELS[level], logging.WARNING))
    for name in _CALLED_TOO_MUCH:
        logging.getLogger(name).setLevel(logging.WARNING)
