"""The operator as a process of its own, out of the cluster, looking after one namespace."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from dev.cluster.patience import hold_out, stretched

OPERATOR = Path(__file__).resolve().parents[2] / "operator"
_PORT = re.compile(r"has started as (\S+), port (\d+)")


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for it, `seconds` at this machine's pace. Raises AssertionError naming `what` when it does not come."""
    began = time.monotonic()
    assert hold_out(condition, seconds, every=0.05), f"{what} did not happen within {time.monotonic() - began:.0f} s"


class OperatorProcess:
    """Context manager; `port` and `identity` are known once it has started, `log` is what it said so far."""

    def __init__(self, kubeconfig: Path, namespace: str, folder: Path, **settings: str) -> None:
        self._file = (folder / f"operator-{time.monotonic_ns()}.log").open("w+")
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "PYTHONPATH": str(OPERATOR),
            "VERDIGRIS_NAMESPACES": namespace,
            "VERDIGRIS_LEASE_NAMESPACE": namespace,
            "VERDIGRIS_PORT": "0",
            **{f"VERDIGRIS_{name.upper()}": value for name, value in settings.items()},
        }

    def __enter__(self) -> OperatorProcess:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "verdigris"], env=self._environment, stderr=self._file, stdout=self._file
        )
        until(lambda: _PORT.search(self.log) is not None or self.process.poll() is not None, "the start")
        found = _PORT.search(self.log)
        assert found is not None, f"the operator did not start: {self.log}"
        self.identity, self.port = found[1], int(found[2])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if error is not None:
            print(f"--- the operator said:\n{self.log}")
        self._file.close()

    @property
    def log(self) -> str:
        return Path(self._file.name).read_text()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of /healthz, /readyz or /metrics."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=stretched(5)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def series(self, metric: str) -> dict[str, float]:
        """A metric's series as they are exposed, name and labels, with their values."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if re.match(rf"{metric}(\{{| )", line)]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def sum(self, metric: str) -> float:
        return sum(self.series(metric).values())

    @property
    def leads(self) -> bool:
        return self.sum("verdigris_leader") == 1

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=stretched(15))
