"""Start daemons, remember exactly which ones, and end exactly those."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.shell import ClusterError, environment, tail


def start_ticks(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None when it is gone or a zombie.

    Together with the pid this names a process for ever: a pid alone may have been given to another one.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


@dataclass(frozen=True)
class Daemons:
    """The daemons of one cluster; `directory` holds their pid files, `logs` what they say."""

    directory: Path
    logs: Path

    def running(self, name: str) -> int | None:
        """The pid of a daemon that we started and that still runs, else None."""
        try:
            record = json.loads((self.directory / f"{name}.json").read_text())
        except FileNotFoundError:
            return None
        pid, start = int(record["pid"]), record["start"]
        # No start: it had died before its record was written.
        return pid if start is not None and start_ticks(pid) == start else None

    def start(self, name: str, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> None:
        """Start a daemon unless it runs already. It outlives this process; its log is `logs/<name>.log`."""
        if self.running(name):
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                [str(word) for word in argv],
                env=environment(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )
        record = {"pid": process.pid, "start": start_ticks(process.pid)}
        (self.directory / f"{name}.json").write_text(json.dumps(record))

    def require(self, name: str) -> None:
        """Raise ClusterError with the end of its log when a daemon has died."""
        if not self.running(name):
            log = self.logs / f"{name}.log"
            raise ClusterError(f"{name} has ended; all it said is in {log}:\n{tail(log)}")

    def stop(self, *names: str, grace: float = 5) -> None:
        """End daemons with SIGTERM, after `grace` seconds with SIGKILL, and forget them."""
        pids = {name: pid for name in names if (pid := self.running(name))}
        for pid in pids.values():
            _send(pid, signal.SIGTERM)
        for name, pid in pids.items():
            if not self._gone(name, grace):
                _send(pid, signal.SIGKILL)
                if not self._gone(name, 10):
                    raise ClusterError(f"{name} (pid {pid}) survives SIGKILL. See what holds it: /proc/{pid}/stack.")
        for name in names:
            (self.directory / f"{name}.json").unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Every daemon there is a record of, running or not."""
        return sorted(path.stem for path in self.directory.glob("*.json"))

    def _gone(self, name: str, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (pid := self.running(name)) and time.monotonic() < deadline:
            _reap(pid)
            time.sleep(0.02)
        return self.running(name) is None


def _send(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    """Collect a child of this very process, so that it does not linger as a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
