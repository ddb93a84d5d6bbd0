"""The process: ``python -m verdigris_serving.gate quality|fairness|smoke|load [--config FILE]``.

The document is read from FILE, or from the variable VERDIGRIS_GATE. The answer goes to standard output whole, and to
the termination message in at most 4,096 bytes. Exit code 0: Pass. 10: Fail. 11: Inconclusive. 2: it cannot be done as
it was asked. Anything else is a crash, and no verdict.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from verdigris_serving.artifact.limits import OWN_THREADS
from verdigris_serving.gate.config import KINDS, deadline_of
from verdigris_serving.gate.outcome import outcome, refused
from verdigris_serving.gate.result import EXIT_BAD_INPUT, EXIT_CODES, EXIT_CRASH, Result, Verdict, bounded, encoded
from verdigris_serving.logs import set_up_logging
from verdigris_serving.reasons import leave_termination
from verdigris_serving.settings import termination_log

_log = logging.getLogger("verdigris.gate")
#: As of a process that SIGTERM ended.
_STOPPED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Judge, tell, and return the exit code."""
    options = _options().parse_args(arguments)
    set_up_logging()
    signal.signal(signal.SIGTERM, _stop)
    try:
        document = _document(options.config, env)
    except (OSError, ValueError) as error:
        told = f"there is no document to follow: {error}. Give --config FILE, or put it into VERDIGRIS_GATE"
        return _tell(refused(options.gate, "ConfigInvalid", told, b"", time.monotonic()), EXIT_BAD_INPUT, env)
    watch = _watch(options.gate, document, env)
    try:
        result, code = outcome(options.gate, document, env)
    except Exception:
        _log.exception("the gate failed in a way it does not know: this is no verdict on the model")
        return EXIT_CRASH
    watch.cancel()
    return _tell(result, code, env)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m verdigris_serving.gate", description="One gate, one verdict.")
    parser.add_argument("gate", choices=sorted(KINDS))
    parser.add_argument("--config", type=Path, help="the document, as JSON (default: the variable VERDIGRIS_GATE)")
    return parser


def _document(path: Path | None, env: Mapping[str, str]) -> bytes:
    if path is not None:
        return path.read_bytes()
    if not env.get("VERDIGRIS_GATE"):
        raise ValueError("VERDIGRIS_GATE is empty")
    return env["VERDIGRIS_GATE"].encode(errors="surrogateescape")


def _tell(result: Result, code: int, env: Mapping[str, str]) -> int:
    sys.stdout.buffer.write(encoded(result) + b"\n")
    sys.stdout.buffer.flush()
    leave_termination(termination_log(env), bounded(result))
    return code


def _watch(gate: str, document: bytes, env: Mapping[str, str]) -> threading.Timer:
    """Ends the process at its deadline: what computes, or waits outside of Python, would meet no exception."""
    began, seconds = time.monotonic(), deadline_of(gate, document)

    def late() -> None:
        message = f"the gate was not done within {seconds:g} s, its deadlineSeconds: give it more time, or less to do"
        result = refused(gate, "DeadlineExceeded", message, document, began)
        leave(_tell(result, EXIT_CODES[Verdict.INCONCLUSIVE], env))

    watch = threading.Timer(seconds, late)
    watch.daemon = True
    # So named, it does not keep loading from bounding its memory (artifact/limits.py).
    watch.name = f"{OWN_THREADS}deadline"
    watch.start()
    return watch


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(_STOPPED)


def leave(code: int) -> NoReturn:
    """End the process at once: threads of the object stores' client abort an interpreter that is being taken down."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run() -> NoReturn:
    """``main``, and then the end of the process."""
    try:
        code = main()
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else EXIT_CRASH
    leave(code)


if __name__ == "__main__":
    run()
