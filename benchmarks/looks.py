"""What a look at a model costs the operator: reads, writes, processor time; of live reads, and from memory.

Run `python -m benchmarks.looks` for the table of docs/performance.md (a minute). A process beside this one is the API
server: that of the tests, over HTTP. Here the operator's own client, observation, plan and status are at work, one look
after the other, a second of the model's time apart. Processor time is this process's alone. Blocks of looks that may
remember and of looks that may not take turns, so that a slow moment of the machine meets both; the medians are told.
Not in it: what the watches cost, and TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.runtime.baking import bakes
from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.admission import Guard
from verdigris.adapters.kube.reading.memory import Memory
from verdigris.adapters.kube.reading.survey import Surveyor
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.connection import Connection
from verdigris.adapters.kube.transport.errors import ApiError, NotFound
from verdigris.adapters.kube.writing.events import Recorder
from verdigris.app.metrics import Metrics
from verdigris.app.reconcile import Reconciler
from verdigris.children.names import Defaults
from verdigris.core.facts.evidence import Evidence, Question, Series, Usage, UsageQuestion

BLOCK = 20
"""Looks in a row; of those from memory two are live, because a memory is good for ten seconds."""
PODS = ("g0", "g1")
_PLURALS = {
    resource.plural: resource
    for resource in (*kinds.WATCHED, kinds.MODEL_DEPLOYMENT, kinds.ROLLOUT_DECISION, kinds.EVENT)
}


class Requests:
    """A Prometheus that has seen a hundred more good requests a pod each time."""

    def __init__(self) -> None:
        self.now = datetime.fromtimestamp(0, UTC)
        self._count = 0.0

    async def gather(self, _: Question) -> Evidence:
        """Counts of the candidate's pods."""
        at = self.now.timestamp() - 1
        self._count += 100
        series = tuple(Series(pod, "200", ((at - 60, 0.0), (at, self._count))) for pod in PODS)
        return Evidence(counters={"green": series, "blue": ()})

    async def usage(self, _: UsageQuestion) -> Usage:
        """Nothing."""
        return Usage(problem="nobody is asked")


@dataclass
class Cost:
    """Of one look."""

    reads: float
    writes: float
    milliseconds: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=5, help=f"of each kind, of {BLOCK} looks")
    parser.add_argument("--serve", choices=("steady", "baking"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return
    print("| | reads a look | writes a look | CPU ms a look | looks a second of one core |\n|---|---|---|---|---|")
    for state in ("steady", "baking"):
        live, memory = asyncio.run(measure(state, options.blocks))
        for name, cost in ((f"{state}, live", live), (f"{state}, from memory", memory)):
            second = 1000 / cost.milliseconds
            print(f"| {name} | {cost.reads:.1f} | {cost.writes:.1f} | {cost.milliseconds:.1f} | {second:.0f} |")
        print(f"| {state}: ratio | | | {live.milliseconds / memory.milliseconds:.1f} | |")


async def measure(state: str, blocks: int) -> tuple[Cost, Cost]:
    """What a live look costs, and one that may remember."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.looks", "--serve", state, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    said = json.loads(await server.stdout.readline())
    operator = Operator(said["port"], datetime.fromisoformat(said["now"]))
    try:
        await operator.block(remembers=True)
        found = [(await operator.block(remembers=False), await operator.block(remembers=True)) for _ in range(blocks)]
    finally:
        server.terminate()
        await server.wait()
        await operator.client.close()
    live, memory = zip(*found, strict=True)
    return median(live), median(memory)


def median(costs: tuple[Cost, ...]) -> Cost:
    """Of each figure."""
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in Cost.__annotations__))


class Operator:
    """A reconciler as the operator has it, whose clock moves a second a look."""

    def __init__(self, port: int, now: datetime) -> None:
        self.now = now
        self.requests = Requests()
        self.client = Counting(Connection(f"http://127.0.0.1:{port}", None, lambda: None))
        self.memory = Memory(self.client, self.seconds)
        self._reconciler = Reconciler(
            client=self.client,
            evidence=self.requests,
            usage=self.requests,
            recorder=Recorder(self.client, self.seconds, lambda: self.now, "host"),
            metrics=Metrics(lambda: self.now),
            defaults=Defaults("verdigris/serving:0.1.0", "http://prometheus"),
            memory=self.memory,
            surveyor=Surveyor(self.client, self.seconds, lambda: self.now),
            guard=Guard(self.client, None, self.seconds),
            now=lambda: self.now,
        )

    def seconds(self) -> float:
        """The clock as a monotonic one."""
        return self.now.timestamp()

    async def block(self, *, remembers: bool) -> Cost:
        """BLOCK looks. Raises RuntimeError when one fails: a failed look costs something else."""
        self.client.reads = self.client.writes = 0
        self.memory.forget(KEY)
        began = time.process_time()
        for _ in range(BLOCK):
            if not remembers:
                self.memory.forget(KEY)
            self.requests.now = self.now
            result = await self._reconciler.reconcile(KEY)
            if result.failure is not None:
                raise RuntimeError(f"a look failed: {result.failure}")
            self.now += timedelta(seconds=1)
        used = 1000 * (time.process_time() - began)
        return Cost(self.client.reads / BLOCK, self.client.writes / BLOCK, used / BLOCK)


class Counting(Client):
    """The operator's client, which counts its requests."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.reads = self.writes = 0

    async def _request(self, method: str, path: str, about: str, **rest: Any) -> dict[str, Any]:
        self.reads += method == "GET"
        self.writes += method != "GET"
        return await super()._request(method, path, about, **rest)


async def serve(state: str) -> None:
    """The tests' API server with a model in this state, over HTTP, until it is ended. Says its port and the time."""
    stage = Stage()
    await (settled(stage) if state == "steady" else bakes(stage))
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", lambda request: _answer(stage.api, request))
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1], "now": stage.now.isoformat()}), flush=True)
    await asyncio.Event().wait()


async def _answer(api: FakeApi, request: web.Request) -> web.Response:
    parts = request.path.split("/namespaces/", 1)[1].split("/")
    namespace, resource, name, subresource = parts[0], _PLURALS[parts[1]], *[*parts[2:], None, None][:2]
    try:
        return web.json_response(await _called(api, request, (namespace, resource, name, subresource)))
    except ApiError as error:
        code = 404 if isinstance(error, NotFound) else 409
        return web.json_response({"kind": "Status", "reason": error.reason, "message": str(error)}, status=code)


async def _called(
    api: FakeApi, request: web.Request, about: tuple[str, kinds.Resource, str | None, str | None]
) -> Mapping[str, Any]:
    namespace, resource, name, subresource = about
    if request.method == "GET" and name is not None:
        return await api.get(resource, namespace, name)
    if request.method == "GET":
        labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        items = await api.list(resource, namespace, labels, fields=fields)
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": {"resourceVersion": "1"},
            "items": items,
        }
    body = await request.json(loads=json.loads)
    if request.method == "POST":
        return await api.create(resource, namespace, body)
    if "apply" in request.content_type:
        return await api.apply(body)
    return await api.patch(resource, namespace, name or "", body, subresource=subresource)


if __name__ == "__main__":
    main()
