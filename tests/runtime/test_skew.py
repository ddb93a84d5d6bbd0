"""Versions that meet: a spec, a status or a CRD of a newer or an older operator never blinds the one that runs."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.runtime.raws import KEY, endpoint_slice, owned, pod
from tests.runtime.stage import Stage, settled
from verdigris import __version__
from verdigris.api.decision import Verb

Json = dict[str, Any]
FOREIGN = {"stage": "Mirroring", "mirror": {"share": 100, "rows": [1, 2]}}


@pytest.fixture
def stage() -> Stage:
    return Stage()


def live(stage: Stage) -> Json:
    return stage.api.at("ModelDeployment", *KEY)


def selected(stage: Stage) -> str:
    return str(stage.api.at("Service", *KEY)["spec"]["selector"].get("verdigris.dev/color", "both"))


async def started(stage: Stage, **spec: Any) -> str:
    """Version 2.0.0 has started in green beside 1.0.0; returns its revision."""
    await settled(stage)
    wanted = {**live(stage)["spec"]["model"], "version": "2.0.0", "sha256": "b" * 64}
    edit(stage, model=wanted, **spec)
    await stage.reconcile()
    raw = stage.api.at("Deployment", KEY.namespace, "diabetes-green")
    revision = raw["spec"]["template"]["metadata"]["labels"]["verdigris.dev/revision"]
    for number in range(raw["spec"]["replicas"]):
        stage.api.put(pod(f"g{number}", color="green", revision=revision))
    stage.api.put(endpoint_slice("diabetes-green", *[True] * raw["spec"]["replicas"]))
    return str(revision)


async def baking(stage: Stage) -> str:
    """Version 2.0.0 bakes in green: it has the clients."""
    revision = await started(stage)
    rollout = live(stage)["status"]["rollout"]
    step = [step["kind"] for step in rollout["steps"]].index("Bake")
    at = stage.now.isoformat(timespec="milliseconds")
    rollout |= {"stage": "Baking", "step": step, "wanted": 100, "weight": 100, "exposedAt": at}
    stage.api.at("Service", *KEY)["spec"]["selector"]["verdigris.dev/color"] = "green"
    await stage.reconcile()
    assert (selected(stage), live(stage)["status"]["rollout"]["stage"]) == ("green", "Baking")
    return revision


def edit(stage: Stage, **spec: Any) -> None:
    """As a person does it: the generation is raised."""
    raw = live(stage)
    raw["spec"] |= spec
    raw["metadata"]["generation"] += 1


def decide(stage: Stage, verb: Verb | str, revision: str, **more: Any) -> None:
    spec = {"modelDeployment": KEY.name, "revision": revision, "verb": verb, "reason": "ok", "requestedBy": "alice"}
    stage.api.put(owned("RolloutDecision", "verdigris.dev/v1alpha1", "d", metadata={"uid": "d"}, spec=spec | more))


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Json]]:
    """Every object inside this one, with its path."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from nodes(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from nodes(inner, (*path, place))


def strange(dice: random.Random) -> Any:
    return copy.deepcopy(
        dice.choice([None, 0, "", "new", True, 2.5, [], [{"a": 1}], {}, {"enabled": False}, {"x": [1]}])
    )


FREE = {"requests", "limits", "nodeSelector", "annotations", "labels", "resource", "matchers"}
"""Maps whose keys are people's own, and what is handed on as it is."""


@pytest.mark.parametrize("seed", range(12))
async def test_unknown_fields_anywhere_stop_nothing_and_are_kept(stage: Stage, seed: int) -> None:
    dice = random.Random(seed)
    revision = await baking(stage)
    places = [
        (root, path) for root in ("spec", "status") for path, _ in nodes(live(stage)[root]) if not FREE & set(path)
    ]
    chosen = dice.sample(places, min(len(places), 6))
    for number, (root, path) in enumerate(chosen):
        node = live(stage)[root]
        for part in path:
            node = node[part]
        node[f"newer{number}"] = strange(dice)
    del stage.api.objects["Service", KEY.namespace, "diabetes-green"]
    await stage.reconcile()
    assert ("Service", KEY.namespace, "diabetes-green") in stage.api.objects, "repair goes on"
    assert live(stage)["status"]["rollout"]["stage"] == "Baking"
    decide(stage, "abort", revision)
    await stage.reconcile(2)
    assert selected(stage) == "blue", "a rollback works"
    for number, (root, path) in enumerate(chosen):
        if "rollout" not in path:
            assert f"newer{number}" in str(live(stage)[root]), (root, path)
    if any(root == "spec" for root, _ in chosen):
        assert stage.condition("Understood") == ("False", "UnknownFields")


