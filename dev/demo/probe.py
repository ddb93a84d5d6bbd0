"""How long a pod takes to start on this cluster, now."""

from __future__ import annotations

import time

from dev.demo.kube import Kube, Kubectl
from dev.demo.scenery import Program, files, namespace, pod

NAMESPACE = "start-probe"
PORT = 8000


def probe(cluster: Kubectl) -> float:
    """Seconds from creating a pod of a small Python server to its being Ready. Raises what kubectl raises."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
    kube = Kube(cluster, NAMESPACE)
    server = pod(Program("probe", ("python3", "-m", "http.server", str(PORT)), files="nothing"))
    server["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    kube.apply(namespace(NAMESPACE), files("nothing", {}))
    try:
        began = time.monotonic()
        kube.apply(server)
        kube.run("wait", "--for=condition=Ready", "pod/probe", "--timeout=120s")
        return time.monotonic() - began
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
