"""A registry that runs inside the cluster, standard library only: /private/ wants a password, all else is not there."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """As much of the registry's protocol as it takes to refuse."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Refuse."""
        private = self.path.startswith("/v2/private/")
        code, says = (401, "UNAUTHORIZED") if private else (404, "MANIFEST_UNKNOWN")
        body = b"" if self.command == "HEAD" else f'{{"errors":[{{"code":"{says}"}}]}}'.encode()
        self.send_response(code)
        if private:
            self.send_header("WWW-Authenticate", 'Basic realm="faults"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        """Refuse in the same way."""
        self.do_GET()


if __name__ == "__main__":
    # The node's own address for itself: container runtimes speak plain HTTP to that, and to nothing else.
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
