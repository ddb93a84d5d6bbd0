"""Faults of processes: killed, or frozen for a while. The local provider's containers are processes of this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dev.cluster.shell import ClusterError
from dev.demo.kube import Object

PROC = Path("/proc")


def of_pod(pod: Object, proc: Path = PROC) -> list[int]:
    """The pids of all that runs in the pod's containers, ascending. Raises ClusterError when nothing does."""
    statuses: list[dict[str, Any]] = pod.get("status", {}).get("containerStatuses", [])
    ids = [identity for status in statuses if (identity := status.get("containerID", "").rpartition("/")[2])]
    pids = (int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    found = sorted(pid for pid in pids if any(identity in _cgroups(proc, pid) for identity in ids))
    if not found:
        raise ClusterError(
            f"No process of this machine belongs to pod {pod['metadata']['name']}: either it has ended, or the "
            "cluster's containers run elsewhere (run this with VERDIGRIS_PROVIDER=local)."
        )
    return found


def kill(pids: Iterable[int]) -> None:
    """SIGKILL, to those that are still there."""
    _send(pids, signal.SIGKILL)


@contextmanager
def frozen(pids: Iterable[int]) -> Iterator[None]:
    """SIGSTOP now; SIGCONT when the block ends, however it ends."""
    chosen = list(pids)
    try:
        _send(chosen, signal.SIGSTOP)
        yield
    finally:
        _send(chosen, signal.SIGCONT)


def _send(pids: Iterable[int], which: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, which)


def _cgroups(proc: Path, pid: int) -> str:
    """The paths of its cgroups, in which its container's id stands; empty when it has ended."""
    try:
        return (proc / str(pid) / "cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
