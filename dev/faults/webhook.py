"""An admission webhook in this process that refuses the operator's writes in one namespace, as `refusals` decides."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from dev.cluster.shell import ClusterError, run, wait_for
from dev.demo.install import NAMESPACE, RELEASE
from dev.demo.kube import Kubectl
from dev.faults.refusals import REFUSER, Judge, Plan, Refusal, Write, configuration, parse

ADDRESS = "127.0.0.1"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
PROBE = "refuser-probe"
"""Name of an object that is always refused and never made: it shows that the API server asks this webhook."""


class Cluster(Kubectl, Protocol):
    """What is needed of `dev.cluster`'s Cluster."""

    @property
    def provider(self) -> str:
        """ "local" or "kind"."""


def reachable(cluster: Cluster) -> bool:
    """Whether the cluster's API server can ask a program of this machine: with kind it runs in a container."""
    return cluster.provider == "local"


def clear_away(cluster: Kubectl) -> None:
    """Remove what an earlier process has left that was killed: nobody answers for it, so it refuses everything."""
    cluster.kubectl("delete", "validatingwebhookconfigurations", "--selector", REFUSER, "--ignore-not-found")


class Refuser:
    """Context manager: while it is open the operator's writes in the namespace are refused by the plan in force.

    Raises ClusterError when the API server does not come to ask.
    """

    def __init__(self, cluster: Kubectl, namespace: str, seed: int = 1) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._judge, self._lock = Judge(seed), threading.Lock()
        self._refused: list[tuple[float, Write]] = []
        self._open = ExitStack()

    def __enter__(self) -> Refuser:
        with ExitStack() as opening:
            folder = Path(opening.enter_context(tempfile.TemporaryDirectory(prefix="verdigris-refuser-")))
            certificate = _certificate(folder)
            port = opening.enter_context(Server(self, certificate)).port
            name = f"refuser-{self._namespace}"
            opening.callback(self._kubectl, "delete", "validatingwebhookconfiguration", name, "--ignore-not-found")
            authority = base64.b64encode(certificate.read_bytes()).decode()
            made = configuration(
                name,
                namespace=self._namespace,
                user=OPERATOR,
                url=f"https://{ADDRESS}:{port}/",
                authority=authority,
            )
            self._cluster.kubectl("apply", "-f", "-", input=json.dumps(made))
            hint = f"Is there an operator of that name? It is asked for writes of {OPERATOR} only."
            wait_for("the API server to ask the webhook", self._is_asked, timeout=30, hint=hint, interval=0.2)
            self._open = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def follow(self, plan: Plan) -> None:
        """Refuse by this plan from now on."""
        with self._lock:
            self._judge.follow(plan)

    def refused(self, since: float = 0.0) -> Counter[str]:
        """How many writes have been refused since then (unix seconds), by resource; moves of traffic as `moves`."""
        with self._lock:
            found = [write for at, write in self._refused if at >= since]
        return Counter("moves" if write.moves_traffic else write.resource for write in found)

    def last_refused_move(self, since: float, until: float) -> float | None:
        """When a move of traffic was last refused in that time (all in unix seconds); None when none was."""
        with self._lock:
            found = [at for at, write in self._refused if since <= at <= until and write.moves_traffic]
        return max(found, default=None)

    def answer(self, review: Mapping[str, Any]) -> dict[str, Any]:
        """The AdmissionReview that answers this one."""
        request = review["request"]
        write = parse(request)
        refusal = self._judged(write)
        response: dict[str, Any] = {"uid": request["uid"], "allowed": refusal is None}
        if refusal is not None:
            response["status"] = {"code": refusal.status, "message": refusal.message}
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

    def _judged(self, write: Write) -> Refusal | None:
        if write.name == PROBE:
            return Refusal(403, PROBE)
        with self._lock:
            refusal = self._judge.refusal(write, time.monotonic())
            if refusal is not None:
                self._refused.append((time.time(), write))
        return refusal

    def _is_asked(self) -> bool:
        words = ("-n", self._namespace, "create", "serviceaccount", PROBE, "--dry-run=server", "--as", OPERATOR)
        try:
            self._cluster.kubectl(*words)
        except ClusterError as refused:
            if f"denied the request: {PROBE}" in str(refused):
                return True
            raise
        return False

    def _kubectl(self, *words: str) -> None:
        self._cluster.kubectl(*words)


class Server(ThreadingHTTPServer):
    """Context manager: an https server on a port of its own that answers with what the refuser says."""

    daemon_threads = True

    def __init__(self, refuser: Refuser, certificate: Path) -> None:
        super().__init__((ADDRESS, 0), _handler(refuser))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.port = int(self.server_address[1])

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, name="refuser", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def _handler(refuser: Refuser) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(refuser.answer(asked)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: what was refused is on record."""

    return Handler


def _certificate(folder: Path) -> Path:
    """A certificate for this machine's own address that vouches for itself; its key lies beside it."""
    certificate, config = folder / "refuser.crt", folder / "openssl.cnf"
    # openssl's own default file would add extensions of its own.
    config.write_text("[req]\ndistinguished_name = name\n[name]\n")
    options = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=refuser",
    ]
    files = ["-config", str(config), "-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate)]
    run(["openssl", "req", "-x509", *options, *files, "-addext", f"subjectAltName=IP:{ADDRESS}"])
    return certificate
