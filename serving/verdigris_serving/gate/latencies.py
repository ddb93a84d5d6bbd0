"""How long answers took, in bounded memory, and percentiles with limits."""

import math
from collections.abc import Sequence

from verdigris_serving.gate.statistics.binomial import exact
from verdigris_serving.gate.statistics.estimate import Estimate, Limits
from verdigris_serving.gate.statistics.means import of_means

#: Buckets by factor e: each is 1 % wide.
_PER_E = 100
#: Seconds: what is faster, or slower, is in the first or last bucket.
_LEAST, _MOST = 1e-5, 1e4
_BUCKETS = round(math.log(_MOST / _LEAST) * _PER_E) + 1
#: Parts of a run whose shares of slow answers are compared, to see how much alike answers of one moment are.
SLICES = 30


class Latencies:
    """Answers of one run of ``seconds``; ``limits`` (seconds) are those that its percentiles are judged by."""

    def __init__(self, limits: Sequence[float], seconds: float) -> None:
        self.n = 0
        self.sum = 0.0
        self._limits = list(limits)
        self._per_second = SLICES / seconds
        self._buckets = [0] * _BUCKETS
        self._asked = [0] * SLICES
        self._slow = {limit: [0] * SLICES for limit in self._limits}

    def add(self, latency: float, at: float) -> None:
        """One answer, and when it was due to be asked, both in seconds, the latter from the beginning of the run."""
        self.n += 1
        self.sum += latency
        place = int(math.log(latency / _LEAST) * _PER_E) if latency > _LEAST else 0
        self._buckets[min(place, _BUCKETS - 1)] += 1
        part = min(SLICES - 1, int(at * self._per_second))
        self._asked[part] += 1
        for limit in self._limits:
            if latency > limit:
                self._slow[limit][part] += 1

    def quantile(self, share: float) -> float:
        """The latency in seconds that such a share of the answers kept; infinite where that is more than all."""
        if share >= 1:
            return math.inf
        left = max(share, 0.0) * self.n
        for place, count in enumerate(self._buckets):
            left -= count
            if left <= 0:
                return _LEAST * math.exp((place + 1) / _PER_E)
        return math.inf

    def percentile(self, share: float, limit: float) -> Estimate:
        """The latency in seconds that this share of the answers kept; judged by ``limit``, one of the limits.

        Its limits are those of the share of answers that were slower than ``limit``, moved to this share: so the upper
        one keeps ``limit`` if and only if no more were slower than may be.
        """
        slow = sum(self._slow[limit]) / self.n

        def limits(tail: float) -> Limits:
            fewest, most = self._slower(limit, tail)
            return self.quantile(share - (slow - fewest)), self.quantile(share + (most - slow))

        return Estimate(self.quantile(share), self.n, limits)

    def _slower(self, limit: float, tail: float) -> Limits:
        """The limits of the share of answers that are slower: as if each were by itself, and as the parts of the run
        differ. Answers of one moment are alike, so it is the wider ones that hold."""
        alone = exact(sum(self._slow[limit]), self.n).limits(tail)
        parts = [(float(slow), float(n)) for slow, n in zip(self._slow[limit], self._asked, strict=True)]
        together = of_means(parts, lambda means: means[0] / means[1]).limits(tail)
        return min(alone[0], together[0]), max(alone[1], together[1])
