"""A webhook that changes what we write, and a controller that does not give in: no quarrel, and a word about it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.runtime.actions import Json, do
from tests.runtime.fake_api import FakeApi
from tests.runtime.raws import KEY, pod
from tests.runtime.stage import Stage, settled
from tests.runtime.test_edits import CHILDREN, kept, live
from verdigris.adapters.kube.writing.apply import Contested
from verdigris.adapters.kube.writing.restores import PATIENCE, RestoreBackoff
from verdigris.core.actions import Keep, SetOrder, SetTraffic


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


async def test_a_size_that_somebody_keeps_changing_is_written_at_growing_intervals_and_told() -> None:
    """A downscaler that sets the size to 0 at night."""
    stage = Stage()
    await settled(stage)
    stage.api.calls.clear()
    for _ in range(40):
        stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"]["replicas"] = 0
        await stage.reconcile()
    assert 3 <= stage.api.writes.count(("patch", "Deployment/scale", "diabetes-blue")) <= 8
    assert "Deployment clinic/diabetes-blue: spec.replicas was put back" in stage.message("Stalled")
    assert "last by somebody" in stage.message("Stalled")


async def test_what_a_pod_is_told_and_somebody_takes_away_is_told_at_growing_intervals() -> None:
    stage = Stage()
    await settled(stage)
    stage.api.calls.clear()
    for _ in range(40):
        stage.api.at("Pod", KEY.namespace, "p0")["metadata"].pop("annotations", None)
        await stage.reconcile()
    assert 3 <= stage.api.writes.count(("patch", "Pod", "p0")) <= 8
    assert "metadata.annotations[verdigris.dev/traffic] was put back" in stage.message("Stalled")


async def test_two_annotations_that_somebody_takes_away_are_each_written_at_growing_intervals() -> None:
    api, backoff = FakeApi(), RestoreBackoff(lambda: 0.0)
    uid = api.put(pod("p0"))["metadata"]["uid"]
    problems: list[Any] = []
    for _ in range(20):
        api.at("Pod", KEY.namespace, "p0")["metadata"].pop("annotations", None)
        for action in (SetTraffic("p0", uid, "trial"), SetOrder("p0", uid, "{}")):
            problems += (await do(api, action, backoff=backoff)).problems

    assert api.writes.count(("patch", "Pod", "p0")) == 2 * PATIENCE
    assert len(problems) == 2 * (20 - PATIENCE)


async def test_to_stop_asking_a_version_is_never_held_back() -> None:
    api, backoff = FakeApi(), RestoreBackoff(lambda: 0.0)
    uid = api.put(pod("p0"))["metadata"]["uid"]
    for _ in range(20):
        assert (await do(api, SetOrder("p0", uid, None), backoff=backoff)).problems == []

    assert api.writes.count(("patch", "Pod", "p0")) == 20


class Meshed(FakeApi):
    """An admission webhook adds an entry to the selector of every Service."""

    def put(self, raw: Mapping[str, Any]) -> Json:
        return super().put(self._meshed(copy.deepcopy(dict(raw))))

    def _store(self, ref: tuple[str, str, str], raw: Json) -> Json:
        return super()._store(ref, self._meshed(raw))

    def _meshed(self, raw: Json) -> Json:
        if raw["kind"] == "Service":
            raw["spec"] = {**raw["spec"], "selector": {**raw["spec"]["selector"], "mesh.test/version": "1"}}
        return raw


@pytest.mark.parametrize("reaches", [False, True], ids=["which no pod has", "which the pods have, too"])
async def test_an_entry_that_a_webhook_adds_to_the_selector_is_let_be_and_told_where_it_reaches_nobody(
    monkeypatch: pytest.MonkeyPatch, reaches: bool
) -> None:
    monkeypatch.setattr("tests.runtime.stage.FakeApi", Meshed)
    stage = Stage()
    await stage.reconcile()
    stage.let_pods_start()
    if reaches:
        for (kind, _, _), raw in stage.api.objects.items():
            if kind == "Pod":
                raw["metadata"]["labels"]["mesh.test/version"] = "1"
    await stage.reconcile(6)
    stage.api.calls.clear()
    for _ in range(10):
        stage.now += timedelta(minutes=10)
        await stage.reconcile()
    assert stage.api.writes == []
    if reaches:
        assert stage.condition("Available") == ("True", "EndpointsReady")
    else:
        assert stage.condition("Available") == ("False", "ServiceMisconfigured")
        assert "mesh.test/version=1, which none of them has" in stage.message("Available")
