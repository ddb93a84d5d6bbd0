"""What a process of its own does for the tests of limits, where memory is scarce and no other thread runs."""

import contextlib
import io
import resource
from pathlib import Path

import pytest

from verdigris_serving.artifact import limits
from verdigris_serving.artifact.limits import TooCostly, bounded_memory
from verdigris_serving.artifact.verify import Expectation, verify_bytes
from verdigris_serving.cli import main
from verdigris_serving.model import onnx_model, sklearn_model  # noqa: F401 - no part of what an artifact costs
from verdigris_serving.reasons import Reason, ServingError


def leave_little() -> None:
    """Let this process find no more memory than there always is."""
    limits.memory_left = lambda: limits.LEAST


def resident(name: str) -> int:
    """Bytes of this process, ``VmRSS`` now or ``VmHWM`` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def refusal_of(data: bytes) -> tuple[Reason, str, int]:
    """Why the bytes are refused, in words too, and the most memory in bytes that it took to find out."""
    Path("/proc/self/clear_refs").write_text("5")  # the most so far is what it is now
    before = resident("VmRSS")
    with pytest.raises(ServingError) as refused:
        verify_bytes(data, Expectation(), where="m.vmodel")
    return refused.value.reason, refused.value.message, resident("VmHWM") - before


def golden_rows_of(data: bytes) -> int:
    """How many golden rows the artifact passes."""
    return verify_bytes(data, Expectation(), where="m").golden_rows


def said_by(*arguments: str) -> tuple[int, str]:
    """The exit code of the command and what it wrote to standard error."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        return main(list(arguments)), said.getvalue()


def bounded(error: str) -> int:
    """The limit in bytes after loading was ended by want of memory (``memory``) or by something else."""
    ended = TooCostly if error == "memory" else KeyError
    with pytest.raises(ended), bounded_memory():  # noqa: PT012 - two ways to end
        if error == "memory":
            bytearray(2 * limits.LEAST)
        raise KeyError
    return resource.getrlimit(resource.RLIMIT_DATA)[0]
