"""From "something is wrong" to the cause in at most two commands, for faults that a real cluster has shown.

The first command is `kubectl verdigris list`, the second `kubectl verdigris why NAME`: what they print is looked at
here, for statuses that the plan makes of what was recorded of the fault (`tests/recorded`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from dev.faults import FAULTS, Fault
from tests.cli.scenes import document, pod
from tests.cli.stage import Stage
from tests.recorded.replay import RECORDINGS, turn_of
from verdigris.api.status import TargetStatus
from verdigris.core.engine.plan import plan
from verdigris.core.facts.evidence import NOT_ASKED

TEN = (
    "image that is not in its registry",
    "registry that wants a password",
    "missing Secret",
    "artifact that is not there",
    "artifact that is another",
    "memory limit too small",
    "server that exits",
    "label that no node has",
    "volume that cannot be mounted",
    "quota of pods used up",
)
OTHERS = ("active pod that is not ready any more", "server that is never ready", "claim that is not there")
BY_NAME = {fault.name: fault for fault in FAULTS}


def recorded(fault: Fault) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The model and its pods after the operator's look at what was recorded."""
    turn = turn_of(RECORDINGS[fault.name])
    status = turn.observed.status
    wanted = status.rollout or status.active
    assert wanted is not None
    # What was recorded keeps its name, also where a spec is hashed otherwise by now.
    target = TargetStatus(generation=1, revision=wanted.revision, hash=wanted.revision)
    known = status.model_copy(update={"target": target})
    observed = replace(turn.observed, status=known, selected="blue", endpoints={"blue": 2})
    made = plan(observed, NOT_ASKED, turn.now)
    return document(observed.spec.dump(), made.status), [pod(view) for view in observed.pods]


@pytest.mark.parametrize("name", [*TEN, *OTHERS])
def test_the_cause_is_found_by_two_commands(stage: Stage, name: str) -> None:
    fault = BY_NAME[name]
    model, pods = recorded(fault)
    stage.given(model, *pods)
    code, listed, _ = stage.run("list")
    assert code == 0
    assert "diabetes" in listed
    code, out, _ = stage.run("why", "diabetes")
    assert code == 0
    told = " ".join(out.split())
    assert re.search(fault.reason, told), told
    assert re.search(fault.says, told), told
    assert re.search(r"next \S", told), told


def test_ten_faults_are_looked_at() -> None:
    assert len(set(TEN)) == 10
    assert set(TEN) | set(OTHERS) <= set(BY_NAME)
