"""A server as a process tree on one core: started, waited for, weighed, ended."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.errors import BenchError
from benchmarks.serving.install import program
from benchmarks.serving.servers import Server
from dev.cluster.shell import environment, tail, wait_for

POLL_S = 0.005
PATIENCE_S = 90.0
"""For a server to become ready, and for one to end."""


@dataclass(frozen=True)
class Running:
    """A server that has answered its readiness path with 200."""

    server: Server
    port: int
    pid: int
    start_to_ready_s: float

    def ask(self, body: bytes) -> bytes:
        """The answer to one inference request on a connection of its own. Raises BenchError unless it is a 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", self.server.infer_path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        except OSError as error:
            raise BenchError(f"{self.server.name} did not answer an inference request: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise BenchError(f"{self.server.name} answered an inference request with {response.status}.")
        return answer

    def get(self, path: str) -> bytes:
        """What it says at that path, whatever the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def memory_mb(self) -> float:
        """Resident memory of the whole process tree, in MB (10^6 bytes); 0 when it is gone."""
        return sum(_resident_bytes(pid) for pid in tree(self.pid)) / 1e6

    def processor_s(self) -> float:
        """Processor time that the process tree has used, in seconds."""
        return sum(_processor_ticks(pid) for pid in tree(self.pid)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(server: Server, folder: Path, core: int) -> Iterator[Running]:
    """The server on that core, ready; ended with all its children afterwards. Raises BenchError with its log's end."""
    folder.mkdir(parents=True, exist_ok=True)
    port, *spare = free_ports(3)
    launch = server.launch(folder, port, spare)
    log = folder / "server.log"
    with log.open("wb") as out:
        began = time.monotonic()
        process = subprocess.Popen(
            [program("taskset"), "-c", str(core), *map(str, launch.argv)],
            cwd=folder,
            env=environment(launch.env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _until_ready(server, port, process, began + PATIENCE_S, log)
        yield Running(server, port, process.pid, time.monotonic() - began)
    finally:
        _end(process)


def core_busy_s(core: int) -> float:
    """Seconds since boot in which that core ran processes, or was taken from this machine by its host."""
    lines = Path("/proc/stat").read_text().splitlines()
    fields = next(line for line in lines if line.startswith(f"cpu{core} ")).split()
    user, nice, system, steal = (int(fields[n]) for n in (1, 2, 3, 8))
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on at the moment."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def _until_ready(server: Server, port: int, process: subprocess.Popen[bytes], end: float, log: Path) -> None:
    while not _answers(port, server.ready_path):
        if process.poll() is not None:
            raise BenchError(f"{server.name} ended with {process.returncode} before it was ready:\n{tail(log)}")
        if time.monotonic() > end:
            raise BenchError(f"{server.name} was not ready within {PATIENCE_S:g} s:\n{tail(log)}")
        time.sleep(POLL_S)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the server, then SIGKILL to whatever is left of its session: the next one has the core for itself."""
    family = tree(process.pid)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE_S)
    # A child of a killed parent belongs to another process now, and may be a zombie ("Z") for a while.
    gone = "the end of a server's processes"
    wait_for(gone, lambda: all(_stat(pid)[:1] in ([], ["Z"]) for pid in family), timeout=PATIENCE_S, interval=0.01)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from `state` on; none when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _processor_ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
