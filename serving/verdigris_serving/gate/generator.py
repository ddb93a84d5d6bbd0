"""Requests from many connections of one process: open-loop at a rate, else each connection as fast as it is answered.

At a rate, a request is due whether or not those before it are answered, and its latency counts from then on. So a
server that stands still for a second is charged for all that were due in it, not for the few that were under way.
"""

import asyncio
import itertools
import resource
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from verdigris_serving.gate.client import Address, Line, Reply, connected, unreachable
from verdigris_serving.gate.config import Load
from verdigris_serving.gate.latencies import Latencies
from verdigris_serving.gate.refusals import NotNow

#: Connections that are made at a time: a listener's queue is not endless.
_AT_ONCE = 100
#: Seconds between two looks at what is due, and at what is overdue and at the active version.
_PUMP, _LOOK = 0.001, 0.1
#: Requests that may wait for a free connection; beyond it they are errors.
_MOST_WAITING = 100_000
#: Files besides the connections.
_OWN_FILES = 64


@dataclass
class Run:
    """What was seen in ``seconds``; ``busy`` is the share of one core that the generator took, ``late`` by how many
    seconds it was late to do what was due (99 of 100 times at most): an answer may have waited so long to be read.

    ``errors`` counts requests without a good answer, by what they had instead. ``stopped`` says why it ended early.
    """

    latencies: Latencies
    errors: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    seconds: float = 0.0
    busy: float = 0.0
    late: float = 0.0
    stopped: str = ""


class Generator:
    """Belongs to the running event loop."""

    def __init__(self, config: Load, address: Address, requests: list[bytes]) -> None:
        self._config = config
        self._address = address
        self._requests = itertools.cycle(requests)
        self.latencies = Latencies(
            [limit for limit in (config.p95_seconds, config.p99_seconds) if limit is not None], config.for_seconds
        )
        self._run = Run(self.latencies)
        self._began = 0.0
        self._over = False
        #: Requests of the schedule that have come due.
        self._due = 0
        self._idle: deque[Line] = deque()
        self._lines: set[Line] = set()
        #: When each request under way was due, and when it was sent.
        self._under_way: dict[Line, tuple[float, float]] = {}
        self._waiting: deque[float] = deque()
        self._connecting: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Make all connections. Raises NotNow when the first cannot be made, or this process may not have so many."""
        _allow_files(self._config.connections + _OWN_FILES)
        try:
            self._take(await connected(self._address, self._config.answer_seconds))
        except OSError as error:
            raise unreachable(self._address, error) from error
        left = self._config.connections - 1
        while left:
            some = min(left, _AT_ONCE)
            await asyncio.gather(*(self._connect() for _ in range(some)))
            left -= some

    async def run(self, suffering: Callable[[], str]) -> Run:
        """Ask for as long as asked for, or until ``suffering`` says something; then wait for what is under way."""
        config, run = self._config, self._run
        self._began, cpu = time.monotonic(), time.process_time()
        if config.rate is None:
            while line := self._free():
                self._next(line)
        look, lateness = self._began, Latencies([], config.for_seconds)
        while (passed := time.monotonic() - self._began) < config.for_seconds and not run.stopped:
            if config.rate is not None:
                self._pump(config.rate, passed)
            if time.monotonic() >= look:
                self._give_up_late()
                run.stopped = suffering()
                look = time.monotonic() + _LOOK
            slept = time.monotonic()
            await asyncio.sleep(_PUMP)
            lateness.add(time.monotonic() - slept - _PUMP, passed)
        if config.rate is not None and not run.stopped:
            # What fell due while the last look was late.
            self._pump(config.rate, config.for_seconds)
        run.late = lateness.quantile(0.99)
        run.seconds = time.monotonic() - self._began
        run.busy = (time.process_time() - cpu) / run.seconds
        self._over = True
        end = time.monotonic() + config.answer_seconds
        while (self._under_way or self._waiting) and time.monotonic() < end and not run.stopped:
            self._give_up_late()
            await asyncio.sleep(_LOOK)
        self._finish()
        return run

    def _pump(self, rate: float, passed: float) -> None:
        """Send what is due by now."""
        run = self._run
        while self._due < passed * rate:
            due = self._began + self._due / rate
            self._due += 1
            run.asked += 1
            line = self._free()
            if line is not None:
                self._send(line, due)
            elif len(self._waiting) < _MOST_WAITING:
                self._waiting.append(due)
            else:
                run.errors["it could not be sent, because all connections were busy"] += 1

    def _free(self) -> Line | None:
        """A connection that waits for a request; one that was closed meanwhile is made anew."""
        while self._idle:
            line = self._idle.popleft()
            if line.usable:
                return line
            self._renew(line)
        return None

    def _send(self, line: Line, due: float) -> None:
        self._under_way[line] = due, time.monotonic()
        line.ask(next(self._requests), lambda reply: self._answered(line, reply))

    def _answered(self, line: Line, reply: Reply) -> None:
        due, _ = self._under_way.pop(line)
        now = time.monotonic()
        if reply.status == 200:
            self.latencies.add(now - due, due - self._began)
        elif reply.stale:
            self._waiting.appendleft(due)
        else:
            self._run.errors[reply.fault or f"it was answered {reply.status}"] += 1
        if line.usable:
            self._next(line)
        else:
            self._renew(line)

    def _renew(self, line: Line) -> None:
        """Another connection in the place of one that ended; at the end, only for what still waits."""
        self._lines.discard(line)
        if self._over and not self._waiting:
            return
        task = asyncio.get_running_loop().create_task(self._connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def _next(self, line: Line) -> None:
        """Give a free connection what waits for one; without a rate there is always another request."""
        if self._waiting:
            self._send(line, self._waiting.popleft())
        elif self._config.rate is None and not self._over:
            self._run.asked += 1
            self._send(line, time.monotonic())
        else:
            self._idle.append(line)

    async def _connect(self) -> None:
        """One connection more; a failure is an error, and is tried again while the run lasts."""
        while not self._over or self._waiting:
            try:
                line = await connected(self._address, self._config.answer_seconds)
            except OSError:
                self._run.asked += 1
                self._run.errors["there was no connection"] += 1
                if not self._began:
                    return
                await asyncio.sleep(_LOOK)
            else:
                self._take(line)
                return

    def _take(self, line: Line) -> None:
        self._lines.add(line)
        if self._began:
            self._next(line)
        else:
            self._idle.append(line)

    def _give_up_late(self) -> None:
        within = self._config.answer_seconds
        oldest = time.monotonic() - within
        late = [line for line, (_, sent) in self._under_way.items() if sent < oldest]
        for line in late:
            line.give_up(f"there was no answer within {within:g} s")

    def _finish(self) -> None:
        """What is still under way, or waits, has had its time."""
        left = len(self._under_way) + len(self._waiting)
        if left and not self._run.stopped:
            self._run.errors["there was no answer before the end"] += left
        self._under_way.clear()
        for task in self._connecting:
            task.cancel()
        for line in self._lines:
            line.abandon()


def _allow_files(count: int) -> None:
    """Let this process open so many files. Raises NotNow when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise NotNow(
            "TooFewFiles",
            f"this pod may open {hard} files, and {count} are needed: ask for fewer connections, or raise the limit",
        )
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
