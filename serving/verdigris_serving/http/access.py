"""The access log: one line for a share of the requests, and nothing in it that the caller chose.

No path as it was sent (it could hold anything), no request id, no header, no body: only which of this server's own
routes it was, the status, sizes and time. So no patient's value can ever be in it.
"""

import logging
import random
import time
from collections.abc import Callable

from verdigris_serving.http.messages import Request, Response

_log = logging.getLogger("verdigris.access")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class AccessLog:
    """Writes a line for ``share`` (0 to 1) of the requests; ``chance`` gives numbers from 0 up to 1."""

    def __init__(self, share: float, chance: Callable[[], float] = random.random) -> None:
        self._share = share
        self._chance = chance

    def note(self, request: Request, response: Response, route: str) -> None:
        """Perhaps write a line; ``route`` is this server's own word for the path."""
        if self._chance() >= self._share:
            return
        fields = {
            "method": request.method if request.method in _METHODS else "other",
            "route": route,
            "status": response.status,
            "bytes_in": len(request.body),
            "bytes_out": len(response.body),
            "ms": round((time.monotonic() - request.arrived) * 1000, 3),
        }
        _log.info("request", extra={"fields": fields})
