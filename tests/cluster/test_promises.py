"""What the cluster promises to whoever works on it: DNS, routes, metrics, monitoring, policies, an audit log."""

from __future__ import annotations

import json
import urllib.request
from typing import Any
from urllib.parse import quote

import pytest

from dev.cluster import Cluster, ClusterError
from dev.cluster.patience import stretched
from dev.cluster.shell import wait_for
from tests.cluster.conftest import Python

pytestmark = pytest.mark.cluster

# A server that answers with a metric, as any application would.
_SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Type", "text/plain"); self.end_headers()
        self.wfile.write(b"found_me 1\\n")
    def log_message(self, *_): pass
http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""


def _server(image: str) -> list[dict[str, Any]]:
    command = ["python3", "-c", _SERVER]
    container = {"name": "server", "image": image, "imagePullPolicy": "IfNotPresent", "command": command}
    probe = {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "server", "labels": {"app": "server"}}}
    port = {"name": "http", "port": 80, "targetPort": 8080}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server", "labels": {"app": "server"}}}
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "server"}}
    selector = {"matchLabels": {"app": "server"}}
    return [
        {**pod, "spec": {"containers": [{**container, **probe}]}},
        {**service, "spec": {"selector": {"app": "server"}, "ports": [port]}},
        {**monitor, "spec": {"selector": selector, "endpoints": [{"port": "http"}]}},
    ]


@pytest.fixture(scope="module")
def server(cluster: Cluster, namespace: str, python_image: str) -> str:
    """A pod `server` behind a Service `server` with a ServiceMonitor; gives the address of the Service."""
    manifest = {"apiVersion": "v1", "kind": "List", "items": _server(python_image)}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(manifest))
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "--timeout=60s", "pod/server")
    address = cluster.kubectl("get", "service", "server", "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
    wait_for("the Service to have its endpoint", lambda: _answers(f"http://{address}"), timeout=30)
    return address


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=stretched(10)) as answer:
        text: str = answer.read().decode()
    return text


def _answers(url: str) -> bool:
    try:
        return bool(_fetch(url))
    except OSError:
        return False


def test_pods_resolve_services_by_name(in_pod: Python) -> None:
    name = "kubernetes.default.svc.cluster.local"
    assert in_pod(f"import socket; print(socket.gethostbyname({name!r}))").strip() == "10.96.0.1"


def test_pods_reach_the_api_server_through_the_kubernetes_service(in_pod: Python) -> None:
    program = (
        "import ssl, urllib.request as r;"
        "c = ssl.create_default_context(cafile='/var/run/secrets/kubernetes.io/serviceaccount/ca.crt');"
        "print(r.urlopen('https://kubernetes.default.svc/version', context=c, timeout=10).read().decode())"
    )
    assert json.loads(in_pod(program))["gitVersion"] == "v1.35.4"


def test_pods_reach_each_other_through_a_service(server: str, namespace: str, in_pod: Python) -> None:
    assert server
    url = f"http://server.{namespace}.svc"
    assert "found_me" in in_pod(f"import urllib.request as r; print(r.urlopen({url!r}, timeout=10).read())")


def test_a_pod_reaches_itself_through_its_own_service(server: str, namespace: str, cluster: Cluster) -> None:
    program = f"import urllib.request as r; print(r.urlopen('http://{server}', timeout=10).read())"
    assert "found_me" in cluster.kubectl("exec", "-n", namespace, "server", "--", "python3", "-c", program)


def test_this_machine_reaches_services_and_pods_by_address(server: str, namespace: str, cluster: Cluster) -> None:
    pod = cluster.kubectl("get", "pod", "server", "-n", namespace, "-o", "jsonpath={.status.podIP}")
    assert "found_me" in _fetch(f"http://{server}")
    assert "found_me" in _fetch(f"http://{pod}:8080")


def test_prometheus_finds_a_service_monitor_of_any_namespace_within_30_s(server: str, cluster: Cluster) -> None:
    assert server
    address = cluster.kubectl("get", "service", "prometheus", "-n", "monitoring", "-o", "jsonpath={.spec.clusterIP}")

    def scraped() -> bool:
        answer = json.loads(_fetch(f"http://{address}:9090/api/v1/query?query={quote('found_me')}"))
        return bool(answer["data"]["result"])

    wait_for("Prometheus to have scraped the pod", scraped, timeout=30, interval=0.5)


def test_the_metrics_api_knows_what_pods_use(server: str, namespace: str, cluster: Cluster) -> None:
    assert server

    def known() -> bool:
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
        items = json.loads(cluster.kubectl("get", "--raw", path))["items"]
        return any(item["metadata"]["name"] == "server" for item in items)

    wait_for("the metrics of the pod", known, timeout=60, interval=0.5)


def test_pods_that_are_not_restricted_are_refused_where_the_namespace_says_so(cluster: Cluster, namespace: str) -> None:
    strict = f"{namespace}-strict"
    cluster.kubectl("create", "namespace", strict)
    try:
        cluster.kubectl("label", "namespace", strict, "pod-security.kubernetes.io/enforce=restricted")
        with pytest.raises(ClusterError, match="violates PodSecurity"):
            cluster.kubectl("run", "careless", "-n", strict, "--image=nothing")
    finally:
        cluster.kubectl("delete", "namespace", strict, "--wait=false")


def test_the_audit_log_tells_who_wrote_what(cluster: Cluster, namespace: str) -> None:
    if cluster.audit_log is None:
        pytest.skip("kind keeps no audit log")
    cluster.kubectl("create", "configmap", "written", "-n", namespace, "--as=alice", "--as-group=system:masters")

    with cluster.audit_log.open() as log:
        lines = [json.loads(line) for line in log if '"written"' in line]

    written = [(line["verb"], line["impersonatedUser"]["username"]) for line in lines]
    assert ("create", "alice") in written
    assert {line["level"] for line in lines} == {"Metadata"}
