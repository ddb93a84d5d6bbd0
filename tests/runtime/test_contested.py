"""A webhook that changes what we write, and a controller that does not give in: no quarrel, and a word about it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from tests.runtime.actions import Json, do
from tests.runtime.fake_api import FakeApi
from tests.runtime.test_edits import CHILDREN, kept, live
from verdigris.adapters.kube.writing.apply import Contested
from verdigris.adapters.kube.writing.restores import RestoreBackoff
from verdigris.core.actions import Keep


class Mutating(FakeApi):
    """An admission webhook changes each write of a Deployment: an image mirror, and perhaps a counter."""

    def __init__(self, *, counts: bool) -> None:
        super().__init__()
        self.counts = counts
        self.count = 0

    def put(self, raw: Mapping[str, Any]) -> Json:
        return super().put(self._mutated(copy.deepcopy(dict(raw))))

    def _store(self, ref: tuple[str, str, str], raw: Json) -> Json:
        return super()._store(ref, self._mutated(raw))

    def _mutated(self, raw: Json) -> Json:
        if raw["kind"] == "Deployment":
            self.count += self.counts
            template = raw["spec"]["template"]
            template["spec"]["containers"][0]["image"] = "mirror.test/serving:7"
            template["metadata"]["annotations"]["mirror.test/count"] = str(self.count)
        return raw


@pytest.mark.parametrize("counts", [False, True])
async def test_what_a_webhook_makes_of_our_writes_is_written_once_and_then_let_be(counts: bool) -> None:
    api, backoff = Mutating(counts=counts), RestoreBackoff(lambda: 0.0)
    for _ in range(20):
        await do(api, Keep(CHILDREN["deployment_blue"]), backoff=backoff)
    assert len(api.writes) == 2
    assert live(api)["spec"]["template"]["spec"]["containers"][0]["image"] == "mirror.test/serving:7"


async def test_a_field_that_is_changed_after_each_putting_back_is_put_back_at_growing_intervals_and_told() -> None:
    clock = [0.0]
    manifest, backoff = CHILDREN["service_clients"], RestoreBackoff(lambda: clock[0])
    api = await kept(manifest)
    problems: list[Any] = []
    for _ in range(600):
        live(api)["spec"]["sessionAffinity"] = "ClientIP"
        problems += (await do(api, Keep(manifest), backoff=backoff)).problems
        clock[0] += 1
    assert 8 <= len(api.writes) <= 14
    assert isinstance(problems[-1], Contested)
    assert "spec.sessionAffinity was put back" in str(problems[-1])
    assert "last by somebody" in str(problems[-1])
    # Whoever gave in is forgiven: the next edit is put back at once.
    await do(api, Keep(manifest), backoff=backoff)
    clock[0] += 1000
    await do(api, Keep(manifest), backoff=backoff)
    clock[0] += 1000
    live(api)["spec"]["sessionAffinity"] = "ClientIP"
    assert (await do(api, Keep(manifest), backoff=backoff)).problems == []


async def test_people_who_try_one_field_after_the_other_are_not_taken_for_a_quarrel() -> None:
    manifest, backoff = CHILDREN["service_clients"], RestoreBackoff(lambda: 0.0)
    api = await kept(manifest)
    for field, value in (("publishNotReadyAddresses", True), ("sessionAffinity", "ClientIP"), ("type", "NodePort")) * 2:
        live(api)["spec"][field] = value
        assert (await do(api, Keep(manifest), backoff=backoff)).problems == []
    assert live(api)["spec"]["type"] == manifest["spec"]["type"]
