"""A slice of `make simulate` in each run of the tests, and proof that a broken law is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.choices import Choice
from tests.simulation.faults import Fault
from tests.simulation.independence import Independence
from tests.simulation.parts import spec
from tests.simulation.runs import disturbed, undisturbed
from tests.simulation.wire import Call
from tests.simulation.workloads import BY_NAME, FAULTS
from verdigris.adapters.kube.writing.executor import Executor
from verdigris.core.engine import children
from verdigris.core.routing.service import wanted_selection
from verdigris.core.steps import full_share, measure, start
from verdigris.core.steps.step import NEXT

ROOT = Path(__file__).resolve().parents[2]
SLICE = ("--every", "165", "--walks", "2", "--jobs", "1")


def test_a_slice_of_all_runs_goes_right(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    paths = os.pathsep.join(str(ROOT / part) for part in ("operator", "serving", ""))
    command = [sys.executable, "-m", "tests.simulation", *SLICE, "--out", str(out)]
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    report = json.loads(out.read_text())
    assert (ran.returncode, report["wrong"]) == (0, []), ran.stdout + ran.stderr
    assert len(report["workloads"]) >= 10
    assert len(report["faults"]) >= 8
    assert report["runs"] >= 100


def test_it_finds_clients_who_are_moved_before_pods_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "route", wanted_selection)
    for step in (start, measure):
        monkeypatch.setattr(step, "complete", lambda _: True)
    wrong = undisturbed(BY_NAME["release"]).wrong
    assert any(what.startswith("law 2") for what in wrong), wrong


def test_it_finds_an_old_colour_that_is_removed_at_the_move(monkeypatch: pytest.MonkeyPatch) -> None:
    roles = children.roles

    def without_active(turn: Any) -> Any:
        rollout, found = turn.status.rollout, dict(roles(turn))
        if rollout is not None and rollout.stage == "Baking":
            del found[turn.status.active.color]
        return found

    monkeypatch.setattr(children, "roles", without_active)
    wrong = undisturbed(BY_NAME["release"]).wrong
    assert any(what.startswith("law 1") for what in wrong), wrong


def test_it_finds_a_way_back_that_is_sent_under_a_precondition(monkeypatch: pytest.MonkeyPatch) -> None:
    move = Executor._move

    async def always_as_seen(self: Executor, action: Any) -> bool:
        return await move(self, replace(action, as_seen=True))

    monkeypatch.setattr(Executor, "_move", always_as_seen)
    branches = disturbed(BY_NAME["bad release"], somebody_writes_the_service_all_the_time).branches
    wrong = [what for branch in branches for what in branch["wrong"]]
    assert any(what.startswith("law 1") for what in wrong), branches


def test_it_finds_clients_who_are_moved_while_a_version_is_on_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    route = children.route

    def ahead(observed: Any, status: Any) -> Any:
        rollout = status.rollout
        return rollout.color if rollout is not None and rollout.passed_on else route(observed, status)

    monkeypatch.setattr(children, "route", ahead)
    wrong = undisturbed(BY_NAME["shielded release"]).wrong
    assert any(what.startswith("law 15") for what in wrong), wrong


def test_it_finds_a_bad_version_that_is_promoted_because_nobody_saw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_share, "without_evidence", lambda turn, _: (turn, NEXT))
    branches = disturbed(BY_NAME["bad release"], from_baking_on("Prometheus away for ever")).branches
    wrong = [what for branch in branches for what in branch["wrong"]]
    assert any(what.startswith("law 3") for what in wrong), branches


def test_it_tells_two_ways_to_one_spec_apart() -> None:
    independence = Independence(BY_NAME["release"])
    asked = {"edit": "more pods", "spec": spec("2.0.0"), "behaves": {}}
    three = independence.alone({**asked, "spec": spec("2.0.0", autoscaling={"minReplicas": 3})})
    assert independence.differs({**asked, "essence": independence.alone(asked)}) == []
    told = independence.differs({**asked, "essence": three})
    assert any("HorizontalPodAutoscaler" in what for what in told), told


def from_baking_on(name: str) -> Choice:
    """This fault, once, as soon as the second version bakes."""
    left = [FAULTS[name]]
    return lambda call: [left.pop()] if left and "/Baking/" in call.phase and call.kind != "Event" else ()


def somebody_writes_the_service_all_the_time(call: Call) -> Sequence[Fault]:
    """From the first way back on: what holds only for the Service as it was read always comes too late."""
    return (FAULTS["conflict for ever"],) if "/Baking/green" in call.phase and _moves(call) else ()


def _moves(call: Call) -> bool:
    return call.kind == "Service" and call.guarded
