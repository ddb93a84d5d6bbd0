"""A bug in judging ends no look: what is decided, and what is repaired, needs no evidence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.baking import bakes, rollout, selected
from tests.runtime.raws import KEY
from tests.runtime.stage import Stage
from tests.runtime.test_skew import decide
from verdigris.app import reconcile
from verdigris.core.engine import plan as engine


async def baking_unjudged(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A version bakes, and from now on no evidence can be judged."""
    stage = Stage()
    await bakes(stage)

    def plan(observed: Any, evidence: Any, now: Any) -> Any:
        if evidence.problem is None:
            raise ZeroDivisionError
        return engine.plan(observed, evidence, now)

    monkeypatch.setattr(reconcile, "plan", plan)
    stage.memory.forget(KEY)
    return stage


async def test_a_rollout_that_cannot_be_judged_says_so_and_can_be_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = await baking_unjudged(monkeypatch)
    await stage.reconcile(3)
    assert selected(stage) == "green"
    assert "a bug in the operator (ZeroDivisionError)" in stage.message("AnalysisHealthy")
    decide(stage, "abort", (rollout(stage) or {})["revision"])
    await stage.reconcile(2)
    assert selected(stage) == "blue"


async def test_the_bug_is_logged_once_and_not_at_every_look(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = await baking_unjudged(monkeypatch)
    caplog.clear()
    await stage.reconcile(5)
    assert len([record for record in caplog.records if "could not be judged" in record.message]) == 1


async def test_its_children_are_still_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = await baking_unjudged(monkeypatch)
    del stage.api.objects["PodDisruptionBudget", KEY.namespace, "diabetes-blue"]
    await stage.reconcile(2)
    assert ("PodDisruptionBudget", KEY.namespace, "diabetes-blue") in stage.api.objects


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("evidence", "looks"), -1),
        (("evidence", "baseline", "limit"), -1),
        (("evidence", "clockAhead"), 2**63 - 1),
        (("evidence", "seen"), 1e300),
        (("since",), "9999-12-31T23:59:59Z"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
async def test_a_value_that_nobody_can_reckon_with_keeps_no_client_on_a_bad_version(
    place: tuple[str, ...], value: Any
) -> None:
    stage = Stage()
    prometheus = await bakes(stage)
    found = rollout(stage) or {}
    for step in place[:-1]:
        found = found.setdefault(step, {})
    found[place[-1]] = value
    prometheus.failing = True
    await stage.reconcile(15)
    assert selected(stage) == "blue"
