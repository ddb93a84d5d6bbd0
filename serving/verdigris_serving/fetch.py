"""The init step, ``python -m verdigris_serving.fetch``: fetch the artifact, verify it, say how that went.

Exit code 0: the verified artifact is in place. 1: it is not, and the termination message says why.
"""

import hashlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from verdigris_serving.artifact.limits import bounded_time
from verdigris_serving.artifact.verify import load_verified
from verdigris_serving.fetching.port import safe_uri
from verdigris_serving.fetching.stream import Limits, download
from verdigris_serving.logs import set_up_logging
from verdigris_serving.reasons import Reason, ServingError, write_termination
from verdigris_serving.settings import FetchSettings, termination_log

_log = logging.getLogger("verdigris.fetch")


def fetch(settings: FetchSettings, termination: str = os.devnull) -> str:
    """Put the verified artifact at ``settings.model.path``; return its SHA-256. Raises ServingError.

    ``termination`` is where it is written when loading does not end.
    """
    model = settings.model
    if _already_there(model.path, model.expected.sha256):
        _log.info("%s is already there with the right SHA-256", model.path)
    else:
        limits = Limits(settings.deadline, settings.stall, model.max_bytes)
        download(settings.uri, model.path, sha256=model.expected.sha256, limits=limits, log=_log.warning)
    try:
        with bounded_time(termination):
            loaded = load_verified(model.path, model.expected, max_bytes=model.max_bytes)
    except ServingError:
        # The server must not find what was refused here.
        model.path.unlink(missing_ok=True)
        raise
    _log.info("%s: verified, %d golden rows pass", safe_uri(settings.uri), loaded.golden_rows)
    return loaded.sha256


def _already_there(path: Path, sha256: str) -> bool:
    """True when an earlier run of this pod left the very artifact: then a restart does not need its source."""
    if not sha256 or not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(1)


def main(env: Mapping[str, str] = os.environ) -> int:
    """The process: settings from ``env``, the result as an exit code and a termination message."""
    # As process 1 of a container nothing ends us on SIGTERM unless we say so.
    signal.signal(signal.SIGTERM, _stop)
    set_up_logging()
    try:
        sha256 = fetch(FetchSettings.from_environment(env), termination_log(env))
    except ServingError as failure:
        _log.error("%s", failure.message, extra={"fields": {"reason": failure.reason}})
        write_termination(termination_log(env), failure.reason, failure.message)
        return 1
    except Exception as error:
        message = f"the init step failed in a way it does not know ({type(error).__name__}); its log has the trace"
        _log.exception("%s", message)
        write_termination(termination_log(env), Reason.INTERNAL_ERROR, message)
        return 1
    write_termination(termination_log(env), Reason.VERIFIED, f"sha256 {sha256}")
    return 0


def run() -> NoReturn:
    """``main``, and then the end of the process.

    At once, because the object stores' client has threads of its own: one that meets an interpreter which is being
    taken down aborts the process, and its exit code is then not ours.
    """
    try:
        code = main()
    except SystemExit as stopped:
        code = 1 if stopped.code else 0
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
