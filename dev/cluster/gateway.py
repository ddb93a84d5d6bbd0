"""A gateway in front of the cluster: the Gateway API's CRDs, and Traefik as the program that implements it.

Traefik is a process of this machine: it reaches pods by their addresses, and pods reach it at the node's. It is no part
of `up`: it is compiled, which takes some minutes, by the first who asks for it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.cluster.cluster import Cluster
from dev.cluster.processes import Daemons
from dev.cluster.shell import ClusterError, say, step, wait_for

CLASS = "traefik"
PORT = 8000
"""Of the gateway's listeners, at the node's address."""

_API = "sigs.k8s.io/gateway-api"
_CRDS = "config/crd/standard"
_CONTROLLER = "traefik.io/gateway-controller"


def url(cluster: Cluster) -> str:
    """Where clients reach the gateway, in pods and on this machine."""
    return f"http://{cluster.settings.node_ip}:{PORT}"


def install_api(cluster: Cluster) -> None:
    """Apply the CRDs of the Gateway API and a GatewayClass for Traefik."""
    folder = cluster.toolchain.module_file("traefik", _CRDS, module=_API)
    files = [word for path in sorted(folder.glob("gateway.*.yaml")) for word in ("-f", str(path))]
    cluster.kubectl("apply", "--server-side", *files)
    cluster.kubectl("wait", "--for=condition=Established", *files, "--timeout=60s")
    made = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": CLASS}}
    cluster.kubectl("apply", "-f", "-", input=json.dumps({**made, "spec": {"controllerName": _CONTROLLER}}))


def up(cluster: Cluster) -> None:
    """Install the API, start Traefik unless it runs, and wait until it listens."""
    if cluster.provider != "local":
        raise ClusterError("Only the local provider has a gateway so far: set VERDIGRIS_PROVIDER=local.")
    program = cluster.tool("traefik")
    with cluster.alone(), step("Starting a gateway"):
        install_api(cluster)
        start(cluster, program)
    say(f"A gateway of class {CLASS} listens at {url(cluster)}.")


def start(cluster: Cluster, program: Path | None = None) -> None:
    """Start Traefik unless it runs, and wait until it listens."""
    daemons = _daemons(cluster)
    daemons.start("traefik", [program or cluster.tool("traefik"), *_flags(cluster)], env=_environment(cluster))

    def listens() -> bool:
        daemons.require("traefik")
        with socket.socket() as probe:
            return probe.connect_ex((cluster.settings.node_ip, PORT)) == 0

    wait_for("Traefik to listen", listens, timeout=60, hint=f"See {cluster.settings.logs / 'traefik.log'}.")


def stop(cluster: Cluster) -> None:
    """End Traefik: its clients reach nobody, and nobody follows an HTTPRoute any more."""
    _daemons(cluster).stop("traefik")


def down(cluster: Cluster) -> None:
    """End Traefik and remove the API with every object of it."""
    with cluster.alone():
        stop(cluster)
        folder = cluster.toolchain.module_file("traefik", _CRDS, module=_API)
        files = [word for path in sorted(folder.glob("gateway.*.yaml")) for word in ("-f", str(path))]
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", *files)


@contextmanager
def running(cluster: Cluster) -> Iterator[str]:
    """A gateway while the block runs; its address. The API stays, so that the next is quick."""
    up(cluster)
    try:
        yield url(cluster)
    finally:
        stop(cluster)


def _daemons(cluster: Cluster) -> Daemons:
    return Daemons(cluster.settings.state / "pids", cluster.settings.logs)


def _environment(cluster: Cluster) -> dict[str, str]:
    return {"KUBECONFIG": str(cluster.kubeconfig)}


def _flags(cluster: Cluster) -> list[str]:
    return [
        f"--entrypoints.web.address={cluster.settings.node_ip}:{PORT}",
        "--providers.kubernetesgateway=true",
        # By default it takes changes up every other second.
        "--providers.providersthrottleduration=100ms",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=INFO",
    ]
