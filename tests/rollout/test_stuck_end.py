"""Pods that run without being of use, and pods that should be gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.rollout.kubelet import (
    BORN,
    FETCHED,
    NODES,
    READY_SIBLING,
    around,
    at,
    event,
    look,
    raw_pod,
    running,
    status,
    view,
    waiting,
)
from verdigris.api.spec import CleanupSpec
from verdigris.core.facts.survey import NodeView, Taint
from verdigris.core.pods.diagnosis.chain import diagnose

LOST = NodeView("worker-1", ready=False, since=BORN + timedelta(seconds=20))
SHUT_DOWN = NodeView("worker-1", ready=False, taints=(Taint("node.kubernetes.io/out-of-service", effect="NoExecute"),))
OTHER = {"worker-2": NODES["worker-2"]}
GOING = {"deletionTimestamp": at(40)}
RUNS = status(FETCHED, running(5))
READY = status(FETCHED, running(5), ready=True)


def test_a_pod_that_runs_and_is_not_ready_has_the_probes_words() -> None:
    probe = "Readiness probe failed: HTTP probe failed with statuscode: 503"
    found = look(
        raw_pod(status=RUNS),
        role="active",
        events=(event("Unhealthy", "Startup probe failed: x", 99), event("Unhealthy", probe)),
    )
    assert (found.kind, found.remedy, found.hopeless) == ("NeverReady", "Evict", False)
    assert probe in found.message
    assert "Startup" not in found.message
    assert found.ripe_at == BORN + timedelta(seconds=125)


def test_a_version_of_which_no_pod_gets_ready_is_not_begun_anew_again_and_again() -> None:
    assert look(raw_pod(status=RUNS), role="candidate").remedy == "None"
    assert look(raw_pod(status=RUNS), role="candidate", siblings=(READY_SIBLING,)).remedy == "Evict"


def test_two_errors_of_a_probe_that_take_turns_do_not_change_the_text() -> None:
    often, rare = "Readiness probe failed: a", "Readiness probe failed: b"
    first = look(raw_pod(status=RUNS), events=(event("Unhealthy", rare, 3), event("Unhealthy", often, 9)))
    assert look(raw_pod(status=RUNS), events=(event("Unhealthy", often, 9), event("Unhealthy", rare, 4))) == first


def test_the_callers_port_does_not_change_the_text() -> None:
    words = 'Readiness probe failed: Get "http://10.0.0.7:8080/": read tcp 10.0.0.1:{}->10.0.0.7:8080: connection reset'
    found = {look(raw_pod(status=RUNS), events=(event("Unhealthy", words.format(p)),)).message for p in (40001, 40002)}
    assert len(found) == 1


def test_an_init_step_at_work_is_left_at_it_and_told_when_it_takes_long() -> None:
    found = look(raw_pod(status=status(running(2))))
    assert (found.kind, found.reason, found.remedy, found.hopeless) == ("InitFailing", "Initializing", "None", False)
    assert (found.passing, found.ripe_at) == (True, BORN + timedelta(seconds=122))
    assert "fetch has not ended yet" in found.message


def test_a_sidecar_that_runs_on_is_no_init_step_at_work() -> None:
    assert look(raw_pod(status=status(running(2), running(5)))).kind == "NeverReady"


@pytest.mark.parametrize("ready", [True, False])
def test_a_pod_that_ceased_to_be_ready_often_enough_within_the_window_flaps(ready: bool) -> None:
    unready_at = tuple(BORN + timedelta(seconds=seconds) for seconds in (10, 20, 30, 40))
    raw = raw_pod(status=READY if ready else RUNS)
    found = look(raw, unready_at=unready_at)
    assert (found.kind, found.remedy) == ("Flapping", "Evict")
    assert (found.since, found.ripe_at) == (unready_at[0], unready_at[3])
    assert "4 times or more within 10m" in found.message
    later = around(unready_at=unready_at, now=BORN + timedelta(minutes=10, seconds=15))
    assert getattr(diagnose(view(raw), later), "kind", None) == (None if ready else "NeverReady")


def test_a_pod_within_its_grace_is_left_in_peace() -> None:
    raw = raw_pod(status=RUNS, metadata={"deletionTimestamp": at(70)})
    assert diagnose(view(raw), around(nodes=OTHER)) is None


@pytest.mark.parametrize(
    ("metadata", "nodes", "kind", "reason", "remedy"),
    [
        ({}, NODES, "Terminating", "KubeletStillEnding", "None"),
        ({}, None, "Terminating", "KubeletStillEnding", "None"),
        ({}, {}, "Terminating", "KubeletStillEnding", "None"),
        ({"finalizers": ["example.com/audit"]}, NODES, "Terminating", "FinalizersPending", "None"),
        ({}, OTHER | {"worker-1": LOST}, "Terminating", "NodeNotReady", "None"),
        ({}, OTHER, "NodeGone", "NodeGone", "Force"),
        ({}, OTHER | {"worker-1": SHUT_DOWN}, "NodeGone", "NodeGone", "Force"),
        ({"finalizers": ["example.com/audit"]}, OTHER, "NodeGone", "NodeGone", "None"),
        (
            {},
            OTHER | {"worker-1": NodeView("worker-1", taints=SHUT_DOWN.taints)},
            "Terminating",
            "KubeletStillEnding",
            "None",
        ),
    ],
    ids=[
        "node alive",
        "nobody may look",
        "nobody saw a node",
        "finalizer",
        "lost",
        "gone",
        "out of service",
        "gone, finalizer",
        "tainted, but reports",
    ],
)
def test_a_pod_beyond_its_grace_is_forced_only_when_its_node_is_gone(
    metadata: dict[str, Any], nodes: Any, kind: str, reason: str, remedy: str
) -> None:
    found = look(raw_pod(status=READY, metadata=GOING | metadata), nodes=nodes)
    assert (found.kind, found.reason, found.remedy, found.hopeless) == (kind, reason, remedy, False)
    assert (found.since, found.ripe_at) == (BORN + timedelta(seconds=40), BORN + timedelta(seconds=70))
    assert ("example.com/audit" in found.message) is ("finalizers" in metadata)


def test_a_node_that_does_not_report_is_left_when_there_is_another() -> None:
    found = look(raw_pod(status=RUNS), nodes=OTHER | {"worker-1": LOST})
    assert (found.kind, found.reason, found.remedy) == ("NodeLost", "NodeNotReady", "Evict")
    assert (found.since, found.ripe_at) == (BORN + timedelta(seconds=20), BORN + timedelta(seconds=140))
    assert "worker-1 does not report" in found.message


@pytest.mark.parametrize(
    "other",
    [
        NodeView("worker-2", ready=False),
        NodeView("worker-2", cordoned=True),
        NodeView("worker-2", taints=(Taint("node-role.kubernetes.io/control-plane"),)),
    ],
    ids=["lost too", "cordoned", "tainted"],
)
def test_without_another_node_that_takes_pods_a_lost_node_is_only_reported(other: NodeView) -> None:
    found = look(raw_pod(status=RUNS), nodes={"worker-1": LOST, "worker-2": other})
    assert (found.kind, found.remedy) == ("NodeLost", "None")
    assert "add one" in found.message


def test_a_node_that_is_no_more_is_left() -> None:
    found = look(raw_pod(status=RUNS), nodes=OTHER)
    assert (found.kind, found.reason, found.remedy) == ("NodeLost", "NodeGone", "Evict")


@pytest.mark.parametrize(
    ("phase", "told", "message", "reason"),
    [
        ("Failed", "Evicted", "The node was low on resource: memory. Threshold quantity: 100Mi", "Evicted"),
        (
            "Failed",
            "UnexpectedAdmissionError",
            "Pod was rejected: Allocate failed due to no healthy devices present",
            "UnexpectedAdmissionError",
        ),
        ("Failed", "NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed", "NodeAffinity"),
        ("Failed", "Preempting", "Preempted in order to admit critical pod", "Preempting"),
        ("Failed", "Terminated", "Pod was terminated in response to imminent node shutdown.", "Terminated"),
        ("Failed", "OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu, requested: 500", "OutOfcpu"),
        ("Failed", "", "", "Failed"),
        ("Succeeded", "", "", "Completed"),
    ],
)
def test_what_has_ended_is_a_leftover_whatever_its_containers_say(
    phase: str, told: str, message: str, reason: str
) -> None:
    crashed = status(FETCHED, waiting("CrashLoopBackOff"), phase=phase, reason=told, message=message)
    for raw in (raw_pod(status={"phase": phase, "reason": told, "message": message}), raw_pod(status=crashed)):
        found = look(raw, role="active", nodes=OTHER)
        assert (found.kind, found.reason, found.remedy, found.hopeless) == ("Leftover", reason, "Delete", False)
        assert message.rstrip(".") in found.message


def test_an_orphan_has_neither_a_deployment_nor_a_replica_set() -> None:
    stray = raw_pod(status=READY, metadata={"ownerReferences": []})
    found = look(stray, role="orphan", deployed=False)
    assert (found.kind, found.remedy) == ("Orphan", "Delete")
    assert diagnose(view(stray), around(role="orphan", deployed=True)) is None
    assert diagnose(view(stray), around(role="candidate", deployed=False)) is None
    assert diagnose(view(raw_pod(status=READY)), around(role="orphan", deployed=False)) is None


def test_thresholds_are_the_users() -> None:
    assert look(raw_pod(status=RUNS), policy=CleanupSpec(stuck_after="7s")).ripe_at == BORN + timedelta(seconds=12)
