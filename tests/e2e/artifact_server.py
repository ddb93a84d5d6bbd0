"""Runs inside the cluster: serves files, and below /cut/ promises a whole file and sends half of it."""

import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


class Handler(SimpleHTTPRequestHandler):
    """GET /NAME gives the file, GET /cut/NAME breaks off in the middle."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, directory=str(FOLDER))

    def do_GET(self) -> None:
        """Answer one request."""
        if not self.path.startswith("/cut/"):
            super().do_GET()
            return
        content = (FOLDER / self.path.removeprefix("/cut/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
