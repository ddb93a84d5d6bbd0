"""The cgroups of one cluster, under version 1 (one tree a controller) and version 2 (one tree)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from dev.cluster.settings import Settings

_ROOT = Path("/sys/fs/cgroup")


def _parents() -> list[Path]:
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [path for path in _ROOT.iterdir() if path.is_dir() and not path.is_symlink()]


def create(settings: Settings) -> None:
    """Make the cgroup under which the kubelet puts all pods; it insists that it exists."""
    for parent in _parents():
        own = parent / settings.name
        own.mkdir(exist_ok=True)
        if (parent / "cgroup.controllers").exists():
            _delegate(parent, own)
        elif parent.name == "cpuset":
            _inherit_cpus(parent, own)


def kill(settings: Settings) -> None:
    """End every process in the cluster's cgroups: those of all pods, whoever started them."""
    for path in remaining(settings):
        for pid in _processes(path):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def remaining(settings: Settings) -> list[Path]:
    """The cluster's cgroups that exist, the deepest first."""
    found: list[Path] = []
    for parent in _parents():
        for directory, _, _ in os.walk(parent / settings.name, topdown=False):
            found.append(Path(directory))
    return found


def remove(settings: Settings) -> None:
    """Remove the cluster's cgroups. Their processes must have ended."""
    for path in remaining(settings):
        try:
            path.rmdir()
        except OSError:
            continue  # still in use; `down` reports what remains


def _processes(cgroup: Path) -> list[int]:
    try:
        return [int(pid) for pid in (cgroup / "cgroup.procs").read_text().split()]
    except OSError:
        return []  # containerd removes a cgroup as soon as its last process has ended


def _delegate(parent: Path, own: Path) -> None:
    """Version 2: a controller works in a cgroup only when its parent passes it on."""
    controllers = (parent / "cgroup.controllers").read_text().split()
    words = " ".join(f"+{name}" for name in controllers)
    for group in (parent, own):
        (group / "cgroup.subtree_control").write_text(words)


def _inherit_cpus(parent: Path, own: Path) -> None:
    """Version 1: a new cpuset is empty, and an empty one takes no process."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (own / name).read_text().strip():
            (own / name).write_text((parent / name).read_text())
