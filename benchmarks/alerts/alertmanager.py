"""A real Alertmanager (Debian's) on this machine, to which the cluster's Prometheus sends, and who is told by it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dev.cluster.settings import from_environment
from dev.cluster.shell import ClusterError, run, step, wait_for
from dev.demo.kube import Kube, Kubectl
from tests.e2e.alerting import Firing, Prometheus

NAMESPACE, NAME, PORT = "monitoring", "alertmanager", 9093
_PACKAGE = "prometheus-alertmanager"

Times = defaultdict[Firing, list[float]]


@dataclass
class Receiver:
    """Whom Alertmanager tells: when it told of each alert, and of its end, by the monotonic clock."""

    told: Times = field(default_factory=lambda: defaultdict(list))
    over: Times = field(default_factory=lambda: defaultdict(list))

    def told_of(self, alert: Firing, since: float, within: float) -> float | None:
        """Seconds from `since` until it was told that this alert fires; None when that does not come in time."""
        return _after(self.told, alert, since, within)

    def told_the_end_of(self, alert: Firing, since: float, within: float) -> float | None:
        """The same for its end."""
        return _after(self.over, alert, since, within)

    def take(self, message: Any) -> None:
        """Take one of Alertmanager's webhook messages down."""
        for alert in message["alerts"]:
            times = self.told if alert["status"] == "firing" else self.over
            times[Firing.of(alert["labels"])].append(time.monotonic())


def _after(times: Times, alert: Firing, since: float, within: float) -> float | None:
    end = time.monotonic() + within
    while True:
        at = next((at for at in list(times[alert]) if at >= since), None)
        if at is not None:
            return round(at - since, 1)
        if time.monotonic() > end:
            return None
        time.sleep(0.2)


@contextmanager
def alertmanager(cluster: Kubectl, prometheus: Prometheus, folder: Path) -> Iterator[Receiver]:
    """Until the block ends this Prometheus sends its alerts to an Alertmanager, and that to this receiver."""
    receiver = Receiver()
    where = ("get", "nodes", "-o", "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}")
    address = cluster.kubectl(*where)
    with _listening(receiver) as port, _running(folder, address, port), _sent_to(cluster, address):
        known = f"http://{address}:{PORT}/"
        wait_for("Prometheus to know the Alertmanager", lambda: prometheus.tells(known), timeout=180)
        yield receiver


@contextmanager
def _listening(receiver: Receiver) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@contextmanager
def _running(folder: Path, address: str, receiver: int) -> Iterator[None]:
    route = {"receiver": "bench", "group_by": ["..."], "group_wait": "1s", "group_interval": "2s"}
    hook = {"url": f"http://127.0.0.1:{receiver}/", "send_resolved": True}
    config = folder / "alertmanager.json"
    config.write_text(json.dumps({"route": route, "receivers": [{"name": "bench", "webhook_configs": [hook]}]}))
    words = [
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}:{PORT}",
        "--cluster.listen-address=",
    ]
    home, log = _unpacked(), folder / "alertmanager.log"
    # It reads its templates from /usr/share: in a mount namespace of its own it finds them there.
    share = f"mount -t overlay overlay -o lowerdir={home}/usr/share:/usr/share /usr/share"
    program = str(home / "usr" / "bin" / _PACKAGE)
    start = ["unshare", "--mount", "sh", "-c", f'{share} && exec "$@"', "sh", program, *words]
    with log.open("wb") as out:
        process = subprocess.Popen(start, stdout=out, stderr=out)
    try:
        ready = f"http://{address}:{PORT}/-/ready"
        wait_for("Alertmanager to answer", lambda: _answers(ready), timeout=30, hint=f"It says why in {log}.")
        yield
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def _unpacked() -> Path:
    """Where Debian's package is unpacked: in the cache, as the program would start by itself if it were installed."""
    home = from_environment().cache / _PACKAGE
    if not (home / "usr" / "bin" / _PACKAGE).exists():
        with step(f"Fetching Debian's {_PACKAGE}"):
            home.mkdir(parents=True, exist_ok=True)
            run(["apt-get", "download", _PACKAGE], cwd=home)
            found = next(iter(home.glob("*.deb")), None)
            if found is None:
                raise ClusterError(f"apt-get downloaded no {_PACKAGE} to {home}: run apt-get update, then this again.")
            run(["dpkg", "-x", found, home])
    return home


@contextmanager
def _sent_to(cluster: Kubectl, address: str) -> Iterator[None]:
    kube = Kube(cluster, NAMESPACE)
    labels = {"kubernetes.io/service-name": NAME}
    ports = [{"name": "web", "port": PORT}]
    kube.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": {"ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": NAME, "labels": labels},
            "addressType": "IPv4",
            "ports": [{**ports[0], "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        },
    )
    target = {"namespace": NAMESPACE, "name": NAME, "port": "web"}
    _patch(kube, {"alertmanagers": [target]})
    try:
        yield
    finally:
        _patch(kube, None)
        kube.delete("service", NAME)


def _patch(kube: Kube, alerting: Any) -> None:
    change = json.dumps({"spec": {"alerting": alerting}})
    kube.run("patch", "prometheus.monitoring.coreos.com", "main", "--type=merge", "-p", change)
