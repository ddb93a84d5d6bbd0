"""Looks from memory: without news they read nothing, and they never do what matters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.runtime.baking import bakes, candidate_starts, rollout, selected
from tests.runtime.raws import KEY, owned
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.reading.memory import GOOD_FOR, MOST, Memory, Unremembered
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import Conflict, Transient
from verdigris.children.names import MODEL_LABEL
from verdigris.core.facts.evidence import Question

CHILDREN = [kind.kind for kind in kinds.CHILDREN]
STATUS = ("patch", "ModelDeployment/status", KEY.name)
ENOUGH = int(GOOD_FOR) + 4
"""Looks, a second apart: the memory has grown too old, and what was found then has been put right."""


def reads(stage: Stage) -> list[tuple[str, str, str]]:
    return [call for call in stage.api.calls if call[0] in ("get", "list")]


def looked(stage: Stage, source: str) -> float:
    return stage.metrics.registry.get_sample_value("verdigris_looks_total", {"source": source}) or 0.0


@pytest.fixture
async def steady() -> Stage:
    """A steady model with a child of each kind, that has just been looked at."""
    stage = Stage()
    stage.api.at("ModelDeployment", *KEY)["spec"]["monitoring"] = {"prometheusRule": {"enabled": True}}
    await settled(stage)
    await fresh(stage)
    return stage


@pytest.fixture
async def baking() -> Stage:
    """A version that bakes, and has just been looked at."""
    stage = Stage()
    await bakes(stage)
    await fresh(stage)
    return stage


async def fresh(stage: Stage) -> None:
    """Let the last look have been a live one that left nothing to do."""
    stage.memory.forget(KEY)
    await stage.reconcile()
    stage.api.calls.clear()


async def test_the_second_look_at_a_steady_model_makes_no_call(steady: Stage) -> None:
    before = looked(steady, "memory")
    await steady.reconcile(5)
    assert steady.api.calls == []
    assert looked(steady, "memory") == before + 5


async def test_a_look_at_a_bake_with_new_evidence_is_one_write_and_no_read(baking: Stage) -> None:
    before = rollout(baking)["evidence"]["candidate"]["requests"]
    await baking.reconcile(5)
    assert baking.api.calls == [STATUS] * 5
    assert rollout(baking)["evidence"]["candidate"]["requests"] == before + 5 * 200


async def test_a_look_at_a_bake_without_news_makes_no_call(baking: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    prometheus = baking.reconciler._evidence
    answer: Any = None

    async def the_same(question: Question) -> Any:
        nonlocal answer
        answer = answer or await type(prometheus).gather(prometheus, question)
        return answer

    monkeypatch.setattr(prometheus, "gather", the_same)
    await baking.reconcile()
    baking.api.calls.clear()
    await baking.reconcile(3)
    assert baking.api.calls == []


async def test_a_memory_grows_too_old_and_is_read_again(steady: Stage) -> None:
    steady.now += timedelta(seconds=GOOD_FOR)
    await steady.reconcile()
    assert len(reads(steady)) > 10


async def test_a_clock_that_was_set_back_makes_no_memory_young(steady: Stage) -> None:
    steady.now -= timedelta(hours=1)
    await steady.reconcile()
    assert reads(steady)


@pytest.mark.parametrize("event", ["changed", "deleted", "added", "listed"])
async def test_an_event_of_any_kind_makes_the_next_look_live(steady: Stage, event: str) -> None:
    steady.api.at("ModelDeployment", *KEY)["spec"]["monitoring"] = {"prometheusRule": {"enabled": True}}
    await steady.reconcile(2)
    for kind in [*CHILDREN, "Pod", "EndpointSlice"]:
        await fresh(steady)
        happens(steady, kind, event)
        await steady.reconcile()
        assert reads(steady), kind


def happens(stage: Stage, kind: str, event: str) -> None:
    ref, raw = next((ref, raw) for ref, raw in stage.api.objects.items() if ref[0] == kind)
    if event == "changed":
        raw["metadata"].setdefault("annotations", {})["somebody"] = "was here"
    elif event == "deleted":
        del stage.api.objects[ref]
    elif event == "listed":
        stage.memory.hear(KEY, None, raw)
    else:
        meta = {"name": "another", "namespace": KEY.namespace, "labels": raw["metadata"]["labels"]}
        stage.api.put({"apiVersion": raw["apiVersion"], "kind": kind, "metadata": meta})


async def test_what_a_person_asks_for_makes_the_next_look_live(steady: Stage) -> None:
    steady.api.at("ModelDeployment", *KEY)["spec"]["paused"] = True
    await steady.reconcile()
    assert reads(steady)


async def test_a_decision_is_looked_at_live_until_it_is_answered(steady: Stage) -> None:
    spec = {"modelDeployment": KEY.name, "revision": "v1-0", "verb": "explode", "reason": "x", "requestedBy": "alice"}
    steady.api.put(owned("RolloutDecision", "verdigris.dev/v1alpha1", "d", spec=spec))
    steady.refuse("RolloutDecision/status", Transient("busy"))
    for _ in range(3):
        steady.api.calls.clear()
        await steady.reconcile()
        assert reads(steady)
    steady.api.fault = lambda *_: None
    await steady.reconcile(2)
    assert steady.api.at("RolloutDecision", KEY.namespace, "d")["status"]["outcome"] == "Refused"
    steady.api.calls.clear()
    await steady.reconcile()
    assert not reads(steady)


async def test_the_ticks_of_an_autoscaler_are_no_news(baking: Stage) -> None:
    for second in range(5):
        for (kind, _, _), raw in baking.api.objects.items():
            if kind == "HorizontalPodAutoscaler":
                raw["status"] = {"currentMetrics": second}
        await baking.reconcile()
    assert not reads(baking)


@pytest.mark.parametrize("edit", ["changed", "deleted", "unlabeled"])
async def test_every_child_that_somebody_edits_is_put_back_in_time_although_no_event_came(
    baking: Stage, edit: str
) -> None:
    other = Stage()
    await bakes(other)
    baking.memory.deaf = True
    for stage in (baking, other):
        before = children(stage)
        for ref in before:
            if edit == "deleted":
                del stage.api.objects[ref]
            elif edit == "unlabeled":
                del stage.api.objects[ref]["metadata"]["labels"][MODEL_LABEL]
            else:
                stage.api.objects[ref]["metadata"]["labels"][MODEL_LABEL] = "somebodys"
    await baking.reconcile(ENOUGH)
    for _ in range(ENOUGH):
        other.memory.forget(KEY)
        await other.reconcile()
    assert children(baking) == children(other), "as by live looks alone"
    assert len([ref for ref, labels in children(baking).items() if labels == before[ref]]) >= len(CHILDREN)


def children(stage: Stage) -> dict[tuple[str, str, str], Any]:
    """What the operator has made, with the labels that it has now."""
    return {
        ref: dict(raw["metadata"].get("labels") or {}) for ref, raw in stage.api.objects.items() if ref[0] in CHILDREN
    }


async def test_clients_that_somebody_moved_are_moved_back_in_time_although_the_event_was_lost(baking: Stage) -> None:
    baking.memory.deaf = True
    baking.api.at("Service", *KEY)["spec"]["selector"]["verdigris.dev/color"] = "blue"
    begin = baking.now
    while selected(baking) == "blue":
        await baking.reconcile()
        assert baking.now - begin <= timedelta(seconds=GOOD_FOR + 2)


async def test_a_child_that_is_given_to_another_model_is_news_to_the_first(steady: Stage) -> None:
    steady.api.at("NetworkPolicy", *KEY)["metadata"]["labels"]["verdigris.dev/model"] = "other"
    await steady.reconcile(2)
    assert steady.api.at("NetworkPolicy", *KEY)["metadata"]["labels"]["verdigris.dev/model"] == KEY.name


async def test_a_status_that_somebody_else_has_written_is_not_written_over(baking: Stage) -> None:
    baking.memory.deaf = True
    baking.api.at("ModelDeployment", *KEY)["status"]["rollout"]["retries"] = 3
    await baking.reconcile()
    assert baking.api.calls[0] == STATUS, "of memory, and refused: the object is another one by now"
    assert reads(baking), "so it is looked at live at once"
    assert rollout(baking)["retries"] == 3


@pytest.mark.parametrize("error", [Transient("busy"), Conflict("changed")])
async def test_after_a_write_that_failed_the_next_look_is_live(baking: Stage, error: Any) -> None:
    baking.refuse("ModelDeployment/status", error)
    assert (await baking.reconcile()).failure is error
    baking.api.fault = lambda *_: None
    baking.api.calls.clear()
    await baking.reconcile()
    assert reads(baking)


async def test_clients_are_taken_back_of_live_reads(baking: Stage) -> None:
    baking.reconciler._evidence.failing = True  # type: ignore[attr-defined]
    for _ in range(30):
        baking.api.calls.clear()
        await baking.reconcile()
        if selected(baking) == "blue":
            break
    moved = next(index for index, call in enumerate(baking.api.calls) if call[1] == "Service" and call[0] == "patch")
    assert len([call for call in baking.api.calls[:moved] if call[0] in ("get", "list")]) >= 12


async def test_what_is_in_the_way_and_nobody_watches_is_looked_at_itself() -> None:
    stage = Stage()
    stage.api.put(
        {**owned("ServiceAccount", "v1", KEY.name), "metadata": {"name": KEY.name, "namespace": KEY.namespace}}
    )
    await stage.reconcile(2)
    assert stage.condition("Stalled") == ("True", "NameTaken")
    del stage.api.objects["ServiceAccount", KEY.namespace, KEY.name]
    await stage.reconcile()
    assert ("ServiceAccount", KEY.namespace, KEY.name) in stage.api.objects


async def test_a_candidate_that_starts_is_looked_at_live_while_its_pods_wait() -> None:
    """Where there is more to see than a model's own objects: nodes, quotas, the Events of pods."""
    stage = Stage()
    await candidate_starts(stage)
    for (kind, _, name), raw in stage.api.objects.items():
        if kind == "Pod" and name.startswith("g"):
            raw["status"] = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}
    await stage.reconcile(2)
    stage.api.calls.clear()
    await stage.reconcile()
    assert ("list", "ResourceQuota", "") in stage.api.calls


async def test_what_was_not_asked_is_not_remembered_and_an_error_is_no_answer() -> None:
    stage = Stage()
    memory = Memory(stage.api, stage.seconds)
    live = memory.look(KEY)
    await live.get(kinds.MODEL_DEPLOYMENT, *KEY)
    stage.api.fault = lambda *_: Transient("busy")
    with pytest.raises(Transient):
        await live.list(kinds.POD, KEY.namespace)
    kept = memory.keep(KEY, live, stage.now, ())
    assert kept is not None
    for fails in (kept.list(kinds.POD, KEY.namespace), kept.get(kinds.SERVICE, *KEY)):
        with pytest.raises(Unremembered):
            await fails


async def test_so_many_models_are_remembered_and_no_more() -> None:
    stage = Stage()
    memory = Memory(stage.api, stage.seconds)
    keys = [Key("clinic", f"m{number}") for number in range(MOST + 10)]
    for key in keys:
        memory.keep(key, memory.look(key), stage.now, ())
    assert [key for key in keys if memory.recall(key)] == keys[10:]
    stage.now += timedelta(seconds=GOOD_FOR)
    memory.look(KEY)
    assert list(memory._looks) == [KEY]
    assert not memory._kept
