"""Workers and the resync: one bad key is nobody else's problem."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import parent
from verdigris.cluster.errors import Conflict, Transient
from verdigris.cluster.observe import Key
from verdigris.cluster.queue import Backoff, WorkQueue
from verdigris.cluster.reconcile import Result
from verdigris.cluster.work import resync, work

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
    worker = asyncio.create_task(work(queue, script))
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
    worker = asyncio.create_task(work(queue, script))
    await script.until(1)
    done, _ = await asyncio.wait({asyncio.create_task(script.until(2))}, timeout=0.1)
    assert not done
    queue.close()
    await asyncio.wait_for(worker, 5)


async def test_the_resync_puts_every_model_back_into_the_queue(queue: WorkQueue[Key]) -> None:
    api = FakeApi()
    api.put(parent())
    script = Script()
    again = asyncio.create_task(resync(api, queue, (), timedelta(seconds=0.02), lambda: 0.5))
    assert await run(queue, script, 2) == ["diabetes", "diabetes"]
    again.cancel()


async def test_the_resync_looks_only_into_its_namespaces(queue: WorkQueue[Key]) -> None:
    api = FakeApi()
    api.put(parent())
    again = asyncio.create_task(resync(api, queue, ("elsewhere",), timedelta(seconds=0.01), lambda: 0.5))
    async with asyncio.timeout(5):
        while len(api.calls) < 3:
            await asyncio.sleep(0.01)
    again.cancel()
    assert queue.depth == 0
    worker = asyncio.create_task(queue.get())
    done, _ = await asyncio.wait({worker}, timeout=0.05)
    assert not done
    worker.cancel()
