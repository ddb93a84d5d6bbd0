"""Pods whose containers end: which check speaks, that the words are the true cause, and that they stay the same."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.rollout.kubelet import (
    BORN,
    FETCHED,
    NOW,
    READY_SIBLING,
    around,
    ended,
    event,
    look,
    now_ended,
    raw_pod,
    running,
    status,
    view,
    waiting,
)
from verdigris.api.spec import CleanupSpec
from verdigris.core.pods.diagnosis.chain import diagnose
from verdigris.core.pods.diagnosis.crash import DEFINITE_FAULTS

BACK_OFF = "back-off 20s restarting failed container=server pod=diabetes-green-7c9d8b6f5-x2x9p_clinic(uid)"


def report(reason: str, message: str = "told") -> str:
    return json.dumps({"reason": reason, "message": message})


@pytest.mark.parametrize("reason", sorted(DEFINITE_FAULTS))
def test_what_the_init_step_reports_for_good_is_hopeless_at_once(reason: str) -> None:
    raw = raw_pod(status=status(waiting("CrashLoopBackOff", BACK_OFF, ended(1, report(reason)), restarts=1)))
    found = look(raw)
    assert (found.kind, found.reason, found.message) == ("InitFailing", reason, "told")
    assert (found.remedy, found.hopeless) == ("None", True)
    assert found.ripe_at <= NOW


def test_what_the_server_reports_before_it_is_ready_counts_the_same() -> None:
    server = waiting("CrashLoopBackOff", BACK_OFF, ended(1, report("GoldenRowsFailed")), restarts=1)
    assert look(raw_pod(status=status(FETCHED, server))).reason == "GoldenRowsFailed"


def test_a_host_that_did_not_answer_may_answer_yet() -> None:
    fetch = waiting("CrashLoopBackOff", BACK_OFF, ended(1, report("ArtifactUnreachable", "no answer in 30 s")), 9)
    found = look(raw_pod(status=status(fetch)))
    assert (found.kind, found.reason, found.hopeless) == ("InitFailing", "ArtifactUnreachable", False)
    assert found.message == "no answer in 30 s"


@pytest.mark.parametrize("words", ["Traceback: …", '["ChecksumMismatch"]', '{"reason": 7}', report("SomethingNew")])
def test_other_words_of_the_init_step_are_a_failing_init_step(words: str) -> None:
    found = look(raw_pod(status=status(waiting("CrashLoopBackOff", BACK_OFF, ended(1, words), restarts=3))))
    assert (found.kind, found.reason, found.hopeless) == ("InitFailing", "CrashLoopBackOff", True)
    assert "fetch keeps failing, with code 1" in found.message


def test_a_report_with_exit_code_0_or_from_before_a_start_that_went_well_is_history() -> None:
    done = FETCHED | {"lastState": ended(1, report("ChecksumMismatch"))}
    found = diagnose(view(raw_pod(status=status(done, running()))), around())
    assert found is not None
    assert found.kind == "NeverReady"


def test_a_pod_that_is_ready_again_has_nothing_whatever_went_before() -> None:
    server = running(40, ended(137, reason="OOMKilled"), restarts=7)
    assert diagnose(view(raw_pod(status=status(FETCHED, server, ready=True))), around()) is None


def test_a_crash_loop_reads_the_same_whichever_moment_of_it_is_seen() -> None:
    """Given the same last words, only the times in the log differ."""
    moments = (
        waiting("CrashLoopBackOff", BACK_OFF, ended(3, "2026-11-23T10:00:01.5Z no such file"), restarts=3),
        waiting("CrashLoopBackOff", BACK_OFF.replace("20s", "1m20s"), ended(3, "no such file"), restarts=3),
        running(58, ended(3, "2026-11-23 10:00:41 no such file"), restarts=3),
        now_ended(3, "no such file", restarts=3),
        waiting("", "", ended(3, "no such file"), restarts=3),
    )
    first, *others = (look(raw_pod(status=status(FETCHED, moment))) for moment in moments)
    assert others == [first] * 4
    assert (first.kind, first.reason, first.remedy, first.hopeless) == ("CrashLoop", "CrashLoopBackOff", "None", True)
    assert "server keeps exiting, with code 3. It said: no such file." in first.message


def test_only_the_last_lines_of_a_long_log_are_told() -> None:
    log = "\n".join(f"line {number}" for number in range(500)) + "\nValueError: no such model"
    found = look(raw_pod(status=status(FETCHED, waiting("CrashLoopBackOff", BACK_OFF, ended(1, log), restarts=3))))
    assert "line 499 ValueError: no such model." in found.message
    assert "line 100 " not in found.message


@pytest.mark.parametrize(
    ("restarts", "hopeless", "waits"),
    [(0, False, 120), (1, False, 120), (2, True, 120), (3, True, 30), (9, True, 30)],
)
def test_a_crash_loop_counts_soon_after_enough_restarts_and_a_slow_one_later(
    restarts: int, hopeless: bool, waits: int
) -> None:
    found = look(raw_pod(status=status(FETCHED, waiting("CrashLoopBackOff", BACK_OFF, ended(1), restarts))))
    assert found.hopeless is hopeless
    assert found.since == BORN + timedelta(seconds=3)
    assert found.ripe_at == found.since + timedelta(seconds=waits)


def test_a_policy_of_one_crash_is_kept() -> None:
    crash = waiting("CrashLoopBackOff", BACK_OFF, ended(1), 1)
    found = look(raw_pod(status=status(FETCHED, crash)), policy=CleanupSpec(crashes=1, give_up_after="5s"))
    assert found.hopeless
    assert found.ripe_at == BORN + timedelta(seconds=8)


def test_a_crash_beside_ready_pods_of_the_version_is_this_pods_or_its_nodes() -> None:
    raw = raw_pod(status=status(FETCHED, waiting("CrashLoopBackOff", BACK_OFF, ended(1), 5)))
    found = look(raw, siblings=(READY_SIBLING, view(raw)))
    assert (found.remedy, found.hopeless) == ("Evict", False)


def test_a_container_that_has_run_for_long_since_has_left_its_crash_behind() -> None:
    raw = raw_pod(status=status(FETCHED, running(60, ended(1), restarts=1)))
    assert look(raw, now=NOW).kind == "CrashLoop"
    assert look(raw, now=NOW + timedelta(minutes=3)).kind == "NeverReady"


def test_want_of_memory_is_named_with_the_limit() -> None:
    crash = waiting("CrashLoopBackOff", BACK_OFF, ended(137, reason="OOMKilled"), restarts=3)
    found = look(raw_pod(status=status(FETCHED, crash)))
    assert (found.kind, found.reason, found.remedy, found.hopeless) == ("OutOfMemory", "OOMKilled", "None", True)
    assert "256Mi" in found.message
    assert "spec.serving.resources.limits.memory" in found.message


def test_code_137_alone_is_no_want_of_memory_but_a_kill_and_the_probe_says_for_what() -> None:
    killed = waiting("CrashLoopBackOff", BACK_OFF, ended(137), restarts=3)
    probe = "Liveness probe failed: HTTP probe failed with statuscode: 500"
    events = (event("Unhealthy", "Readiness probe failed: connection refused", 9), event("Unhealthy", probe, 3))
    found = look(raw_pod(status=status(FETCHED, killed)), events=events)
    assert (found.kind, found.reason) == ("CrashLoop", "CrashLoopBackOff")
    assert probe in found.message
    of_itself = waiting("CrashLoopBackOff", BACK_OFF, ended(1), restarts=3)
    assert "probe" not in look(raw_pod(status=status(FETCHED, of_itself)), events=events).message


def test_a_server_that_ends_well_but_ends_is_a_crash_loop_too() -> None:
    gone = waiting("CrashLoopBackOff", BACK_OFF, ended(0, reason="Completed"), restarts=3)
    assert "with code 0" in look(raw_pod(status=status(FETCHED, gone))).message


def test_a_command_that_is_not_in_the_image_says_so() -> None:
    said = 'failed to create containerd task: exec: "python3": executable file not found in $PATH'
    found = look(raw_pod(status=status(waiting("RunContainerError", said))))
    assert found.kind == "InitFailing"
    assert "executable file not found" in found.message
