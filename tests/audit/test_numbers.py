"""Whatever number an entry has, the log that has it can be read again: a tenant's gate must not end everybody's log."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.audit.logs import NOW, SIGNER
from verdigris.adapters.audit.folder import read
from verdigris.adapters.audit.log import Log
from verdigris.api.status import GateCheck, GateStatus, ModelDeploymentStatus, RolloutStatus, StepStatus
from verdigris.audit.check import Sound, check
from verdigris.audit.event import Entry, numbered, read_line
from verdigris.audit.facts import changes
from verdigris.audit.model import Model

MODEL = Model("clinic", "diabetes", "uid-1")
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**308), 10**308)


@given(NUMBERS)
@example(1e16)
@example(1e18)
@example(2**53)
@example(10**18)
@example(-(10**20))
def test_what_is_spelled_is_read_again_as_it_was_spelled(number: float) -> None:
    made = Entry("uid/gate", "gate", "/models/x", "clinic/x", NOW, {"value": number, "each": [{"low": number}]})
    line = numbered(made.dump(), 0, NOW)[:-1]
    found = read_line(line)
    assert found is not None
    assert found["data"]["customData"]["value"] == float(number)


@pytest.mark.parametrize("digits", [b"1" * 400, b"1" * 9_000])
def test_a_number_that_is_none_of_ours_is_no_entry_and_no_crash(digits: bytes) -> None:
    assert read_line(b'{"id":' + digits + b"}") is None


@pytest.mark.parametrize("spelled", [1e18, 10**18])
def test_a_gate_with_a_huge_number_leaves_a_log_that_is_sound_and_written_on(tmp_path: Path, spelled: float) -> None:
    """In what it has answered, and in the policy; of that the API server gives a whole double back as an int."""
    checks = (GateCheck(name="rmse", verdict="Pass", value=1e18, threshold=1e18),)
    gate = GateStatus(job="gate", verdict="Pass", reason="Passed", checks=checks)
    rollout = RolloutStatus(
        version="1.1.0",
        revision="v1-1",
        color="green",
        stage="AtGate",
        steps=(StepStatus(kind="Quality", began=NOW, gate=gate), StepStatus(kind="Job", number=1, gate=gate)),
        started_at=NOW,
        since=NOW,
        policy={"rollout": {"steps": [{"quality": {"rmse": {"max": spelled}}}, {"job": {"name": "bias"}}]}},
    )
    entries = changes(None, ModelDeploymentStatus(rollout=rollout), MODEL, NOW)
    assert [(entry.what, entry.data.get("name")) for entry in entries] == [
        ("began", None),
        ("gate", None),
        ("gate", "bias"),
    ]
    log = Log.open(tmp_path, SIGNER, lambda: NOW)
    assert log.append([entry.dump() for entry in entries]) == 3
    log.close()
    copy = read(tmp_path)
    assert isinstance(check(copy.lines, copy.checkpoints, SIGNER.verifier), Sound)
    assert Log.open(tmp_path, SIGNER, lambda: NOW).size == 3
