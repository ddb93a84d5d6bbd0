"""Who is let in when there is more to do than can be done: a bounded queue for the threads, and a look at the loop.

An inference in a thread is one of ``concurrency`` at once; ``queue`` more may wait. A further one is turned away at
once, which costs next to nothing, so what has been let in is answered as fast as ever. Small requests to a quick
model are computed on the event loop itself: there the queue is in the sockets, as long as there are connections, and
turning away costs about as much as answering. Only when the loop comes round so late that callers have most likely
given up are they turned away too.
"""

import enum

#: Seconds by which the loop may be late before small requests are turned away.
MAX_LATENESS = 0.5


class Rejection(enum.StrEnum):
    """Why a request was turned away, as the metric says it."""

    QUEUE = "queue"
    MEMORY = "memory"
    LATE = "late"


class Admission:
    """Counts what is under way; nobody else decides who is turned away. Used on the event loop only."""

    def __init__(self, *, concurrency: int, queue: int, bodies: int) -> None:
        self._places = concurrency + queue
        self._bodies = bodies
        self._held = 0
        self._beat = float("inf")
        #: Inferences in threads or waiting for one.
        self.in_flight = 0

    def enter(self) -> bool:
        """Take a place for one inference in a thread; False when all are taken. ``leave`` gives it back."""
        if self.in_flight >= self._places:
            return False
        self.in_flight += 1
        return True

    def leave(self) -> None:
        """Give a place back."""
        self.in_flight -= 1

    def hold(self, size: int) -> bool:
        """Account for ``size`` more bytes of bodies (negative: fewer); False when that is more than there may be."""
        self._held += size
        return self._held <= self._bodies

    def beat(self, now: float) -> None:
        """The event loop has come round, at ``now`` (seconds, monotonic)."""
        self._beat = now

    def late(self, now: float) -> bool:
        """Whether the loop has not come round for so long that what it finds in the sockets has waited too long."""
        return now - self._beat > MAX_LATENESS
