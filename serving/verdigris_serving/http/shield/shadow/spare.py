"""How many copies there is time for. Who waits for an answer comes first: where a pod is busy, copies are left out.

As with a connection that finds out how much a network can take: what is let through grows by a step for as long as the
loop has time left, and is halved when it has not. Pure: times are given.
"""

#: The share of its time that the loop may spend, on everything. Beyond it requests wait for each other.
BUSY = 0.6
#: Seconds between two looks that say that the loop was held up, or its processor taken away: it looks every 0.05 s.
HELD_UP = 0.1
#: By which the share of the copies that are let through grows with each look.
STEP = 0.05


class Spare:
    """``share`` (0 to 1) of the copies is let through; ``look`` often."""

    def __init__(self, now: float, used: float) -> None:
        self._looked, self._used = now, used
        self.share = STEP

    def look(self, now: float, used: float) -> None:
        """At ``now`` (seconds, monotonic) the loop had used so many seconds of processor time in all."""
        elapsed, spent = now - self._looked, used - self._used
        self._looked, self._used = now, used
        if elapsed > HELD_UP or spent > BUSY * elapsed:
            self.share /= 2
        else:
            self.share = min(1.0, self.share + STEP)
