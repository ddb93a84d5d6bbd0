"""The operator dies between any two writes: the end is the same as without (Sieve's first question)."""

from __future__ import annotations

from tests.runtime.raws import KEY, owned
from tests.runtime.stage import Stage, settled
from verdigris.adapters.kube.transport.errors import Transient


async def test_a_crash_at_any_write_is_made_good_by_the_next_reconcile() -> None:
    stage = Stage()
    await settled(stage)
    wanted = {ref[:1] + ref[2:] for ref in stage.api.objects if ref[0] not in ("Event", "Pod", "EndpointSlice")}
    total = len(stage.api.writes)
    for crash_at in range(1, total + 1):
        other = Stage()
        await _crash(other, crash_at)
        found = {ref[:1] + ref[2:] for ref in other.api.objects if ref[0] not in ("Event", "Pod", "EndpointSlice")}
        assert found == wanted, f"after a crash at write {crash_at}"
        assert other.condition("Ready") == ("True", "Active")


class _Crash(BaseException):
    """The process is gone."""


async def _crash(stage: Stage, at: int) -> None:
    left = at

    def count(verb: str, *_: str) -> None:
        nonlocal left
        if verb in ("get", "list"):
            return
        left -= 1
        if left == 0:
            raise _Crash

    stage.api.fault = count
    for _ in range(12):
        if ("Deployment", KEY.namespace, "diabetes-blue") in stage.api.objects:
            stage.api.at("Deployment", KEY.namespace, "diabetes-blue")["spec"].setdefault("replicas", 1)
            stage.let_pods_start()
        try:
            await stage.reconcile()
        except _Crash:
            continue


async def test_decisions_dealt_with_get_their_outcome_even_after_a_crash_before_it_was_written() -> None:
    stage = Stage()
    await settled(stage)
    active = stage.api.at("ModelDeployment", *KEY)["status"]["active"]["revision"]
    spec = {
        "modelDeployment": KEY.name,
        "revision": active,
        "verb": "approve",
        "reason": "why not",
        "requestedBy": "alice",
    }
    stage.api.put(owned("RolloutDecision", "verdigris.dev/v1alpha1", "d", spec=spec))
    stage.refuse("RolloutDecision/status", Transient("busy"))
    assert isinstance((await stage.reconcile()).failure, Transient)
    stage.api.fault = lambda *_: None
    await stage.reconcile()
    assert stage.api.at("RolloutDecision", KEY.namespace, "d")["status"]["outcome"] == "Refused"
