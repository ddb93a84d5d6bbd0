"""Every fault is known for what it is, by what a real API server told of it (`python -m benchmarks.stuck --record`)."""

from __future__ import annotations

import re

import pytest

from dev.faults import FAULTS, Fault
from tests.recorded.replay import RECORDINGS, turn_of
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.core.pods.diagnosis.candidate import candidate_fault, candidate_trouble
from verdigris.core.pods.diagnosis.chain import diagnoses

OF_NO_POD = {"QuotaExceeded"}
"""Kinds that are told of a Deployment: it has no pod yet."""


def cases(*endings: str) -> pytest.MarkDecorator:
    """The faults with these endings."""
    chosen = [fault for fault in FAULTS if fault.ending in endings]
    return pytest.mark.parametrize("fault", chosen, ids=lambda fault: fault.name)


def test_each_fault_that_the_api_server_lets_in_has_been_recorded() -> None:
    assert RECORDINGS.keys() == {fault.name for fault in FAULTS if fault.ending != "Refused"}


@cases("Failed")
def test_a_fault_of_a_new_version_is_told_with_its_cause(fault: Fault) -> None:
    turn = turn_of(RECORDINGS[fault.name])
    if fault.kind not in OF_NO_POD:
        assert fault.kind in {found.kind for *_, found in diagnoses(turn)}
    if fault.worsen is None:
        said = candidate_fault(turn) or candidate_trouble(turn)
        assert said is not None
        assert re.fullmatch(fault.reason, said.reason), said
        assert re.search(fault.says, said.message), said


@cases("Replaced", "Healed", "Reported")
def test_a_fault_of_an_active_pod_is_known_and_something_is_done_where_that_helps(fault: Fault) -> None:
    found = [found for *_, found in diagnoses(turn_of(RECORDINGS[fault.name])) if found.kind == fault.kind]
    assert len(found) == 1
    if fault.ending != "Healed":
        assert (found[0].remedy == "None") == (fault.ending == "Reported"), found[0]
        assert re.search(fault.says, found[0].message), found[0]


@cases("Failed")
def test_the_active_pods_beside_a_bad_version_are_not_blamed(fault: Fault) -> None:
    assert [found for _, role, found in diagnoses(turn_of(RECORDINGS[fault.name])) if role == "active"] == []


@cases("Refused")
def test_a_fault_that_a_schema_can_see_is_refused_with_its_cause(fault: Fault) -> None:
    spec = {"model": {"version": "1.1.0", "uri": "https://models.example.com/d.vmodel", "sha256": "a" * 64}}
    with pytest.raises(ValueError, match=fault.says):
        ModelDeploymentSpec.parse({**spec, **fault.spec})
