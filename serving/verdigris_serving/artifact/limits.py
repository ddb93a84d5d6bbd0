"""What loading an artifact may cost: beyond it there is a sentence, where the kernel would end the process with none.

Memory is bounded by RLIMIT_DATA of this very process while it loads: what would be too much is a MemoryError, of
whatever reader (docs/design/0027-limits.md says why not in a child). Time is bounded by a thread that ends the process.

A limit of the process is one of all its threads, and a thread that starts without memory for it is waited for by its
starter for ever (CPython). So memory is bounded only where no other thread runs: in a pod and on the command line, not
in a notebook.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from verdigris_serving.reasons import Reason, write_termination

#: Bytes that loading may always take: libraries set aside more than they use.
LEAST = 128 * 2**20
#: How the names of threads begin that may fail for want of memory: nobody waits for them.
OWN_THREADS = "verdigris-"
#: Seconds for loading and the golden rows. The slowest sound artifact that was seen took some 20.
SECONDS = 300.0
#: Share of the limit that is given out: what the kernel keeps for a process counts, too.
_SHARE = 0.9
#: A container's own limit in bytes, by cgroup version 2 and 1.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class TooCostly(Exception):
    """Loading takes more memory than there is; the message says how much there was and what to do."""


def memory_left() -> int | None:
    """Bytes that this process may still take before the kernel ends it; None where that cannot be known."""
    try:
        available = _kib(Path("/proc/meminfo"), "MemAvailable")
        used = _kib(Path("/proc/self/status"), "VmRSS")
    except (OSError, ValueError):
        return None
    limit = memory_limit()
    found = [int(available * _SHARE)] + ([] if limit is None else [int(limit * _SHARE) - used])
    return max(LEAST, min(found))


def memory_limit() -> int | None:
    """Bytes at which the kernel ends this container; None where there is no such limit, or none that can be read."""
    found = []
    for path in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(path.read_text()))
    # Version 1 writes no limit as the largest number of whole pages.
    return min((limit for limit in found if limit < 2**62), default=None)


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Within it the process takes no more memory than there is. Raises TooCostly in place of whatever that caused.

    On Linux only, and where no thread of somebody else would meet the limit.
    """
    left = memory_left() if sys.platform == "linux" and _alone() else None
    if left is None:
        yield
        return
    import resource  # noqa: PLC0415 - Windows has none

    before = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = _kib(Path("/proc/self/status"), "VmData") + left
    if before[0] != resource.RLIM_INFINITY:
        allowed = min(allowed, before[0])
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, before[1]))
    try:
        yield
    except Exception as error:
        resource.setrlimit(resource.RLIMIT_DATA, before)
        if not _for_want_of_memory(error):
            raise
        raise TooCostly(
            f"loading it takes more than the {left >> 20} MiB of memory that are left here. If it is the right "
            "artifact, raise spec.serving.resources.limits.memory"
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextlib.contextmanager
def bounded_time(termination: str, seconds: float = SECONDS) -> Iterator[None]:
    """Ends the process when what is within takes longer, with exit code 1 and its reason in ``termination``.

    Not by an exception: what computes outside of Python would never meet one.
    """
    watch = threading.Timer(seconds, _give_up, (termination, seconds))
    watch.daemon = True
    watch.name = f"{OWN_THREADS}watch"
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _alone() -> bool:
    """Whether this thread is the only one of the process, but for our own that may fail."""
    others = (thread for thread in threading.enumerate() if thread is not threading.current_thread())
    return all(thread.name.startswith(OWN_THREADS) for thread in others)


def _give_up(termination: str, seconds: float) -> None:
    message = f"loading the artifact and asking its golden rows took more than {seconds:g} s: pack it again with fewer"
    print(message, file=sys.stderr, flush=True)
    write_termination(termination, Reason.ARTIFACT_INVALID, message)
    os._exit(1)


def _for_want_of_memory(error: BaseException | None) -> bool:
    """Whether a MemoryError is behind this one: readers put what they meet in words of their own."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _kib(path: Path, name: str) -> int:
    """The bytes that a file of /proc gives under ``name`` in KiB. Raises OSError, ValueError."""
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{path} has no {name}")
