"""Runs inside the cluster: serves files, and plays tricks below /cut/, /hang/ and /denied/."""

import gzip
import sys
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


class Handler(SimpleHTTPRequestHandler):
    """GET /NAME gives the file; /cut/NAME breaks off, /hang/NAME says no more then, /denied/NAME is 403."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, directory=str(FOLDER))

    def do_GET(self) -> None:
        """Answer one request."""
        match self.path.split("/"):
            case ["", "cut", name]:
                self._half(name)
            case ["", "hang", name]:
                self._half(name)
                time.sleep(3600)
            case ["", "denied", _]:
                self.send_error(403)
            case ["", name] if (FOLDER / f"{name}.gz").exists():
                self._send(gzip.decompress((FOLDER / f"{name}.gz").read_bytes()))
            case _:
                super().do_GET()

    def _send(self, content: bytes) -> None:
        """A whole file."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _half(self, name: str) -> None:
        """Promise the whole file and send half of it."""
        content = (FOLDER / name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
