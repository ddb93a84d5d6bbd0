"""One test an exit code: scripts rely on them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.scenes import at, document, healthy, on_trial, over, rejected, rolling_out, scene, until, waiting
from tests.cli.stage import Stage
from tests.rollout.parts import Version
from verdigris.cli import exits
from verdigris.cli.exits import MEANINGS


def failed_to_start() -> dict[str, Any]:
    """Its pods never got ready."""
    return scene(until(rolling_out(Version(never_ready=True), progressDeadline="20s"), over).run(30)).model


def test_each_code_has_a_meaning() -> None:
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert codes == set(MEANINGS) == {0, 1, 2, 3, 4, 5, 6, 124, 130}


def test_0_it_is_healthy(stage: Stage) -> None:
    stage.given(healthy().model)
    code, out, _ = stage.run("status", "diabetes", "--until=healthy")
    assert (code, "Healthy: Version 1.0.0 is active." in out) == (0, True)


def test_0_it_becomes_healthy_while_one_waits(stage: Stage) -> None:
    done = until(rolling_out(), lambda s: s.active is not None and s.active.version == "1.1.0").run(2)
    stage.given(scene(until(rolling_out(), at("OnTrial"))).model).then(scene(done).model)
    code, out, _ = stage.run("status", "diabetes", "--until=healthy", "--timeout=20s")
    assert code == 0
    assert "stage=OnTrial" in out
    assert "Healthy" in out.splitlines()[-1]


def test_1_the_model_is_not_there(stage: Stage) -> None:
    code, _, err = stage.run("get", "nobody")
    assert code == 1
    assert 'modeldeployments.verdigris.dev "nobody" not found' in err
    assert "kubectl verdigris list" in err


def test_2_the_command_line_is_not_understood(stage: Stage) -> None:
    assert stage.run("status", "diabetes", "--until=monday")[0] == 2
    assert stage.run("frobnicate")[0] == 2
    assert stage.run()[0] == 2
    code, _, err = stage.run("status", "diabetes", "--until=healthy", "--timeout=soon")
    assert (code, "no duration" in err) == (2, True)


def test_3_it_was_rolled_back(stage: Stage) -> None:
    stage.given(rejected().model)
    code, out, _ = stage.run("status", "diabetes", "--until=healthy")
    assert (code, "RolledBack" in out) == (3, True)
    assert stage.run("status", "diabetes", "--until=rolledback")[0] == 0


def test_4_it_waits_for_a_person(stage: Stage) -> None:
    stage.given(waiting().model)
    assert stage.run("status", "diabetes", "--until=healthy")[0] == 4
    assert stage.run("status", "diabetes")[0] == 4
    assert stage.run("status", "diabetes", "--until=gated")[0] == 0


def test_4_it_is_paused(stage: Stage) -> None:
    paused = waiting().model
    paused["spec"]["paused"] = True
    stage.given(paused)
    assert stage.run("status", "diabetes", "--until=healthy")[0] == 4
    assert stage.run("status", "diabetes", "--until=paused")[0] == 0


def test_5_a_gate_failed(stage: Stage) -> None:
    stage.given(failed_to_start())
    code, out, _ = stage.run("status", "diabetes", "--until=healthy")
    assert (code, "Failed" in out) == (5, True)


def test_6_the_rollout_has_moved_on(stage: Stage) -> None:
    stage.given(on_trial().model)
    code, out, _ = stage.run("status", "diabetes", "--until=healthy", "--revision=v1-0000000000")
    assert (code, "Superseded" in out) == (6, True)


def test_6_the_spec_asks_for_another_revision_while_one_waits(stage: Stage) -> None:
    before = on_trial().model
    after = document(before["spec"], rolling_out().status)
    after["status"] = {**before["status"], "target": {**before["status"]["target"], "revision": "v1-0000000001"}}
    after["status"]["rollout"] = {**before["status"]["rollout"], "revision": "v1-0000000001"}
    stage.given(before).then(after)
    assert stage.run("status", "diabetes", "--until=healthy", "--timeout=20s")[0] == 6


def test_124_it_takes_too_long(stage: Stage) -> None:
    stage.given(on_trial().model)
    code, _, err = stage.run("status", "diabetes", "--until=healthy", "--timeout=5s")
    assert code == 124
    assert "After 5s clinic/diabetes is Progressing, and not healthy" in err
    assert "The rollout of 1.1.0: TooFewRequests: " in err


def test_124_names_the_pod_that_is_stuck(stage: Stage) -> None:
    model = on_trial().model
    pod = {"pod": "diabetes-green-1", "kind": "ImagePull", "reason": "ImageNotFound", "message": "There is no image x."}
    model["status"]["stuck"] = [{**pod, "remedy": "None", "since": "2026-11-23T10:02:00Z"}]
    stage.given(model)
    code, _, err = stage.run("status", "diabetes", "--until=healthy", "--timeout=5s")
    assert code == 124
    assert "The pod diabetes-green-1: ImageNotFound: There is no image x. kubectl verdigris why diabetes" in err


def test_130_somebody_presses_ctrl_c(stage: Stage) -> None:
    stage.given(on_trial().model)
    command = [sys.executable, "-m", "verdigris.cli", "get", "diabetes", "-w"]

    def from_a_terminal() -> None:
        """What is started in the background of a shell ignores Ctrl-C, and so does what it starts."""
        signal.signal(signal.SIGINT, signal.default_int_handler)

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=from_a_terminal) as running:  # noqa: PLW1509
        assert running.stdout is not None
        assert "clinic/diabetes Progressing" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
        assert running.stderr is not None
        assert running.stderr.read() == ""


def test_what_is_about_to_end_has_its_code_already(stage: Stage) -> None:
    going = scene(until(rolling_out(Version(error_rate=0.5)), at("RollingBack"))).model
    stage.given(going)
    code, out, _ = stage.run("status", "diabetes")
    assert (code, "RollingBack" in out) == (3, True)


@pytest.mark.parametrize("make", [healthy, on_trial])
def test_a_status_is_told_at_once(stage: Stage, make: Callable[[], Any]) -> None:
    stage.given(make().model)
    began = time.monotonic()
    assert stage.run("status", "diabetes")[0] == 0
    assert time.monotonic() - began < 20
