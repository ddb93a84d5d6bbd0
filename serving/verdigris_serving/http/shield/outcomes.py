"""How it went with what was passed on to the version on trial, as counts. Prometheus reads them, and the judge."""

import enum
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric


class Outcome(enum.StrEnum):
    """How one request that was assigned to the version on trial went there."""

    ANSWERED = "answered"
    """Its answer went to the client."""
    INVALID = "invalid"
    """It said 4xx, and so does the active version (or its client had left, and that one was not asked): no evidence."""
    REFUSED = "refused"
    """It said 4xx where the active version answers."""
    ERROR = "error"
    """It said 5xx."""
    RESET = "reset"
    """The connection broke before the answer was whole."""
    UNREACHABLE = "unreachable"
    """There was no connection to be had."""
    MALFORMED = "malformed"
    """Its answer is no HTTP, or too large, or of a status that no client could be given."""
    DECLINED = "declined"
    """It said 4xx where the active version answers, and is meant to: it takes other requests."""
    LATE = "late"
    """No answer in time."""
    LONG = "long"
    """No answer in time, and the active version took as long: so does the request, and it is no evidence."""
    SKIPPED = "skipped"
    """It was not asked, because it had been late several times in a row; or the wait for it was ended by that."""
    BUSY = "busy"
    """It was not asked, or its answer not taken in: too much is under way, or this pod has no file or port left."""


#: Outcomes that are a fault of the version on trial.
FAULTS = frozenset(
    {
        Outcome.REFUSED,
        Outcome.ERROR,
        Outcome.RESET,
        Outcome.UNREACHABLE,
        Outcome.MALFORMED,
        Outcome.LATE,
    }
)


class Outcomes:
    """Counts for one revision on trial; each is there from the beginning, at 0."""

    def __init__(self, revision: str) -> None:
        self.revision = revision
        self._by_outcome = dict.fromkeys(Outcome, 0)
        #: Faults by what the active version made of the same request: it answered, or it failed too.
        self._spared = {True: 0, False: 0}

    def count(self, outcome: Outcome) -> None:
        """Count one request that ended so."""
        self._by_outcome[outcome] += 1

    def spare(self, *, answered: bool) -> None:
        """Count one fault behind which the active version stood, and whether it had an answer itself."""
        self._spared[answered] += 1

    def collect(self, share: float) -> Iterator[Metric]:
        """What a scrape sees; ``share`` is what is passed on, 0 to 1."""
        forwarded = CounterMetricFamily(
            "verdigris_forwarded",
            "Inference requests assigned to the version on trial, by how it went there.",
            labels=["revision", "outcome"],
        )
        for outcome, count in self._by_outcome.items():
            forwarded.add_metric([self.revision, outcome.value], count)
        yield forwarded
        spared = CounterMetricFamily(
            "verdigris_spared",
            "Faults of the version on trial, by what the active version made of the same request.",
            labels=["revision", "active"],
        )
        for answered, count in self._spared.items():
            spared.add_metric([self.revision, "answered" if answered else "failed"], count)
        yield spared
        told = GaugeMetricFamily(
            "verdigris_shield_share",
            "Share of inference requests that is passed on.",
            labels=["revision"],
        )
        told.add_metric([self.revision], share)
        yield told