async def test_a_new_field_with_a_default_is_ignored_and_told_once(stage: Stage) -> None:
    await settled(stage)
    live(stage)["spec"]["mirror"] = {"enabled": False}
    del stage.api.objects["Service", KEY.namespace, KEY.name]
    await stage.reconcile(3)
    assert ("Service", KEY.namespace, KEY.name) in stage.api.objects
    assert stage.condition("Ready") == ("True", "Active")
    assert stage.message("Understood") == f"spec.mirror is not known to this operator ({__version__}): it is ignored."
    assert "UnknownFields" in stage.told
    stage.api.calls.clear()
    await stage.reconcile(5)
    assert stage.api.writes == []
    del live(stage)["spec"]["mirror"]
    await stage.reconcile()
    assert stage.condition("Understood") == ("True", "EverythingKnown")


async def test_a_version_is_rolled_out_beside_fields_that_are_not_known(stage: Stage) -> None:
    await settled(stage)
    live(stage)["spec"]["mirror"] = {"enabled": False}
    await started(stage)
    assert live(stage)["status"]["rollout"]["version"] == "2.0.0"


UNREADABLE: dict[str, Json] = {
    "a stage's time": {"rollout": {"bake": "soon"}},
    "a strategy of the future": {"rollout": {"strategy": "Shadow"}},
    "what is measured": {"analysis": {"errorRate": {"factor": "twice"}}},
    "a list": {"analysis": {"metrics": [{"name": "a", "query": "up", "max": "7 %"}]}},
    "sizes": {"autoscaling": {"minReplicas": "two"}},
    "the clients' Service": {"serving": {"service": {"type": "Mesh", "port": 8080}}},
    "the pods": {"serving": {"resources": {"requests": {"cpu": "much"}}}},
    "the model": {"model": {"version": 7}},
    "the whole model": {"model": "gone"},
    "cleanup": {"cleanup": {"window": "a while"}},
    "monitoring": {"monitoring": {"serviceMonitor": {"interval": 5}}},
    "alerts": {"monitoring": {"prometheusRule": {"latency": {"p95": 5}}}},
    "a switch": {"paused": "perhaps"},
}


def _asked(raw: Json) -> Json:
    """Its spec without the address that the API server gives to a Service that is made again."""
    return {key: value for key, value in (raw.get("spec") or {}).items() if key != "clusterIP"}


