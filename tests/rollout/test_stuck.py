"""The chain over all pods of a model: whose pod, whose Events, what counts for a rollout, and silence otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollout.kubelet import (
    BORN,
    FETCHED,
    NODES,
    NOW,
    REVISION,
    Json,
    around,
    ended,
    raw_pod,
    running,
    status,
    unscheduled,
    view,
    waiting,
)
from tests.rollout.parts import OWNER, spec
from verdigris.api.status import (
    ActiveStatus,
    ModelDeploymentStatus,
    RolloutStatus,
    StuckKind,
    Unsteady,
    WarmStatus,
)
from verdigris.children.names import Defaults
from verdigris.core.facts.evidence import NOT_ASKED
from verdigris.core.facts.observed import DeploymentView, Observed, PodView
from verdigris.core.facts.survey import NodeView, Survey
from verdigris.core.pods.diagnosis.candidate import candidate_fault, candidate_trouble
from verdigris.core.pods.diagnosis.chain import CHAIN, diagnose, diagnoses, role_of, wanted_events, wants_nodes
from verdigris.core.pods.diagnosis.check import Role
from verdigris.core.turn import Turn
from verdigris.tools import generated, stuck_table

ROLLOUT = RolloutStatus(
    color="green", version="1.1.0", revision=REVISION, stage="Starting", started_at=BORN, since=BORN
)
CRASHED = status(FETCHED, waiting("CrashLoopBackOff", "", ended(3, "boom"), 3))
RUNS = status(FETCHED, running(5))
READY = status(FETCHED, running(5), ready=True)
NO_NODE = unscheduled("0/1 nodes are available: 1 Insufficient cpu.")


def turn(*pods: Json, now: datetime = NOW, rollout: RolloutStatus = ROLLOUT, nodes: tuple[NodeView, ...] = ()) -> Turn:
    """Given: these pods, of a rollout to green."""
    seen = ModelDeploymentStatus(rollout=rollout)
    observed = Observed(
        owner=OWNER,
        generation=1,
        spec=spec(),
        status=seen,
        defaults=Defaults("verdigris/serving:test", None),
        deployments={"green": DeploymentView("uid-green", len(pods), REVISION)},
        pods=tuple(view(raw) for raw in pods),
        survey=Survey(now, nodes) if nodes else None,
    )
    return Turn(observed, NOT_ASKED, now, seen)


def test_every_kind_has_a_check_but_the_one_that_is_of_no_pod() -> None:
    assert {check.kind for check in CHAIN} == set(get_args(StuckKind)) - {"QuotaExceeded"}


@pytest.mark.parametrize(
    ("color", "revision", "role"),
    [
        ("blue", "old", "active"),
        ("green", REVISION, "candidate"),
        ("green", "other", "orphan"),
        ("blue", REVISION, "orphan"),
    ],
)
def test_whose_pod_it_is_goes_by_colour_and_revision(color: str, revision: str, role: Role) -> None:
    active = ActiveStatus(color="blue", version="1.0.0", revision="old", since=BORN)
    pod = replace(view(raw_pod()), color=color, revision=revision)  # type: ignore[arg-type]
    assert role_of(pod, ModelDeploymentStatus(active=active, rollout=ROLLOUT)) == role


def test_a_warm_pod_is_warm() -> None:
    warm = WarmStatus(color="green", version="1.0.0", revision=REVISION, until=NOW)
    assert role_of(view(raw_pod()), ModelDeploymentStatus(warm=warm)) == "warm"


def test_each_pod_in_trouble_is_told_in_the_order_in_which_they_were_seen() -> None:
    found = diagnoses(turn(raw_pod("b", status=CRASHED), raw_pod("c", status=READY), raw_pod("a", status=NO_NODE)))
    assert [(pod.name, role, what.kind) for pod, role, what in found] == [
        ("b", "candidate", "CrashLoop"),
        ("a", "candidate", "Unschedulable"),
    ]
    assert found[0][2].remedy == "Evict", "its ready sibling was seen"


def test_the_survey_and_the_memory_of_flapping_reach_the_checks() -> None:
    lost = (NodeView("worker-1", ready=False), NODES["worker-2"])
    assert [what.kind for *_, what in diagnoses(turn(raw_pod(status=RUNS), nodes=lost))] == ["NodeLost"]
    unready_at = tuple(BORN + timedelta(seconds=seconds) for seconds in range(4))
    calm = turn(raw_pod("p", status=READY))
    unsteady = calm.change(unsteady=(Unsteady(uid="uid-p", unready_at=unready_at),))
    assert [what.kind for *_, what in diagnoses(unsteady)] == ["Flapping"]
    assert diagnoses(calm) == ()


def test_events_are_asked_for_where_they_would_say_why_and_not_at_a_usual_start() -> None:
    pods = (raw_pod("x", status=RUNS), raw_pod("y"), raw_pod("z", status=READY), raw_pod("u", status=NO_NODE))
    observed = turn(*pods).observed
    assert wanted_events(observed, NOW) == ("uid-x", "uid-y")
    assert wanted_events(observed, BORN + timedelta(seconds=9)) == ()


def test_of_many_pods_only_some_events_are_asked_for() -> None:
    observed = turn(*(raw_pod(f"p{number}") for number in range(30))).observed
    assert len(wanted_events(observed, NOW)) == 10


@pytest.mark.parametrize(
    ("pod", "wanted"),
    [
        (raw_pod(status=READY), False),
        (raw_pod(status=RUNS), True),
        (raw_pod(status={"phase": "Failed"}), False),
        (raw_pod(status=READY, metadata={"deletionTimestamp": "2026-11-23T10:00:00Z"}), True),
    ],
)
def test_nodes_are_asked_for_when_a_pod_is_not_ready_or_on_its_way_out(pod: Json, wanted: bool) -> None:
    assert wants_nodes(turn(pod).observed) is wanted


def test_a_hopeless_fault_ends_a_rollout_once_it_is_ripe_and_is_trouble_before() -> None:
    early, late = turn(raw_pod(status=CRASHED), now=BORN + timedelta(seconds=20)), turn(raw_pod(status=CRASHED))
    assert candidate_fault(early) is None
    trouble, fault = candidate_trouble(early), candidate_fault(late)
    assert trouble is not None
    assert trouble == fault
    assert trouble.reason == "CrashLoopBackOff"


def test_what_is_not_hopeless_never_ends_a_rollout_by_itself() -> None:
    later = turn(raw_pod(status=NO_NODE), now=BORN + timedelta(hours=1))
    assert candidate_fault(later) is None
    assert getattr(candidate_trouble(later), "reason", None) == "Unschedulable"


def test_a_usual_start_is_no_trouble_but_explains_a_missed_deadline() -> None:
    raw = raw_pod(status=RUNS)
    assert candidate_trouble(turn(raw, rollout=ROLLOUT.model_copy(update={"deadline": NOW + timedelta(1)}))) is None
    missed = ROLLOUT.model_copy(update={"deadline": NOW})
    assert getattr(candidate_trouble(turn(raw, rollout=missed)), "reason", None) == "NeverReady"


def test_only_the_candidates_own_pods_that_are_to_stay_count() -> None:
    labels = {**raw_pod()["metadata"]["labels"], "verdigris.dev/revision": "other"}
    stranger = turn(raw_pod(status=CRASHED, metadata={"labels": labels}))
    going = turn(raw_pod(status=CRASHED, metadata={"deletionTimestamp": "2026-11-23T10:00:10Z"}))
    assert [candidate_trouble(stranger), candidate_trouble(going)] == [None, None]
    assert len(diagnoses(stranger)) == len(diagnoses(going)) == 1


# Any past, as long as the pod is well now: what went before is history.
PASTS = st.one_of(
    st.just({}),
    st.builds(ended, st.integers(0, 255), st.text(max_size=40), st.sampled_from(["Error", "OOMKilled", "Completed"])),
)


@st.composite
def healthy(draw: st.DrawFn) -> PodView:
    server = running(draw(st.integers(0, 3000)), draw(PASTS), draw(st.integers(0, 50)))
    fetch = FETCHED | {"lastState": draw(PASTS), "restartCount": draw(st.integers(0, 9))}
    metadata = draw(st.sampled_from([{}, {"finalizers": ["example.com/audit"]}]))
    return view(raw_pod(status=status(fetch, server, ready=True), metadata=metadata))


@given(
    healthy(),
    st.sampled_from(get_args(Role)),
    st.sampled_from([None, {}, NODES]),
    st.lists(st.integers(0, 3600), max_size=3),
    st.integers(0, 10**6),
)
@settings(max_examples=200)
def test_a_pod_that_is_well_gives_nothing(pod: PodView, role: Role, nodes: object, lost: list[int], age: int) -> None:
    unready_at = tuple(BORN + timedelta(seconds=seconds) for seconds in lost)
    assert (
        diagnose(pod, around(role=role, nodes=nodes, unready_at=unready_at, now=BORN + timedelta(seconds=age))) is None
    )


@given(st.sampled_from([CRASHED, RUNS, NO_NODE, status()]), st.integers(0, 110), st.integers(0, 110))
@settings(max_examples=100)
def test_time_alone_changes_nothing_that_is_said(raw: Json, one: int, two: int) -> None:
    """Neither text nor times: steady means silent."""
    first, second = (
        diagnose(view(raw_pod(status=raw)), around(now=BORN + timedelta(seconds=seconds))) for seconds in (one, two)
    )
    assert first == second


def test_the_table_in_the_docs_is_what_the_checks_say() -> None:
    assert not generated.stale(stuck_table.files()), "run `python -m verdigris.tools.stuck_table --write`"


def test_a_stale_table_is_told_with_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "stuck-pods.md"
    assert stuck_table.main(["--write", "--at", str(file)]) == 0
    assert stuck_table.main(["--check", "--at", str(file)]) == 0
    file.write_text(file.read_text().replace("Flapping", "Fluttering"))
    assert stuck_table.main(["--check", "--at", str(file)]) == 1
    assert "--write" in capsys.readouterr().err


def test_no_row_breaks_the_table() -> None:
    rows = [line for line in stuck_table.render().splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}
