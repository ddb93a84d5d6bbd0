"""How many copies there is time for. Who waits for an answer comes first: where a pod is busy, copies are left out.

As with a connection that finds out how much a network can take: what is let through grows by a step for as long as the
loop has time left, and is halved when it has not.
"""

import os
import time

#: The share of its time that the loop may run, or wait for a processor. Beyond it requests wait for each other.
BUSY = 0.5
#: By which the share of the copies that are let through grows with each look.
STEP = 0.05
#: Seconds after which one is let through however busy it is: a few in a thousand of the loop's time, for which a pod
#: that is always busy tells something all the same.
AT_LEAST_EVERY = 0.1


class Spare:
    """``share`` (0 to 1) of the copies is let through; ``look`` often. Pure: times are given."""

    def __init__(self, now: float, claimed: float) -> None:
        self._looked, self._claimed = now, claimed
        self._last = now
        self.share = STEP

    def allows(self, now: float, chance: float) -> bool:
        """Whether there is time for a copy; ``chance`` is a random number from 0 up to 1."""
        if chance >= self.share and now - self._last < AT_LEAST_EVERY:
            return False
        self._last = now
        return True

    def look(self, now: float, claimed: float) -> None:
        """At ``now`` (seconds, monotonic) the loop had run, or waited to run, for so many seconds in all."""
        elapsed, busy = now - self._looked, claimed - self._claimed
        self._looked, self._claimed = now, claimed
        if busy > BUSY * elapsed:
            self.share /= 2
        else:
            self.share = min(1.0, self.share + STEP)


class Claimed:
    """Seconds that the thread which makes this has run or waited for a processor: a pod may be busy with nothing but
    waiting, for its neighbours or at its limit. Where the kernel does not tell, how long it has run.
    """

    def __init__(self) -> None:
        try:
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def __call__(self) -> float:
        """So far."""
        if self._file < 0:
            return time.thread_time()
        ran, waited, *_ = os.pread(self._file, 100, 0).split()
        return (int(ran) + int(waited)) / 1e9