@pytest.mark.parametrize("spec", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_value_that_cannot_be_read_stops_no_rollback_and_no_repair(stage: Stage, spec: Json) -> None:
    revision = await baking(stage)
    live(stage)["spec"] |= copy.deepcopy(spec)
    before = copy.deepcopy({ref: raw for ref, raw in stage.api.objects.items() if ref[0] not in ("Event", "Pod")})
    del stage.api.objects["Service", KEY.namespace, "diabetes-blue"]
    await stage.reconcile(2)
    for ref, raw in before.items():
        if ref[0] != "ModelDeployment":
            assert _asked(stage.api.objects[ref]) == _asked(raw), ref
    assert live(stage)["status"]["rollout"]["stage"] == "Baking", "nothing is promoted, nothing is dropped"
    assert stage.condition("Understood") == ("False", "InvalidSpec")
    section = next(iter(spec))
    assert f"spec.{section}" in stage.message("Understood")
    decide(stage, "abort", revision)
    await stage.reconcile(2)
    assert selected(stage) == "blue"
    assert live(stage)["spec"][section] == spec[section], "what people wrote is theirs"


@pytest.mark.parametrize("spec", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_value_that_cannot_be_read_changes_nothing_of_what_serves(stage: Stage, spec: Json) -> None:
    await settled(stage)
    before = copy.deepcopy({ref: raw for ref, raw in stage.api.objects.items() if ref[0] not in ("Event", "Pod")})
    edit(stage, **copy.deepcopy(spec))
    await stage.reconcile(3)
    after = {ref: raw for ref, raw in stage.api.objects.items() if ref in before and ref[0] != "ModelDeployment"}
    assert after == {ref: raw for ref, raw in before.items() if ref[0] != "ModelDeployment"}
    assert stage.condition("Ready") == ("False", "InvalidSpec")
    assert stage.condition("Available") == ("True", "EndpointsReady")
    assert "rollout" not in live(stage)["status"]
    assert "kubectl edit" in stage.message("Ready")


async def test_no_rollout_begins_by_a_policy_that_cannot_be_read(stage: Stage) -> None:
    await settled(stage)
    edit(stage, rollout={"strategy": "Shadow"}, model={**live(stage)["spec"]["model"], "version": "2.0.0"})
    await stage.reconcile(3)
    assert "rollout" not in live(stage)["status"]
    edit(stage, rollout={})
    await stage.reconcile()
    assert live(stage)["status"]["rollout"]["version"] == "2.0.0"


async def test_a_cleanup_that_cannot_be_read_begins_a_rollout_all_the_same(stage: Stage) -> None:
    await settled(stage)
    edit(stage, cleanup={"window": "a while"}, model={**live(stage)["spec"]["model"], "version": "2.0.0"})
    await stage.reconcile(3)
    assert live(stage)["status"]["rollout"]["version"] == "2.0.0"


async def test_a_rollout_in_an_unknown_stage_is_held_while_no_client_reaches_it(stage: Stage) -> None:
    revision = await started(stage)
    live(stage)["status"]["rollout"] |= copy.deepcopy(FOREIGN)
    await stage.reconcile(3)
    rollout = live(stage)["status"]["rollout"]
    assert {key: rollout[key] for key in FOREIGN} == FOREIGN, "for the operator that knows it"
    assert selected(stage) == "blue"
    assert "'Mirroring'" in stage.message("Ready")
    assert f"verb abort and revision {revision}" in stage.message("Ready")
    stage.api.calls.clear()
    await stage.reconcile(3)
    assert stage.api.writes == []


async def test_a_rollout_in_an_unknown_stage_is_taken_back_when_clients_may_reach_it(stage: Stage) -> None:
    revision = await baking(stage)
    live(stage)["status"]["rollout"] |= {**copy.deepcopy(FOREIGN), "way": "Sideways"}
    await stage.reconcile(15)
    status = live(stage)["status"]
    assert selected(stage) == "blue"
    assert (status["active"]["version"], "rollout" in status) == ("1.0.0", False)
    assert status["rejected"][-1]["revision"] == revision
    assert "'Mirroring'" in status["lastRollback"]["message"]
    assert status["lastRollback"]["trafficRestoredAt"]


async def test_a_rollout_with_a_policy_that_cannot_be_read_is_taken_back_and_not_judged_by_another(
    stage: Stage,
) -> None:
    await baking(stage)
    live(stage)["status"]["rollout"]["policy"]["rollout"]["onInconclusive"] = "AskTheOracle"
    await stage.reconcile(15)
    status = live(stage)["status"]
    assert (selected(stage), status["active"]["version"], "rollout" in status) == ("blue", "1.0.0", False)
    assert status["rejected"][-1]["reason"] == "UnknownState"


async def test_a_policy_with_a_field_that_is_not_known_goes_on(stage: Stage) -> None:
    await baking(stage)
    live(stage)["status"]["rollout"]["policy"]["rollout"]["mirror"] = {"share": 5}
    await stage.reconcile(3)
    assert live(stage)["status"]["rollout"]["stage"] == "Baking"
    assert live(stage)["status"]["rollout"]["policy"]["rollout"]["mirror"] == {"share": 5}


async def test_a_rollout_in_an_unknown_stage_ends_by_a_decision_and_by_a_new_spec(stage: Stage) -> None:
    revision = await started(stage)
    live(stage)["status"]["rollout"] |= copy.deepcopy(FOREIGN)
    decide(stage, "abort", revision)
    await stage.reconcile(3)
    assert "rollout" not in live(stage)["status"]
    assert live(stage)["status"]["rejected"][-1]["revision"] == revision

    other = Stage()
    await started(other)
    live(other)["status"]["rollout"] |= copy.deepcopy(FOREIGN)
    edit(other, model={**live(other)["spec"]["model"], "version": "3.0.0"})
    await other.reconcile(3)
    assert live(other)["status"]["rollout"]["version"] == "3.0.0"
    assert "mirror" not in live(other)["status"]["rollout"], "what was said of another rollout is not said of this"


async def test_an_active_version_that_cannot_be_read_is_read_from_what_runs(stage: Stage) -> None:
    revision = await baking(stage)
    active = live(stage)["status"]["active"]
    live(stage)["status"]["active"] = {**active, "color": "violet"}
    await stage.reconcile(2)
    assert live(stage)["status"]["rollout"]["stage"] == "Baking"
    decide(stage, "abort", revision)
    await stage.reconcile(2)
    assert selected(stage) == "blue"


async def test_entries_of_a_shape_that_is_not_known_are_kept_when_a_list_is_written(stage: Stage) -> None:
    revision = await baking(stage)
    status = live(stage)["status"]
    odd = {"revision": "v9-0", "outcome": "Superposed", "odds": [1]}
    status["history"][0]["by"] = "a newer operator"
    status["history"].append(odd)
    status["conditions"].append({"type": "Entangled", "status": "Both"})
    decide(stage, "abort", revision)
    await stage.reconcile(15)
    status = live(stage)["status"]
    assert status["history"][0]["by"] == "a newer operator"
    assert odd in status["history"]
    assert status["history"][-1]["outcome"] == "Aborted"
    assert {"type": "Entangled", "status": "Both"} in status["conditions"]


async def test_a_decision_with_a_field_that_is_not_known_is_carried_out(stage: Stage) -> None:
    revision = await baking(stage)
    decide(stage, "abort", revision, ticket="OPS-7")
    await stage.reconcile(2)
    assert selected(stage) == "blue"


async def test_a_decision_with_a_verb_that_is_not_known_is_refused_by_name(stage: Stage) -> None:
    revision = await baking(stage)
    decide(stage, "shadow", revision)
    await stage.reconcile(2)
    answer = stage.api.at("RolloutDecision", KEY.namespace, "d")["status"]
    assert answer["outcome"] == "Refused"
    assert "spec.verb" in answer["message"]


async def test_another_operators_hash_of_the_same_generation_starts_no_rollout(stage: Stage) -> None:
    """An operator with a younger field in its hash rolled this out; an older one runs now."""
    await settled(stage)
    live(stage)["spec"]["serving"] = {"gpuShare": 0.5}
    theirs = "v1-fromthefut"
    ours = live(stage)["status"]["active"]["revision"]
    live(stage)["status"]["active"]["revision"] = theirs
    live(stage)["status"]["target"] = {"generation": 1, "revision": theirs, "hash": theirs}
    for ref, raw in list(stage.api.objects.items()):
        if ref[0] in ("Deployment", "ControllerRevision", "Pod"):
            stage.api.objects[ref] = relabelled(raw, ours, theirs)
    await stage.reconcile(3)
    assert "rollout" not in live(stage)["status"]
    edit(stage, rollout={"keepWarm": "1m"})
    await stage.reconcile(3)
    assert "rollout" not in live(stage)["status"], "nothing about the pods was edited"
    edit(stage, model={**live(stage)["spec"]["model"], "version": "2.0.0"})
    await stage.reconcile(3)
    assert live(stage)["status"]["rollout"]["version"] == "2.0.0"


@pytest.mark.parametrize("state", ["active", "baking", "rejected"])
async def test_an_upgrade_that_hashes_differently_begins_nothing(stage: Stage, state: str) -> None:
    """The released operator did not remember which revision a generation asked for; its status tells."""
    ours, theirs = await started(stage), "v1-hashedbefore"
    if state != "baking":
        decide(stage, "promote" if state == "active" else "abort", ours)
        await stage.reconcile(15)
        del stage.api.objects["RolloutDecision", KEY.namespace, "d"]
    for ref, raw in list(stage.api.objects.items()):
        stage.api.objects[ref] = relabelled(raw, ours, theirs)
    status = live(stage)["status"]
    del status["target"]
    before = (status["active"], (status.get("rollout") or {}).get("revision"))
    await stage.reconcile(3)
    status = live(stage)["status"]
    assert (status["active"], (status.get("rollout") or {}).get("revision")) == before
    assert theirs in str(status)


async def test_what_an_older_operator_had_to_ignore_is_done_by_one_that_knows_it(stage: Stage) -> None:
    await settled(stage)
    ours = live(stage)["status"]["active"]["revision"]
    edit(stage, serving={"concurrency": 4})
    known = {"generation": 2, "revision": ours, "hash": ours, "partial": True}
    live(stage)["status"]["target"] = known
    await stage.reconcile()
    assert live(stage)["status"]["rollout"]["revision"] != ours


def relabelled(raw: Json, old: str, new: str) -> Json:
    if isinstance(raw, dict):
        return {key: relabelled(value, old, new) for key, value in raw.items()}
    if isinstance(raw, list):
        return [relabelled(value, old, new) for value in raw]  # type: ignore[return-value]
    return new if raw == old else raw
