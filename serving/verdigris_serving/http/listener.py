"""The listening socket. Imports next to nothing, because it is made before anything else is imported."""

import contextlib
import socket

DEFAULT_PORT = 8080
BACKLOG = 2048


def listen(port: int) -> socket.socket:
    """A socket listening on every address, IPv4 and IPv6 where the machine has both. Raises OSError."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG, reuse_port=False
            )
    return socket.create_server(("", port), backlog=BACKLOG)
