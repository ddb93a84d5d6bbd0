"""A real Prometheus on loopback, scraping an exporter whose counters the test sets."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dev.cluster.patience import hold_out
from dev.cluster.settings import from_environment
from dev.cluster.toolchain import Toolchain
from tests.quiet_server import QuietServer
from verdigris.adapters.prometheus.fake import Pod
from verdigris.adapters.prometheus.session import open_session
from verdigris.core.facts.evidence import ALIKE, BOTH, UNANSWERED, UNLIKE

SCRAPE_MS = 200
DEADLINE = 30.0

CONFIG = """\
global: {{scrape_interval: {scrape}ms, scrape_timeout: {scrape}ms}}
scrape_configs:
- job_name: pods
  honor_labels: true
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def counter_of(code: str) -> tuple[str, str]:
    """The counter of a pod in front, and the label, that this code is read from."""
    return {
        BOTH: ("verdigris_spared_total", 'active="failed"'),
        ALIKE: ("verdigris_shadow_rows_total", 'agreed="true"'),
        UNLIKE: ("verdigris_shadow_rows_total", 'agreed="false"'),
        UNANSWERED: ("verdigris_shadow_total", 'outcome="failed"'),
    }.get(code, ("verdigris_forwarded_total", f'outcome="{code}"'))


@dataclass
class Exporter:
    """Shows whatever lines of the exposition format it was given last."""

    lines: dict[str, float] = field(default_factory=dict)
    port: int = 0
    _working: dict[Pod, tuple[float, float]] = field(default_factory=dict)

    def show(self, pod: Pod, counters: dict[str, float]) -> None:
        """Set `verdigris_requests_total` of a pod by code."""
        for code, value in counters.items():
            self.lines[f'verdigris_requests_total{{{_labels(pod)},code="{code}"}}'] = value

    def pass_on(self, pod: Pod, candidate: str, outcomes: dict[str, float]) -> None:
        """Set what a pod counts of what it passes on, by `Series.code`, with labels as a ServiceMonitor leaves them."""
        for code, value in outcomes.items():
            counter, label = counter_of(code)
            self.lines[f'{counter}{{{_labels(pod)},exported_revision="{candidate}",{label}}}'] = value

    def work(self, pod: Pod, cores: float) -> None:
        """From now on `process_cpu_seconds_total` of a pod grows so fast, beginning at 0."""
        self._working[pod] = time.monotonic(), cores

    def hold(self, pod: Pod, memory: float) -> None:
        """Set `process_resident_memory_bytes` of a pod."""
        self.lines[f"process_resident_memory_bytes{{{_labels(pod)}}}"] = memory

    def hide(self, pod: Pod) -> None:
        """The pod is gone, or cannot be reached."""
        self._working.pop(pod, None)
        self.lines = {line: value for line, value in self.lines.items() if _labels(pod) not in line}

    def clear(self) -> None:
        """Every pod is gone."""
        self._working.clear()
        self.lines.clear()

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        now = time.monotonic()
        cpu = {
            f"process_cpu_seconds_total{{{_labels(pod)}}}": (now - since) * cores
            for pod, (since, cores) in self._working.copy().items()
        }
        return "".join(f"{line} {value}\n" for line, value in {**self.lines, **cpu}.items()).encode()


def _labels(pod: Pod) -> str:
    own = (
        f'namespace="{pod.namespace}",model="{pod.model}",color="{pod.color}",'
        f'revision="{pod.revision}",pod="{pod.name}"'
    )
    return ",".join([own, *(f'{name}="{value}"' for name, value in pod.extra)])


@dataclass(frozen=True)
class RealPrometheus:
    """A running server and what it scrapes."""

    address: str
    exporter: Exporter

    def value(self, query: str) -> float | None:
        """One number, asked for without the code under test; None when there is none yet."""
        url = f"{self.address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                result: list[dict[str, Any]] = json.load(response)["data"]["result"]
        except (OSError, urllib.error.URLError):
            return None
        return float(result[0]["value"][1]) if result else None

    async def shows(self, query: str, value: float | None) -> None:
        """Wait until the query yields this value."""
        await asyncio.to_thread(wait_until, lambda: self.value(query) == value, f"{query} is {value}")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fail with its name when it has not come true within DEADLINE seconds at this machine's
    pace."""
    began = time.monotonic()
    assert hold_out(condition, DEADLINE, every=0.05), f"still not so after {time.monotonic() - began:.0f} s: {what}"


@pytest.fixture(scope="session")
def exporter() -> Iterator[Exporter]:
    """An HTTP server on loopback."""
    shown = Exporter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shown.text()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: a test's output is its own."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    shown.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield shown
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def prometheus(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPrometheus]:
    """A real Prometheus server of the cluster's version; ended by its pid."""
    home: Path = tmp_path_factory.mktemp("prometheus")
    (home / "config.yml").write_text(CONFIG.format(scrape=SCRAPE_MS, port=exporter.port))
    port = free_port()
    command = [
        str(Toolchain(from_environment()).path("prometheus")),
        f"--config.file={home}/config.yml",
        f"--storage.tsdb.path={home}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    server = RealPrometheus(f"http://127.0.0.1:{port}", exporter)
    try:
        wait_until(lambda: _answers(process, server, home), "Prometheus answers")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(process: subprocess.Popen[bytes], server: RealPrometheus, home: Path) -> bool:
    assert process.poll() is None, f"Prometheus ended: {(home / 'log').read_text()[-2000:]}"
    return server.value("vector(1)") == 1.0


def free_port() -> int:
    """A TCP port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP session as the operator has one."""
    async with open_session() as opened:
        yield opened
