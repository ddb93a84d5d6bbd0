"""A server as a process tree: waited for, weighed, and ended with all its children."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.serving.errors import BenchError
from benchmarks.serving.process import running, tree
from benchmarks.serving.servers import Launch, Server

CORE = min(os.sched_getaffinity(0))

# Answers its readiness path only from the third request on, and has a child.
SERVER = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        self.send_response(200 if Handler.asked > 2 else 503)
        self.end_headers()
    def do_POST(self):
        self.send_response(422)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Small(Server):
    """A Python process that runs the code."""

    name = "small"

    def __init__(self, code: str) -> None:
        self._code = code

    def launch(self, folder: Path, port: int, spare: Sequence[int]) -> Launch:  # noqa: ARG002
        return Launch([sys.executable, "-c", self._code, str(port)])

    def versions(self) -> dict[str, str]:
        return {}


def test_a_server_is_ready_with_its_first_200_and_is_ended_with_its_children(tmp_path: Path) -> None:
    with running(Small(SERVER), tmp_path, CORE) as server:
        processes = tree(server.pid)
        assert len(processes) == 2
        assert all(os.sched_getaffinity(pid) == {CORE} for pid in processes)
        assert 5 < server.memory_mb() < 200
        assert 0 < server.processor_s() < 60
        assert server.start_to_ready_s > 0
        with pytest.raises(BenchError, match="answered an inference request with 422"):
            server.ask(b"{}")
    assert [pid for pid in processes if _runs(pid)] == []


def test_a_server_that_ends_before_it_is_ready_is_quoted(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match=r"(?s)small ended with 3 before it was ready:.*no such model"),
        running(Small("import sys; print('no such model'); sys.exit(3)"), tmp_path, CORE),
    ):
        pass


def _runs(pid: int) -> bool:
    """Whether the process still is one: a zombie that only waits for its parent's attention is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
