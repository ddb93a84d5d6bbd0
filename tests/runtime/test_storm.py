"""A storm of new models while a bad version bakes: the whole reconciler, queue, pool and desk, in virtual time."""

from __future__ import annotations

import asyncio
import copy
from datetime import datetime, timedelta
from typing import Any

from tests.runtime import virtual
from tests.runtime.baking import Sees, bakes, selected
from tests.runtime.raws import KEY, parent
from tests.runtime.stage import Stage
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.reading.watches import key_of, urgency_by
from verdigris.app.evidence import GRACE, EvidenceDesk
from verdigris.app.queue import WorkQueue
from verdigris.app.work import WorkerPool

CPU = 0.0012
"""Seconds of CPU a call: thirteen calls make the 16 ms that a steady look was measured to take."""
LATENCY = 0.003
"""Seconds until the API server answers."""


class LiveStage(Stage):
    """A stage whose clock is the event loop's."""

    @property
    def now(self) -> datetime:  # type: ignore[override]
        return self._base + timedelta(seconds=virtual.now())

    @now.setter
    def now(self, value: datetime) -> None:
        self._base = value - timedelta(seconds=virtual.now())


class Live:
    """The parts that the operator runs, on a stage whose API takes time and tells of every write."""

    def __init__(self, stage: Stage, prometheus: Sees) -> None:
        clock = asyncio.get_running_loop().time
        self.stage = stage
        self.queue: WorkQueue[Key] = WorkQueue(clock=clock, namespace_of=lambda key: key.namespace, per_namespace=8)
        self.desk = EvidenceDesk(prometheus, prometheus, self.queue.add, clock)
        stage.reconciler._evidence = self.desk
        stage.reconciler._grace = GRACE
        self._make_the_api_real()
        self.pool = asyncio.create_task(WorkerPool(self.queue, stage.reconciler, 4).run())
        self.tell(stage.api.at("ModelDeployment", *KEY))

    def _make_the_api_real(self) -> None:
        api = self.stage.api
        arrive, store, put = api._arrive, api._store, api.put

        async def slow(verb: str, kind: str, name: str) -> None:
            virtual.spend(CPU)
            await asyncio.sleep(LATENCY)
            await arrive(verb, kind, name)

        def told(ref: tuple[str, str, str], raw: dict[str, Any]) -> dict[str, Any]:
            before = api.objects[ref]["metadata"]["resourceVersion"]
            stored = store(ref, raw)
            if stored["metadata"]["resourceVersion"] != before:
                self.tell(stored)
            return stored

        def put_and_tell(raw: Any) -> dict[str, Any]:
            made = put(raw)
            self.tell(made)
            return made

        api._arrive, api._store, api.put = slow, told, put_and_tell  # type: ignore[method-assign]

    def tell(self, raw: dict[str, Any]) -> None:
        """As a watch would."""
        if raw["kind"] not in ("Event", "Pod") and (key := key_of(raw)) is not None:
            self.queue.add(key, urgency_by(raw))

    async def end(self) -> None:
        self.queue.close()
        await self.desk.close()
        self.pool.cancel()
        await asyncio.gather(self.pool, return_exceptions=True)
        await self.stage.reconciler.close()


def new_models(live: Live, namespace: str, count: int) -> None:
    for number in range(count):
        raw = copy.deepcopy(parent())
        raw["metadata"] |= {"name": f"m{number}", "namespace": namespace, "uid": f"{namespace}-{number}"}
        live.stage.api.put(raw)


async def rollback_after(storms: dict[str, int], seconds: float) -> float:
    """How long after the first bad answers the clients are back, when so many models were made `seconds` before."""
    stage = LiveStage()
    prometheus = await bakes(stage)
    live = Live(stage, prometheus)
    await asyncio.sleep(10)
    assert selected(stage) == "green"
    for namespace, count in storms.items():
        new_models(live, namespace, count)
    await asyncio.sleep(seconds)
    prometheus.failing, begin = True, virtual.now()
    async with asyncio.timeout(120):
        while selected(stage) != "blue":
            await asyncio.sleep(0.01)
    took = virtual.now() - begin
    await live.end()
    return took


def worst(storms: dict[str, int], *moments: float) -> float:
    """Over several moments of the storm, and of the second between two questions."""
    return max(virtual.run(rollback_after(storms, seconds)) for seconds in moments)


def test_a_storm_of_new_models_delays_no_rollback_by_more_than_a_second() -> None:
    """As many models as keep all workers busy for seconds. With 50 on a real cluster: `make bench-laws`."""
    alone = worst({}, 0.2, 1.6)
    one_tenant, same_namespace = worst({"storm": 25}, 1.6), worst({KEY.namespace: 25}, 0.2, 1.6)
    print(f"clients are back after {alone:.2f} s alone, {one_tenant:.2f} s and {same_namespace:.2f} s in a storm")
    assert max(one_tenant, same_namespace) <= alone + 1
