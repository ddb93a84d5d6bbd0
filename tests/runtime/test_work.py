"""Workers and the resync: one bad key is nobody else's problem."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.runtime import virtual
from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import parent
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.transport.errors import Conflict, Forbidden, Transient
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.app import http
from verdigris.app.metrics import Metrics
from verdigris.app.namespaces import NamespaceAccess
from verdigris.app.queue import Backoff, WorkQueue
from verdigris.app.reconcile import Result
from verdigris.app.work import LOOK_LIMIT, WorkerPool, resync

A, B = Key("ns", "a"), Key("ns", "b")


class Script:
    """A reconciler that answers as told, and then well."""

    def __init__(self, **results: list[Result | Exception]) -> None:
        self.results = results
        self.done: list[str] = []
        self.news = asyncio.Event()

    async def reconcile(self, key: Key) -> Result:
        self.done.append(key.name)
        self.news.set()
        left = self.results.get(key.name)
        result = left.pop(0) if left else Result()
        if isinstance(result, Exception):
            raise result
        return result

    async def until(self, count: int) -> list[str]:
        """What was reconciled, once that many reconciles were begun."""
        async with asyncio.timeout(5):
            while len(self.done) < count:
                self.news.clear()
                await self.news.wait()
        return self.done


@pytest.fixture
def queue() -> WorkQueue[Key]:
    return WorkQueue(Backoff(base=0.01))


async def run(queue: WorkQueue[Key], script: Script, count: int) -> list[str]:
    worker = asyncio.create_task(WorkerPool(queue, script, 1).run())
    try:
        return await script.until(count)
    finally:
        queue.close()
        await asyncio.wait_for(worker, 5)


async def test_a_bug_with_one_key_leaves_the_others_alone_and_is_tried_again(queue: WorkQueue[Key]) -> None:
    queue.add(A)
    queue.add(B)
    assert await run(queue, Script(a=[ZeroDivisionError("odd")]), 3) == ["a", "b", "a"]


@pytest.mark.parametrize("failure", [Conflict("changed"), Transient("busy")])
async def test_a_failure_is_tried_again(queue: WorkQueue[Key], failure: Exception) -> None:
    queue.add(A)
    assert await run(queue, Script(a=[Result(failure=failure)]), 2) == ["a", "a"]  # type: ignore[arg-type]


async def test_a_reconcile_may_ask_to_be_called_again(queue: WorkQueue[Key]) -> None:
    queue.add(A)
    assert await run(queue, Script(a=[Result(requeue_after=0.01)]), 2) == ["a", "a"]


async def test_the_wait_that_the_api_server_asks_for_is_kept(queue: WorkQueue[Key]) -> None:
    queue.add(A)
    script = Script(a=[Result(failure=Transient("busy", retry_after=60))])
    worker = asyncio.create_task(WorkerPool(queue, script, 1).run())
    await script.until(1)
    done, _ = await asyncio.wait({asyncio.create_task(script.until(2))}, timeout=0.1)
    assert not done
    queue.close()
    await asyncio.wait_for(worker, 5)


async def test_the_resync_puts_every_model_back_into_the_queue(queue: WorkQueue[Key]) -> None:
    api = FakeApi()
    api.put(parent())
    script = Script()
    again = asyncio.create_task(
        resync(api, queue, (), timedelta(seconds=0.02), chance=lambda: 0.5, access=NamespaceAccess())
    )
    assert await run(queue, script, 2) == ["diabetes", "diabetes"]
    again.cancel()


async def test_the_resync_looks_only_into_its_namespaces(queue: WorkQueue[Key]) -> None:
    api = FakeApi()
    api.put(parent())
    again = asyncio.create_task(
        resync(api, queue, ("elsewhere",), timedelta(seconds=0.01), chance=lambda: 0.5, access=NamespaceAccess())
    )
    async with asyncio.timeout(5):
        while len(api.calls) < 3:
            await asyncio.sleep(0.01)
    again.cancel()
    assert queue.depth == 0
    worker = asyncio.create_task(queue.get())
    done, _ = await asyncio.wait({worker}, timeout=0.05)
    assert not done
    worker.cancel()


class SomeForbidden:
    """A reader that may not list some namespaces."""

    def __init__(self, *forbidden: str) -> None:
        self.forbidden = set(forbidden)

    async def list(self, _: Resource, namespace: str | None, __: str = "", *, fields: str = "") -> list[dict[str, Any]]:  # noqa: ARG002
        if namespace in self.forbidden:
            raise Forbidden(f"reading modeldeployments in {namespace}: no right")
        raw = parent()
        return [raw | {"metadata": raw["metadata"] | {"namespace": namespace}}]

    async def get(self, *_: object) -> dict[str, Any]:
        raise AssertionError("the resync reads lists")


def test_one_namespace_that_cannot_be_listed_ends_nothing_for_the_others() -> None:
    async def scene() -> None:
        reader, access = SomeForbidden("gone"), NamespaceAccess()
        queue: WorkQueue[Key] = WorkQueue(clock=asyncio.get_running_loop().time)
        interval = timedelta(minutes=10)
        again = asyncio.create_task(
            resync(reader, queue, ("a", "gone", "b"), interval, chance=lambda: 0.5, access=access)
        )
        await asyncio.sleep(1)
        assert access.notice() is not None, "it is told at the start, not after the first resync"
        assert "gone: reading modeldeployments in gone: no right" in access.notice()  # type: ignore[operator]
        assert "watchNamespaces" in access.notice()  # type: ignore[operator]
        found = {(await queue.get()).namespace, (await queue.get()).namespace}
        assert found == {"a", "b"}
        assert virtual.now() < 11 * 60 + 1
        reader.forbidden.clear()
        await asyncio.sleep(11)
        assert access.notice() is None
        assert (await queue.get()).namespace == "gone"
        again.cancel()

    virtual.run(scene())


async def test_a_namespace_that_cannot_be_listed_shows_in_readiness_and_a_metric() -> None:
    access, metrics = NamespaceAccess(), Metrics(lambda: datetime(2026, 11, 27, tzinfo=UTC))
    metrics.watch_namespaces(lambda: tuple(access.lost_namespaces))
    access.lost("gone", Forbidden("no right"))
    runner, port = await http.serve(0, lambda: None, lambda: None, metrics.text, access.notice)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/readyz") as response:
                status, text = response.status, await response.text()
            async with session.get("/healthz") as response:
                assert await response.text() == "ok\n"
    finally:
        await runner.cleanup()
    assert (status, text[:8]) == (200, "ok, but "), "the others are looked after"
    assert "gone: no right" in text
    assert metrics.registry.get_sample_value("verdigris_namespace_unreadable", {"namespace": "gone"}) == 1
    access.seen("gone")
    assert b'namespace="gone"' not in metrics.text()


def test_a_look_that_never_ends_is_given_up_and_comes_again() -> None:
    async def scene() -> None:
        begun = []

        class Hangs:
            async def reconcile(self, key: Key) -> Result:
                begun.append(key)
                await asyncio.sleep(1e9)
                return Result()

        queue: WorkQueue[Key] = WorkQueue(Backoff(base=1), clock=asyncio.get_running_loop().time)
        queue.add(A)
        pool = asyncio.create_task(WorkerPool(queue, Hangs(), 1).run())
        await asyncio.sleep(LOOK_LIMIT + 2)
        assert begun == [A, A]
        queue.close()
        pool.cancel()

    virtual.run(scene())


def test_a_queue_that_closes_lets_running_looks_end() -> None:
    async def scene() -> None:
        ended = []

        class Takes:
            async def reconcile(self, key: Key) -> Result:
                await asyncio.sleep(5)
                ended.append(key)
                return Result()

        queue: WorkQueue[Key] = WorkQueue(clock=asyncio.get_running_loop().time)
        queue.add(A)
        pool = asyncio.create_task(WorkerPool(queue, Takes(), 1).run())
        await asyncio.sleep(1)
        queue.close()
        await pool
        assert ended == [A]

    virtual.run(scene())


@pytest.mark.parametrize(("count", "times", "at_most"), [(3, 0, None), (5, 1, None), (3, 0, 0.2), (15, 2, 0.2)])
def test_a_conflict_is_told_only_when_there_is_no_end_of_them_and_then_ever_more_rarely(
    caplog: pytest.LogCaptureFixture, count: int, times: int, at_most: float | None
) -> None:
    async def conflicts() -> None:
        queue: WorkQueue[Key] = WorkQueue(Backoff(jitter=0.0), clock=virtual.now)
        queue.add(A)
        await run(queue, Script(a=[Result(failure=Conflict("changed"), requeue_after=at_most)] * count), count + 1)

    virtual.run(conflicts())
    assert sum("changed" in record.message for record in caplog.records if record.levelname == "WARNING") == times
