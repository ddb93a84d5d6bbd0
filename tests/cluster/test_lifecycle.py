"""Up, up again, down, up after a crash, down: each leaves exactly what it should."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.cluster import addons, find, packages
from dev.cluster.containerd import PAUSE_IMAGE
from dev.cluster.patience import stretched
from dev.cluster.toolchain import CLUSTER_TOOLS
from tests.cluster.instance import Instance

pytestmark = pytest.mark.lifecycle


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A place for a second cluster. It has no network but its own, so all that is needed is in the cache before."""
    ours = find()
    if ours.provider != "local":
        pytest.skip("this machine's clusters are made by kind, which has tests of its own")
    packages.install_missing(ours.settings)
    for tool in CLUSTER_TOOLS:
        ours.tool(tool)
    addons.crd_folder(ours.toolchain)
    name = "vdglife"
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    subprocess.run(["ip", "netns", "add", name], check=True)
    # A short path: sockets live in it, and their paths may have 107 characters.
    instance = Instance(name, Path(tempfile.mkdtemp(prefix="vdg-", dir="/var/tmp")) / "state")
    yield instance
    instance.cluster("down")
    subprocess.run(["ip", "netns", "delete", name], check=True)
    shutil.rmtree(instance.state.parent)


def _must(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_cluster_comes_up_and_goes_without_a_trace_and_comes_up_again(instance: Instance) -> None:
    assert instance.traces() == []

    _must(instance.cluster("up"))
    assert "DOWN" not in _must(instance.cluster("status"))
    _run_a_pod_with_a_port_of_the_node(instance)
    assert "CNI-DN" in "".join(instance.traces()), "the port is mapped by a rule, which has to go as well"

    _must(instance.cluster("down"))
    assert instance.traces() == []
    assert find().tool("kubectl").exists(), "the cache stays"

    _must(instance.cluster("up"))
    assert "DOWN" not in _must(instance.cluster("status"))


@pytest.mark.thorough
def test_up_restarts_a_daemon_that_died(instance: Instance) -> None:
    _must(instance.cluster("up"))
    (scheduler,) = [pid for pid in instance.processes() if b"kube-scheduler" in _words(pid)]
    os.kill(scheduler, signal.SIGKILL)
    assert instance.cluster("status").returncode == 1

    _must(instance.cluster("up"))

    assert "DOWN" not in _must(instance.cluster("status"))


@pytest.mark.thorough
def test_down_takes_a_second_node_with_it_whether_it_is_on_or_off(instance: Instance) -> None:
    for stop in (("node", "stop"), ()):
        _must(instance.cluster("up"))
        _must(instance.cluster("node", "up", "--allocatable", "cpu=1", "pods=3"))
        assert "process kubelet of node second" in _must(instance.cluster("status"))
        if stop:
            _must(instance.cluster(*stop))
            assert "DOWN  process kubelet of node second" in instance.cluster("status").stdout

        _must(instance.cluster("down"))

        assert instance.traces() == []


def test_a_second_node_without_a_cluster_is_refused_in_words(instance: Instance) -> None:
    _must(instance.cluster("down"))

    done = instance.cluster("node", "up")

    assert done.returncode == 1
    assert "There is no cluster that a second node could join" in done.stderr


@pytest.mark.thorough
def test_up_on_a_running_cluster_starts_nothing_and_is_quick(instance: Instance) -> None:
    _must(instance.cluster("up"))
    before = sorted(instance.processes())
    begin = time.monotonic()

    _must(instance.cluster("up"))

    assert time.monotonic() - begin < stretched(5)
    assert sorted(instance.processes()) == before


@pytest.mark.thorough
def test_a_cluster_whose_processes_were_all_killed_is_made_anew(instance: Instance) -> None:
    _must(instance.cluster("up"))
    for pid in instance.processes():
        os.kill(pid, signal.SIGKILL)

    _must(instance.cluster("up"))
    assert "DOWN" not in _must(instance.cluster("status"))

    _must(instance.cluster("down"))
    assert instance.traces() == []


def test_a_port_in_use_is_named_before_anything_starts(instance: Instance) -> None:
    _must(instance.cluster("down"))
    listen = "import socket; s = socket.create_server(('127.0.0.1', 2379)); print('on', flush=True); s.accept()"
    enter = ["nsenter", f"--net=/run/netns/{instance.name}", "python3", "-c", listen]
    with subprocess.Popen(enter, stdout=subprocess.PIPE, text=True) as squatter:
        assert squatter.stdout is not None
        squatter.stdout.readline()
        done = instance.cluster("up")
        squatter.kill()

    assert done.returncode == 1
    assert "Port 2379 of 127.0.0.1, which etcd needs, is in use" in done.stderr


def _run_a_pod_with_a_port_of_the_node(instance: Instance) -> None:
    container = {"name": "pause", "image": PAUSE_IMAGE, "imagePullPolicy": "Never"}
    ports = {"ports": [{"containerPort": 80, "hostPort": 8099}]}
    pod = {"apiVersion": "v1", "spec": {"containers": [{**container, **ports}]}}
    kubectl = find().tool("kubectl")
    _must(instance.inside(kubectl, "run", "pause", f"--image={PAUSE_IMAGE}", f"--overrides={json.dumps(pod)}"))
    _must(instance.inside(kubectl, "wait", "--for=condition=Ready", "--timeout=60s", "pod/pause"))


def _words(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
