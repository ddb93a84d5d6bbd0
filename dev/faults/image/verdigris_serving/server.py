"""A server that answers every inference request, and has a fault.

FAULT names the fault from the start; the file /tmp/fault, once it is there, names another.

exits      writes a line to its log and ends with code 7
grows      takes memory until it is killed
deaf       accepts connections and says nothing
unready    says that it is not ready
flaps      is ready for a while, and again not
stubborn   ignores SIGTERM (and says that it is not ready, when it has been so from the start)
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOLD = Path("/tmp/fault")
LEAVE_TAKING = 4.0
"""Seconds from SIGTERM to the end: every kept connection has its next answer within."""
FLAP = 10.0
"""Seconds of readiness, and as many without; the probe needs three looks of two seconds to notice."""

leaving = threading.Event()


def fault() -> str:
    """The fault that it has now."""
    try:
        return TOLD.read_text().strip()
    except FileNotFoundError:
        return os.environ.get("FAULT", "")


def is_ready() -> bool:
    """What it says of itself."""
    match fault():
        case "unready":
            return False
        case "flaps":
            return time.time() % (2 * FLAP) < FLAP
        case "stubborn":
            return TOLD.exists()
    return True


class Handler(BaseHTTPRequestHandler):
    """Health, and inference without a model."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The probes."""
        if fault() == "deaf":
            time.sleep(3600)
        well = self.path != "/v2/health/ready" or is_ready()
        self._answer(200 if well else 503, b"")

    def do_POST(self) -> None:
        """An inference request."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = {"model_version": os.environ.get("VERDIGRIS_MODEL_VERSION", ""), "outputs": []}
        self._answer(200, json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:
        """No access log."""

    def _answer(self, status: int, body: bytes) -> None:
        self.close_connection = self.close_connection or leaving.is_set()
        ending = "Connection: close\r\n" if self.close_connection else ""
        head = f"HTTP/1.1 {status} -\r\n{ending}Content-Length: {len(body)}\r\n\r\n"
        # One write: two would wait for each other (Nagle).
        self.wfile.write(head.encode() + body)


def grow() -> None:
    """Take memory until something ends it."""
    taken = []
    while True:
        taken.append(b"x" * 2**20)
        time.sleep(0.005)


def main() -> int:
    """The exit code."""
    match fault():
        case "exits":
            print("loading the tokenizer", flush=True)
            print("ValueError: vocabulary of 32000 words, embedding of 31999", file=sys.stderr, flush=True)
            return 7
        case "grows":
            grow()
    server = ThreadingHTTPServer(("", int(os.environ["VERDIGRIS_PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    leaving.wait()
    time.sleep(LEAVE_TAKING)
    while fault() == "stubborn":
        time.sleep(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
