"""A second real node: of an exact size, in one network with the first, lost and found again, gone without a trace."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from dev.cluster import Cluster, ClusterError, second_node
from dev.cluster.second_machine import SecondMachine
from dev.cluster.shell import wait_for
from tests import order
from tests.cluster.conftest import Python

pytestmark = [pytest.mark.cluster, pytest.mark.thorough]

_SIZE = {"cpu": "1500m", "memory": "512Mi", "pods": "4"}

# Says on which address it listens, then answers everybody with it.
_SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["IP"].encode())
    def log_message(self, *_): pass
print("listening on", os.environ["IP"], flush=True)
http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""


def _pod(image: str, *, cpu: str = "100m") -> dict[str, Any]:
    server = {
        "name": "server",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _SERVER],
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "resources": {"requests": {"cpu": cpu}},
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    place = {"nodeSelector": second_node.LABELS, "tolerations": [second_node.TOLERATION]}
    return {**place, "containers": [server], "terminationGracePeriodSeconds": 0}


def _server(image: str) -> list[dict[str, Any]]:
    labels = {"app": "far"}
    template = {"metadata": {"labels": labels}, "spec": _pod(image)}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    ports = {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "far"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "far"}, "spec": ports},
    ]


@pytest.fixture(scope="module")
def machine(cluster: Cluster, python_image: str) -> Iterator[SecondMachine]:
    """The second node, empty and small; `python_image` is there before, so it is copied."""
    assert python_image
    if cluster.provider != "local":
        pytest.skip("kind makes its nodes when it makes the cluster")
    with order.second_node():
        second_node.down(cluster)
        second_node.up(cluster, allocatable=_SIZE)
        yield SecondMachine(cluster.settings)
        second_node.down(cluster)


@pytest.fixture(scope="module")
def far(cluster: Cluster, namespace: str, machine: SecondMachine, python_image: str) -> Iterator[str]:
    """A server on the second node behind the Service `far`; gives the address of the Service."""
    assert machine.exists
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": _server(python_image)})
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=manifest)
    _wait_until_served(cluster, namespace)
    yield cluster.kubectl("get", "service", "far", "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
    cluster.kubectl("delete", "deployment,service", "far", "-n", namespace, "--ignore-not-found", "--wait=false")


def _wait_until_served(cluster: Cluster, namespace: str) -> None:
    get = ("get", "service", "far", "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
    wait_for("the Service to answer", lambda: _answers(cluster.kubectl(*get)), timeout=60, interval=0.5)


def _answers(address: str) -> bool:
    try:
        return bool(_fetch(address))
    except OSError:
        return False


def _fetch(address: str, timeout: float = 2) -> str:
    with urllib.request.urlopen(f"http://{address}", timeout=timeout) as answer:
        text: str = answer.read().decode()
    return text


def _far_pod(cluster: Cluster, namespace: str) -> dict[str, Any]:
    pods = json.loads(cluster.kubectl("get", "pods", "-n", namespace, "-l", "app=far", "-o", "json"))["items"]
    pod: dict[str, Any] = pods[0]
    return pod


def _node(cluster: Cluster) -> dict[str, Any]:
    node: dict[str, Any] = json.loads(cluster.kubectl("get", "node", second_node.NAME, "-o", "json"))
    return node


def test_the_node_has_exactly_the_wanted_size_and_no_pods(cluster: Cluster, machine: SecondMachine) -> None:
    has = _node(cluster)["status"]["allocatable"]

    assert {"cpu": has["cpu"], "pods": has["pods"]} == {"cpu": "1500m", "pods": "4"}
    assert has["memory"] in ("512Mi", str(512 * 2**20), f"{512 * 2**10}Ki")
    bound = cluster.kubectl("get", "pods", "-A", f"--field-selector=spec.nodeName={second_node.NAME}", "-o", "name")
    assert bound == ""
    assert machine.leftovers(), "while it runs, `leftovers` sees it"


def test_a_pod_of_either_node_reaches_the_other_through_dns_and_a_service(
    cluster: Cluster, namespace: str, far: str, in_pod: Python
) -> None:
    pod = _far_pod(cluster, namespace)
    there = pod["status"]["podIP"]
    url = f"http://far.{namespace}.svc"
    version = (
        "import ssl, urllib.request as r;"
        "c = ssl.create_default_context(cafile='/var/run/secrets/kubernetes.io/serviceaccount/ca.crt');"
        "print(r.urlopen('https://kubernetes.default.svc/version', context=c, timeout=10).read().decode())"
    )

    assert pod["spec"]["nodeName"] == second_node.NAME
    assert there.startswith("10.244.1.")
    assert in_pod(f"import urllib.request as r; print(r.urlopen({url!r}, timeout=10).read().decode())").strip() == there
    assert _fetch(far) == there, "from this machine"
    exec_there = ("exec", "-n", namespace, pod["metadata"]["name"], "--", "python3", "-c")
    assert "gitVersion" in cluster.kubectl(*exec_there, version), "DNS and the API server, both of node 1"


def test_the_logs_of_its_pods_can_be_read(cluster: Cluster, namespace: str, far: str) -> None:
    assert far
    pod = _far_pod(cluster, namespace)
    logs = cluster.kubectl("logs", "-n", namespace, pod["metadata"]["name"])
    assert logs.strip() == f"listening on {pod['status']['podIP']}"


def test_a_pod_that_is_too_big_for_it_stays_pending(
    cluster: Cluster, namespace: str, machine: SecondMachine, python_image: str
) -> None:
    assert machine.exists
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"}, "spec": _pod(python_image, cpu="1600m")}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(pod))
    try:
        get = ("get", "pod", "big", "-n", namespace, "-o", "jsonpath={.status.conditions[*].message}")
        wait_for("the scheduler's word", lambda: "Insufficient cpu" in cluster.kubectl(*get), timeout=30)
    finally:
        cluster.kubectl("delete", "pod", "big", "-n", namespace)


def test_a_size_that_the_machine_cannot_give_is_refused_in_words(cluster: Cluster, machine: SecondMachine) -> None:
    assert machine.exists
    with pytest.raises(ClusterError, match="cannot give 1000 cpu to pods: it is this machine, it has"):
        second_node.up(cluster, allocatable={"cpu": "1000"})
    assert second_node.is_ready(cluster), "and the node that there is stays"


def test_without_its_kubelet_its_pods_go_on_serving(cluster: Cluster, far: str) -> None:
    second_node.stop(cluster, kubelet_only=True)
    assert _answers(far)

    second_node.start(cluster)
    assert second_node.is_ready(cluster)
    assert _answers(far)


def test_a_node_that_loses_power_is_silent_then_not_ready_and_comes_back_with_its_pods(
    cluster: Cluster, namespace: str, far: str, machine: SecondMachine
) -> None:
    before = _far_pod(cluster, namespace)["metadata"]["uid"]
    second_node.stop(cluster)

    with pytest.raises(TimeoutError):
        # Silence: neither an answer nor a refusal, as from a machine that is off.
        socket.create_connection((far, 80), timeout=2)
    assert not machine.daemons.running("containerd")
    wait_for("the node to be NotReady", lambda: not second_node.is_ready(cluster), timeout=90, interval=0.5)

    second_node.start(cluster)
    _wait_until_served(cluster, namespace)
    assert _far_pod(cluster, namespace)["metadata"]["uid"] == before, "the very pod: it was not evicted in that minute"


def test_another_size_makes_the_node_anew_and_down_leaves_nothing_of_it(
    cluster: Cluster, machine: SecondMachine
) -> None:
    second_node.up(cluster, allocatable={"pods": "1"})
    assert _node(cluster)["status"]["allocatable"]["pods"] == "1"

    second_node.down(cluster)

    assert machine.leftovers() == []
    assert not machine.exists
    assert second_node.NAME not in cluster.kubectl("get", "nodes", "-o", "name")
    bound = cluster.kubectl("get", "pods", "-A", f"--field-selector=spec.nodeName={second_node.NAME}", "-o", "name")
    assert bound == ""
