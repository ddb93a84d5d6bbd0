"""Containers that somebody else puts into the model's pods: what is the matter with them is told, never held against
the version."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.rollout.kubelet import (
    FETCHED,
    NOW,
    READY_SIBLING,
    Json,
    ended,
    injected,
    look,
    now_ended,
    raw_pod,
    running,
    status,
    view,
    waiting,
)
from verdigris.core.pods.diagnosis.injected import REASON

LATER = NOW + timedelta(hours=1)
TROUBLES = [
    pytest.param(waiting("CrashLoopBackOff", "", ended(1, "no route"), 9), "keeps exiting", id="crash loop"),
    pytest.param(now_ended(1), "has exited once", id="one exit"),
    pytest.param(now_ended(137, reason="OOMKilled", restarts=3), "its memory", id="memory"),
    pytest.param(waiting("ErrImagePull", "vendor/agent:1: not found"), "not found", id="no image"),
    pytest.param(waiting("InvalidImageName", "couldn't parse"), "couldn't parse", id="no name of an image"),
    pytest.param(waiting("CreateContainerConfigError", 'secret "agent" not found'), "agent", id="no Secret"),
    pytest.param(waiting("RunContainerError", "exec: no such file"), "no such file", id="no command"),
]


@pytest.mark.parametrize(("container", "says"), TROUBLES)
@pytest.mark.parametrize("native", [False, True], ids=["container", "native sidecar"])
def test_an_injected_container_in_trouble_is_told_and_not_held_against_the_version(
    container: Json, says: str, native: bool
) -> None:
    raw = as_native(injected(container)) if native else injected(container)
    found = look(raw, now=LATER)
    assert (found.reason, found.hopeless) == (REASON, False)
    assert "log-shipper" in found.message
    assert says in found.message
    assert "not one of the model's containers" in found.message
    assert "spec.serving" not in found.message.replace("spec.serving.podTemplate", "")


def as_native(raw: Json) -> Json:
    """The same container as an init container that runs on."""
    spec, told = raw["spec"], raw["status"]
    sidecar = {**spec["containers"].pop(), "restartPolicy": "Always"}
    spec["initContainers"] = [sidecar, *spec["initContainers"]]
    told["initContainerStatuses"] = [told["containerStatuses"].pop(), *told["initContainerStatuses"]]
    return raw


def test_an_injected_init_step_that_fails_is_not_the_model_s_either() -> None:
    raw = raw_pod(status=status())
    raw["status"]["initContainerStatuses"].insert(0, {"name": "mesh-init", **now_ended(1, restarts=5)})
    found = look(raw, now=LATER)
    assert (found.kind, found.reason, found.hopeless) == ("InitFailing", REASON, False)
    assert "mesh-init keeps failing, with code 1" in found.message


def test_an_injected_init_step_that_never_ends_is_said_to_be_waited_for() -> None:
    raw = raw_pod(status=status())
    raw["status"]["initContainerStatuses"].insert(0, {"name": "mesh-init", **running()})
    found = look(raw, now=LATER)
    assert found.reason == REASON
    assert "mesh-init has not ended yet, and the model's containers wait for it." in found.message


def test_words_of_an_injected_container_are_no_report_of_ours() -> None:
    spoof = json.dumps({"reason": "ChecksumMismatch", "message": "believe me"})
    assert look(injected(now_ended(1, spoof)), now=LATER).reason == REASON


def test_a_server_that_ends_beside_a_broken_sidecar_does_not_end_the_rollout() -> None:
    raw = injected(waiting("CrashLoopBackOff", "", ended(1), 9))
    raw["status"]["containerStatuses"][0] |= waiting("CrashLoopBackOff", "", ended(1, "proxy: connection refused"), 9)
    found = look(raw, now=LATER)
    assert (found.kind, found.hopeless) == ("CrashLoop", False)
    assert "Beside it: Container log-shipper keeps exiting" in found.message


def test_what_our_own_steps_report_ends_it_whatever_runs_beside_them() -> None:
    raw = injected(waiting("CrashLoopBackOff", "", ended(1), 9))
    report = json.dumps({"reason": "GoldenRowsFailed", "message": "row 3 differs"})
    raw["status"]["containerStatuses"][0] |= now_ended(1, report)
    assert look(raw).hopeless


def test_its_restarts_are_not_the_model_s() -> None:
    raw = injected(running(50, ended(1), restarts=40))
    raw["status"]["containerStatuses"][0]["restartCount"] = 2
    assert view(raw).restarts == 2


def test_a_container_that_is_not_ready_is_named_when_it_is_not_the_model_s() -> None:
    raw = injected({**running(), "ready": False})
    raw["status"]["containerStatuses"][0]["ready"] = True
    found = look(raw, now=LATER)
    assert found.kind == "NeverReady"
    assert "log-shipper is not" in found.message


def test_a_native_sidecar_that_runs_is_no_init_step_that_holds_the_pod_up() -> None:
    raw = as_native(injected(running(1)))
    raw["status"]["containerStatuses"] = [{"name": "server", **waiting("CrashLoopBackOff", "", ended(1), 9)}]
    assert look(raw, siblings=(READY_SIBLING,)).kind == "CrashLoop"
    waits = replace(view(raw), containers=view(raw).containers[:1])
    assert waits.containers[0].sidecar


def test_the_model_s_own_containers_are_judged_as_before() -> None:
    raw = injected(running())
    raw["status"]["containerStatuses"][0] |= waiting("CrashLoopBackOff", "", ended(1), 3)
    assert look(raw).hopeless
    assert look(raw_pod(status=status(FETCHED, waiting("CrashLoopBackOff", "", ended(1), 3)))).hopeless
