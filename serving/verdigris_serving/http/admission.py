"""Who is let in when there is more to do than can be done. Every queue here has an end.

An inference in a thread is one of ``concurrency`` at once; ``queue`` more may wait. A further one is turned away at
once, which costs next to nothing, so what has been let in is answered as fast as ever.

Small requests to a quick model are computed on the event loop itself, and for that a time round the loop has
``limits.turn`` seconds; the others stand in line, so that probes and new connections get their turn in between. Who
finds the line full, or would stand in it for longer than ``limits.wait``, is turned away.
"""

import enum

from verdigris_serving.http.limits import Limits


class Rejection(enum.StrEnum):
    """Why a request was turned away, as the metric says it."""

    QUEUE = "queue"
    MEMORY = "memory"
    LATE = "late"
    STOPPING = "stopping"


class Admission:
    """Counts what is under way; nobody else decides who is turned away. Used on the event loop only."""

    def __init__(self, limits: Limits, *, concurrency: int, queue: int) -> None:
        self.limits = limits
        self._places = concurrency + queue
        self._held = 0
        #: Inferences in threads or waiting for one.
        self.in_flight = 0
        #: Those that another version is asked for: they may come back at any time, and all at once.
        self.away = 0
        #: Bytes of answers that are written and that their clients do not take in.
        self.untaken = 0

    def enter(self) -> bool:
        """Take a place for one inference in a thread; False when all are taken. ``leave`` gives it back."""
        if self.in_flight >= self._places:
            return False
        self.in_flight += 1
        return True

    def send_away(self) -> bool:
        """Have another version asked; False when so many may come back already that others would find no place."""
        if self.away >= max(1, self._places // 2):
            return False
        self.away += 1
        return True

    def come_back(self) -> None:
        """It has answered."""
        self.away -= 1

    def reenter(self) -> None:
        """It has not: there is always a place for what comes back. ``leave`` gives it back."""
        self.away -= 1
        self.in_flight += 1

    def leave(self) -> None:
        """Give a place back."""
        self.in_flight -= 1

    def hold(self, size: int) -> bool:
        """Account for ``size`` more bytes of bodies (negative: fewer); False when that is more than there may be."""
        self._held += size
        return self._held <= self.limits.bodies
