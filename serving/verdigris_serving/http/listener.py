"""The listening socket. Imports next to nothing, because it is made before anything else is imported."""

import contextlib
import socket

DEFAULT_PORT = 8080
BACKLOG = 2048


def listen(port: int, host: str = "") -> socket.socket:
    """A socket listening on one address, or (without ``host``) on every one of IPv4 and IPv6. Raises OSError."""
    if host:
        ((family, _, _, _, address), *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG, reuse_port=False
            )
    return socket.create_server(("", port), backlog=BACKLOG)
