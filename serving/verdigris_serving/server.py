"""The server, ``python -m verdigris_serving.server``: take the port, and only then import what it takes to serve.

A kubelet asks once a second, and Python needs a good part of one to import everything. A probe that found no socket
would come back a second later; this one waits in the socket's queue and is answered with the first breath. Nothing
answers before the checksum, the load and the golden rows are through (``serve.py``).
"""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from types import FrameType
from typing import NoReturn

from verdigris_serving.http.listener import DEFAULT_PORT, listen


def main(env: Mapping[str, str] = os.environ) -> int:
    """The process: settings from ``env``, the result as an exit code and a termination message."""
    # As process 1 of a container nothing ends us on SIGTERM unless we say so; serving replaces this handler.
    signal.signal(signal.SIGTERM, _stop)
    listener = _early(env)
    from verdigris_serving.serve import main as serve  # noqa: PLC0415 - the point of this module

    return serve(env, listener)


def _early(env: Mapping[str, str]) -> socket.socket | None:
    """The listening socket; None when it cannot be had, which serving will find as well and say in words."""
    try:
        return listen(int(env.get("VERDIGRIS_PORT") or DEFAULT_PORT))
    except (OSError, ValueError, OverflowError):
        return None


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def leave(code: int) -> NoReturn:
    """End the process at once: nothing is left to tidy up, and a thread that still computes is not waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
