"""When to stop asking a version that does not answer in time. Only lateness counts: it is what costs a client time.

A quick error costs a client nothing, since the active version answers at once, and each is evidence against the
version on trial. Pure: times are given.
"""

#: Late answers in a row after which it is asked no more.
LATE_IN_A_ROW = 3
#: Seconds between two requests that find out whether it answers again.
BETWEEN_PROBES = 1.0


class Breaker:
    """Ask ``allows`` before each request, then tell it of ``late`` and ``in_time`` ends."""

    def __init__(self) -> None:
        self._late = 0
        self._next_probe = 0.0

    @property
    def open(self) -> bool:
        """Whether it is asked no more, but for probes."""
        return self._late >= LATE_IN_A_ROW

    def allows(self, now: float) -> bool:
        """Whether a request may be passed on at ``now`` (seconds, monotonic); an open breaker lets a probe through."""
        if not self.open:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + BETWEEN_PROBES
        return True

    def late(self, now: float) -> None:
        """An answer did not come in time."""
        self._late += 1
        if self._late == LATE_IN_A_ROW:
            self._next_probe = now + BETWEEN_PROBES

    def in_time(self) -> None:
        """An answer came, whatever it said."""
        self._late = 0
