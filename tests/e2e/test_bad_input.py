"""Bad input and bad luck: each ends the rollout in time, with active untouched and a sentence that helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from dev.demo.models import Artifact
from tests.e2e.crowd import scenario
from tests.e2e.scene import Scene, active, wait_for
from tests.e2e.stock import Stock

SOON = 20
"""spec.rollout.progressDeadline, in seconds, for what might heal: that is waited for so long."""
LATER = 60
"""The same where the pod itself has to say what is wrong, on a machine that starts many pods at once."""
SLACK = 20
"""Seconds for everything around the deadline."""


@dataclass(frozen=True)
class Bad:
    """A version that must not come through: what is applied, the reason given, and words of the advice."""

    artifact: Callable[[Stock], Artifact]
    reason: str
    says: tuple[str, ...]
    serving: Mapping[str, Any] = field(default_factory=dict)
    deadline: int = LATER


def good(stock: Stock) -> Artifact:
    return stock.artifact("1.1.0")


STARVED = {"requests": {"cpu": "1m"}, "limits": {"cpu": "1m"}}
"""So little of a processor that Python needs minutes to start."""

CASES = {
    "an artifact that is no artifact": Bad(
        lambda stock: stock.artifact("1.1.0", file="garbage.vmodel"), "ArtifactInvalid", ("artifact",)
    ),
    "a model that fails its golden rows": Bad(
        lambda stock: stock.artifact("1.1.0", file="golden.vmodel"), "GoldenRowsFailed", ("pack it again",)
    ),
    "an artifact of another version": Bad(
        lambda stock: stock.artifact("1.9.0", file="diabetes-1.1.0.vmodel"), "ModelMismatch", ("1.1.0", "1.9.0")
    ),
    "a pod that ends at once": Bad(
        good,
        "CrashLoopBackOff",
        ("The init step fetch keeps failing, with code 1",),
        {"env": [{"name": "PYTHONPATH", "value": "/nowhere"}]},
        2 * SOON,
    ),
    "a pod that never gets ready": Bad(
        # On a slow node its kubelet has not told of the container yet.
        *(good, "Initializing|NeverReady|ContainerCreating", ("No progress for",), {"resources": STARVED}, SOON),
    ),
}
"""Beside the faults of `dev/faults`, which tests/e2e/test_stuck.py plays."""

TOLD_ALIKE = {"an artifact of another version", "a pod that ends at once"}
"""What these say comes by the way that others take in every run."""


@scenario
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.thorough if case in TOLD_ALIKE else ()) for case in CASES],
)
def test_it_ends_in_time_with_active_untouched_and_says_what_to_do(scene: Scene, case: str) -> None:
    bad = CASES[case]
    scene.given_active("1.0.0")
    pods = scene.pods()
    rollout = {"progressDeadline": f"{bad.deadline}s"}
    scene.apply(bad.artifact(scene.stock), rollout=rollout, serving=bad.serving)
    status = scene.until("the rollout to end", lambda status: bool(status.get("rejected")), bad.deadline + SLACK)

    assert active(status) == "1.0.0"
    assert status["history"][-1]["outcome"] == "Failed"
    assert status["rejected"][-1]["reason"] in bad.reason.split("|")
    wait_for("active's pods to be the same, and the only ones", lambda: scene.pods() == pods, 30)
    assert scene.selected() == "blue"
    stalled, ready = scene.condition("Stalled"), scene.condition("Ready")
    assert (stalled["status"], ready["status"]) == ("True", "False")
    assert stalled["reason"] in bad.reason.split("|")
    event = scene.event("RolloutFailed", "1.0.0 stays active")
    assert [words for words in bad.says if words not in stalled["message"]] == []
    assert [words for words in bad.says if words not in event] == []


@pytest.mark.thorough
@scenario
def test_a_first_version_that_is_bad_says_so_and_a_corrected_one_is_let_through(scene: Scene) -> None:
    scene.apply(scene.stock.artifact("1.0.0", sha256="f" * 64))
    status = scene.until("the rollout to end", lambda status: bool(status.get("rejected")))
    assert active(status) is None
    assert scene.condition("Available")["status"] == "False"
    assert scene.condition("Stalled")["reason"] == "ChecksumMismatch"
    scene.given_active("1.0.0")
    # Active is what was decided; ready is what is seen, one look later.
    scene.until_condition("Ready", lambda ready: ready.get("status") == "True")


@scenario
def test_no_traffic_moves_while_prometheus_cannot_be_asked(scene: Scene) -> None:
    nobody = {
        "analysis": {"prometheus": {"address": "http://prometheus.nowhere.svc:9090"}},
        "rollout": {"onInconclusive": "Rollback", "inconclusiveDeadline": "20s"},
    }
    scene.given_active("1.0.0", **nobody)
    scene.apply("1.1.0", **nobody)
    measuring = scene.until(
        "the problem to be seen", lambda s: _verdict(s) == ("Inconclusive", "PrometheusUnreachable")
    )
    assert (active(measuring), measuring["rollout"]["weight"], scene.selected()) == ("1.0.0", 0, "blue")
    assert "prometheus.nowhere" in scene.condition("AnalysisHealthy")["message"]
    ended = scene.until("the declared policy to end it", lambda status: bool(status.get("rejected")))
    assert (active(ended), ended["history"][-1]["outcome"]) == ("1.0.0", "Failed")


def _verdict(status: Mapping[str, Any]) -> tuple[str, str] | None:
    evidence = (status.get("rollout") or {}).get("evidence")
    return (evidence["verdict"], evidence["reason"]) if evidence else None
