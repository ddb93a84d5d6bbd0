"""What the model was asked and what it said, as counts: a histogram of scores, and of each feature over the bins of
its training baseline. Counts only, never a row; they add up over pods and over time.

A row counts once its client has the answer. Answering only puts rows and scores aside. They are counted a column at a
time, which costs a fraction of counting them one by one: when enough are there, when the metrics are scraped, and with
each beat of the server.
"""

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Row, bins_of, has_several_labels, measured, score_count, score_name
from verdigris_serving.protocol.service import Count

#: Rows that may be put aside before they are counted.
BATCH = 256
#: Features beyond this many are not counted: each is a dozen series in Prometheus.
MAX_FEATURES = 200
#: Upper edges for a probability: finer where a decision is clear-cut.
PROBABILITY_EDGES = (0.01, 0.05, *(round(0.1 * step, 1) for step in range(1, 10)), 0.95, 0.99, 1.0)
#: Two a decade.
DECADES = tuple(digit * 10.0**power for power in range(-3, 7) for digit in (1, 3))
#: Upper edges for a regression's value, whose scale nobody knows beforehand: two a decade, on both sides of zero.
VALUE_EDGES = (*(-edge for edge in reversed(DECADES)), 0.0, *DECADES)


class _Tally(NamedTuple):
    """Rows by bin: of the scores, and of each feature."""

    scores: Counter[int]
    score_sum: float
    features: list[Counter[int]]


class Observations:
    """Counts of one model's scores and inputs. Any thread may call ``observe``."""

    def __init__(self, model: LoadedModel) -> None:
        names = [feature.name for feature in model.manifest.features]
        known = {bins.name: bins for bins in model.baseline.features} if model.baseline else {}
        #: (column in a row, its baseline) of each feature that is counted.
        self.features = [(names.index(name), known[name]) for name in names if name in known][:MAX_FEATURES]
        #: Rows by feature (in the order of ``features``) and by bin: up to the first edge, …, above the last, missing.
        self.bins = [[0] * (len(bins.counts) + 1) for _, bins in self.features]

        manifest = model.manifest
        self.score_edges = PROBABILITY_EDGES if score_name(manifest) == "probabilities" else VALUE_EDGES
        #: Scores by bin (one more than ``score_edges``: above the last), and their sum.
        self.scores = [0] * (len(self.score_edges) + 1)
        self.score_sum = 0.0
        #: Whether there is one score to count: several values or labels a row have no one scale, and some models none.
        several = manifest.task == "regression" or has_several_labels(manifest)
        self.counts_scores = score_count(manifest) == 1 or (score_count(manifest) > 1 and not several)
        #: The second class's probability of two classes, a value, a decision; None: the largest of many.
        self._score = {1: 0, 2: 1}.get(score_count(manifest))

        self._aside: deque[tuple[Sequence[Row], Sequence[Sequence[float]]]] = deque()
        self._lock = threading.Lock()

    def observe(self, rows: Sequence[Row], scores: Sequence[Sequence[float]]) -> Count:
        """Take note of a successful inference; what is returned counts it. Neither list may be changed afterwards."""
        if len(rows) > BATCH:  # most likely in a thread, where the work is to be done
            return partial(self._add, self._tally(rows, scores))
        if len(self._aside) > BATCH:
            self.count()
        return partial(self._aside.append, (rows, scores))

    def count(self) -> None:
        """Count everything that has been put aside."""
        rows: list[Row] = []
        scores: list[Sequence[float]] = []
        for _ in range(len(self._aside)):
            try:
                more_rows, more_scores = self._aside.popleft()
            except IndexError:  # another thread counts too
                break
            rows += more_rows
            scores += more_scores
        if rows:
            self._add(self._tally(rows, scores))

    def _of(self, scores: Sequence[Sequence[float]]) -> list[float]:
        return [max(score) for score in scores] if self._score is None else [s[self._score] for s in scores]

    def _tally(self, rows: Sequence[Row], scores: Sequence[Sequence[float]]) -> _Tally:
        of_scores = self._of(scores) if self.counts_scores else []
        by_score = Counter(map(partial(bisect_left, self.score_edges), of_scores))
        by_feature = []
        if self.features:
            columns = list(zip(*rows, strict=True))
            for column, bins in self.features:
                present = measured(columns[column])
                counted = Counter(bins_of(bins.edges, present))
                counted[len(bins.counts)] = len(rows) - len(present)
                by_feature.append(counted)
        return _Tally(by_score, sum(of_scores), by_feature)

    def _add(self, tally: _Tally) -> None:
        with self._lock:
            self.score_sum += tally.score_sum
            _add_to(self.scores, tally.scores)
            for total, counted in zip(self.bins, tally.features, strict=True):
                _add_to(total, counted)


def _add_to(total: list[int], counted: Counter[int]) -> None:
    for position, number in counted.items():
        total[position] += number
