"""What a Service does: it spreads connections, not requests, over the pods that it has at that moment."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress


class Spreader:
    """Listens on ``port``; each new connection goes to the next of ``pods`` (ports), which may be changed any time."""

    def __init__(self, pods: list[int]) -> None:
        self.pods = pods
        self._turn = itertools.count()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Until it is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Take in no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _carry(self, client: socket.socket) -> None:
        with closing(client):
            pod = socket.create_connection(("127.0.0.1", self.pods[next(self._turn) % len(self.pods)]))
            with closing(pod):
                back = threading.Thread(target=_pump, args=(pod, client), daemon=True)
                back.start()
                _pump(client, pod)
                back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def spreader(*pods: int) -> Iterator[Spreader]:
    """A Service in front of these ports, until the end."""
    spreading = Spreader(list(pods))
    threading.Thread(target=spreading.serve, daemon=True).start()
    try:
        yield spreading
    finally:
        spreading.close()
