"""The evidence desk: what breaks while somebody is asked is a problem to plan with, and nothing outlives its model."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.runtime import virtual
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage, settled
from tests.runtime.test_fairness import MODEL, Prometheus, question
from verdigris.adapters.kube.reading.port import Key
from verdigris.app.evidence import NOT_YET, USAGE_NOT_YET, EvidenceDesk
from verdigris.core.facts.evidence import Evidence, Question, Usage, UsageQuestion

USED = UsageQuestion("http://p", *MODEL, "blue", "v1-0", timedelta(hours=24), timedelta(minutes=1))


class Broken:
    """A source with a bug."""

    async def gather(self, _: Question) -> Evidence:
        raise OverflowError("year 55870 is out of range")

    async def usage(self, _: UsageQuestion) -> Usage:
        raise OverflowError("year 55870 is out of range")


def test_a_source_that_breaks_is_a_problem_and_holds_no_look_for_ever() -> None:
    """Law 1: a look that waits for an answer plans nothing, no rollback either."""

    async def main() -> None:
        woken: list[Key] = []
        desk = EvidenceDesk(Broken(), Broken(), woken.append, asyncio.get_running_loop().time)
        assert await desk.gather(question()) is NOT_YET
        await asyncio.sleep(0.1)
        assert woken == [MODEL]
        assert "OverflowError" in str((await desk.gather(question())).problem)
        assert await desk.usage(USED) is USAGE_NOT_YET
        await asyncio.sleep(0.1)
        assert "OverflowError" in str((await desk.usage(USED)).problem)
        await desk.close()

    virtual.run(main())


def test_what_a_deleted_model_asked_is_not_told_to_another_of_its_name() -> None:
    async def main() -> None:
        prometheus = Prometheus()
        desk = EvidenceDesk(prometheus, prometheus, lambda _: None, asyncio.get_running_loop().time)
        await desk.gather(question())
        await desk.usage(USED)
        await asyncio.sleep(6)
        desk.forget(MODEL)
        assert await desk.usage(USED) is USAGE_NOT_YET
        assert await desk.gather(question()) is NOT_YET
        await desk.close()

    virtual.run(main())


async def test_a_model_that_is_gone_is_forgotten_by_all_who_knew_it() -> None:
    gone: list[Key] = []
    stage = Stage(on_gone=gone.append)
    await settled(stage)
    del stage.api.objects["ModelDeployment", KEY.namespace, KEY.name]
    await stage.reconcile()
    assert gone == [KEY]
