"""Sound versions in bad surroundings, and bad ones that must be taken back all the same: quotas, drains, kills."""

from __future__ import annotations

import json
import os
import re
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dev.demo.models import Artifact, file_name
from dev.faults import objects
from tests.e2e.crowd import scenario
from tests.e2e.scene import Scene, Status, active, is_ready, settled, stage, wait_for

BAKING = {"rollout": {"bake": "1h"}}
NO_NODE_PORT = objects.quota({"services.nodeports": "0"})


@scenario
def test_a_bad_version_is_taken_back_though_its_kind_of_service_is_refused(scene: Scene) -> None:
    """The move back is written alone: the type of the Service that a quota refuses is not in it."""
    scene.kube.apply(NO_NODE_PORT)
    scene.given_active("1.0.0")
    with scene.clients() as clients:
        scene.apply("1.2.0", **BAKING, serving={"service": {"type": "NodePort"}})
        scene.until("1.2.0 to have the clients", lambda status: stage(status) == "Baking")
        status = scene.until("1.2.0 to be taken back", lambda status: bool(status.get("rejected")))
    assert (active(status), scene.selected()) == ("1.0.0", "blue")
    assert clients.bad(), "the fault must have been a real one"
    assert [request.outcome for request in clients.lost()] == []


@pytest.mark.thorough
@scenario
def test_a_candidate_whose_rollout_somebody_pauses_goes_on(scene: Scene) -> None:
    scene.given_active("1.0.0")
    scene.apply("1.1.0", autoscaling={"minReplicas": 2, "maxReplicas": 2})
    wait_for("the new Deployment", lambda: scene.kube.get("deployment", "diabetes-green") is not None, 30)
    scene.kube.run("rollout", "pause", "deployment/diabetes-green")
    scene.until("1.1.0 to be promoted", settled("1.1.0"))
    assert not (scene.kube.get("deployment", "diabetes-green") or {})["spec"].get("paused")


@pytest.mark.thorough
@scenario
def test_a_limit_that_a_range_gives_and_the_request_exceeds_is_named_before_the_deadline(scene: Scene) -> None:
    """Every pod is refused for a limit that nobody wrote into the spec."""
    scene.given_active("1.0.0")
    limits = [{"type": "Container", "default": {"cpu": "100m"}}]
    scene.kube.apply(
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults"}, "spec": {"limits": limits}}
    )
    requests = {"resources": {"requests": {"cpu": "150m"}}}
    scene.apply("1.1.0", serving=requests, rollout={"progressDeadline": "1h"}, cleanup={"giveUpAfter": "5s"})
    status = scene.until("1.1.0 to be given up", lambda status: bool(status.get("rejected")), 60)
    assert active(status) == "1.0.0"
    assert "LimitRange" in scene.condition("Stalled")["message"]


@pytest.mark.thorough
@scenario
def test_a_claim_that_only_one_pod_may_use_ends_a_rollout_in_seconds_with_advice(scene: Scene) -> None:
    """The volume is a folder of this machine, which is the node."""
    if not on_this_machine(scene):
        pytest.skip("the node's folders are not this machine's")
    with TemporaryDirectory(prefix="verdigris-claim-") as folder:
        for version in ("1.0.0", "1.1.0"):
            Path(folder, file_name(version)).write_bytes(scene.stock.models.files[file_name(version)])
        # The server runs as somebody else.
        Path(folder).chmod(0o755)
        name = scene.namespace
        scene.kube.apply(*objects.folder_as_volume(name, "models", name, folder, "ReadWriteOncePod"))
        try:
            scene.given_active(claimed(scene, "1.0.0"))
            scene.apply(claimed(scene, "1.1.0"), rollout={"onInsufficientCapacity": "Abort", "progressDeadline": "1h"})
            status = scene.until("1.1.0 to be given up", lambda status: bool(status.get("rejected")), 60)
        finally:
            scene.kube.run("delete", "persistentvolume", scene.namespace, "--wait=false")
    assert active(status) == "1.0.0"
    message = scene.condition("Stalled")["message"]
    assert "ReadWriteOncePod" in message
    assert "ReadOnlyMany" in message or "Recreate" in message, "and what helps"


def claimed(scene: Scene, version: str) -> Artifact:
    """The version, on the claim."""
    return replace(scene.stock.artifact(version), uri=f"pvc://models/{file_name(version)}")


@scenario
def test_a_drain_in_the_bake_of_a_one_pod_model_costs_no_request_and_rejects_nobody(scene: Scene) -> None:
    scene.given_active("1.0.0")
    with scene.clients() as clients:
        scene.apply("1.1.0", **BAKING)
        scene.until("1.1.0 to have the clients", lambda status: stage(status) == "Baking")
        clients.until_answered_by("1.1.0")
        (pod,) = [pod["metadata"]["name"] for pod in scene.kube.list("pods", "verdigris.dev/color=green")]
        evict(scene, pod)
        wait_for("the pod to go", lambda: scene.kube.get("pod", pod) is None, 60, every=0.25)
        status = scene.until("1.1.0 to have the clients again", lambda status: is_served_by(scene, status, "green"))
    assert not status.get("rejected")
    assert [request.outcome for request in clients.lost()] == []


def is_served_by(scene: Scene, status: Status, color: str) -> bool:
    """Whether that colour bakes, has the clients, and a pod to answer them."""
    ready = [pod for pod in scene.kube.list("pods", f"verdigris.dev/color={color}") if is_ready(pod)]
    return bool(ready) and stage(status) == "Baking" and scene.selected() == color


def evict(scene: Scene, pod: str) -> None:
    """As `kubectl drain` does it."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": scene.namespace}}
    path = f"/api/v1/namespaces/{scene.namespace}/pods/{pod}/eviction"
    scene.kube.run("create", "--raw", path, "-f", "-", input=json.dumps(body))


@scenario
def test_servers_that_are_killed_after_the_switch_give_the_clients_back_and_the_kill_is_named(scene: Scene) -> None:
    if not on_this_machine(scene):
        pytest.skip("the pods' processes are not this machine's")
    two = {"autoscaling": {"minReplicas": 2, "maxReplicas": 2}}
    scene.given_active("1.0.0", **two)
    with scene.clients():
        scene.apply("1.1.0", **two, **BAKING)
        scene.until("1.1.0 to have the clients", lambda status: stage(status) == "Baking")
        for pod in scene.kube.list("pods", "verdigris.dev/color=green"):
            kill_the_server(pod["metadata"]["uid"])
        scene.until("its clients to be taken back", lambda status: bool(status.get("lastRollback")))
        wait_for("the clients' Service to select blue", lambda: scene.selected() == "blue", 10)
    told = scene.event("RollingBack")
    assert "keeps exiting" not in told, "each has exited once"
    assert re.search("(?i)kill", told), told


def kill_the_server(uid: str) -> None:
    """SIGKILL to the processes of the pod that are servers: those are not the pod's own pause process."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            its = uid in (process / "cgroup").read_text() or uid.replace("-", "_") in (process / "cgroup").read_text()
            if its and b"python" in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def on_this_machine(scene: Scene) -> bool:
    """Whether the node's processes and folders are this machine's own."""
    return getattr(scene.cluster, "provider", None) == "local"
