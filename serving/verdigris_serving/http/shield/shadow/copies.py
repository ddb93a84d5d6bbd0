"""Copies of answered requests, on their way to the version on trial and back.

A copy is sent once its client has been answered, and only where there is room for it: whatever it costs, it costs
nobody's answer. What there is no room for is left out and counted; nothing waits in line.
"""

import asyncio
from collections.abc import Callable, Mapping

from verdigris_serving.http.messages import COPY, Request, Response
from verdigris_serving.http.shield.deadline import Deadline
from verdigris_serving.http.shield.faults import Faults
from verdigris_serving.http.shield.order import Order
from verdigris_serving.http.shield.outcomes import FAULTS, Outcome
from verdigris_serving.http.shield.shadow.answers import NoAnswer, Told, told
from verdigris_serving.http.shield.shadow.comparing import Compared, Likeness, Tolerance, compare
from verdigris_serving.http.shield.shadow.counts import PROBABILITY_EDGES, VALUE_EDGES, Counts
from verdigris_serving.http.shield.upstream import Exchange, Upstream
from verdigris_serving.model.schema import Manifest, score_name
from verdigris_serving.protocol.outputs import output_metadata

#: Copies under way at once.
MOST_COPIES = 16
#: Bytes of a request that is copied, and of an answer that is compared: to compare more holds up the event loop.
MOST_REQUEST, MOST_ANSWER = 256 * 1024, 64 * 1024
#: What the answers of the version on trial may have.
_MOST_OTHER = 4 * MOST_ANSWER


class Comparison:
    """How the answers of one active version are read and compared; ``quality`` is its artifact's."""

    def __init__(self, manifest: Manifest, quality: Mapping[str, float]) -> None:
        self.edges = PROBABILITY_EDGES if score_name(manifest) == "probabilities" else VALUE_EDGES
        self._first: str = output_metadata(manifest)[0]["name"]
        self._tolerance = Tolerance.of(quality)

    def of(self, active: Response, outcome: Outcome, other: Response | None) -> Compared:
        """The other version's answer, or how it failed to give one, beside the active one's, which is a 200."""
        if other is None or outcome is not Outcome.ANSWERED:
            return Compared(Likeness.INCOMPARABLE if outcome is Outcome.DECLINED else Likeness.FAILED)
        try:
            ours = self._told(active, MOST_ANSWER)
        except NoAnswer:
            return Compared(Likeness.DROPPED)
        try:
            return compare(ours, self._told(other, _MOST_OTHER), self._tolerance)
        except NoAnswer:
            return Compared(Likeness.FAILED)

    def _told(self, response: Response, limit: int) -> Told:
        return told(response, self._first, limit)


class Copies:
    """Those for one version on trial. ``has_time`` says whether there is time for one more."""

    def __init__(self, order: Order, comparison: Comparison, has_time: Callable[[], bool], faults: Faults) -> None:
        self.upstream = Upstream(order.host, order.port, COPY, MOST_COPIES, _MOST_OTHER)
        self.counts = Counts(order.revision, comparison.edges)
        self._comparison = comparison
        self._has_time = has_time
        self._faults = faults
        #: Copies under way, or about to be sent.
        self._under_way = 0

    def take(self, request: Request, response: Response, order: Order) -> None:
        """Send a copy of the request, if this is its sound answer, and if there is room; returns at once."""
        if response.status != 200:
            return
        large = len(request.body) > MOST_REQUEST or len(response.body) > MOST_ANSWER
        if large or self._under_way >= MOST_COPIES or not self._has_time():
            self.counts.count(Compared(Likeness.DROPPED))
            return
        self._under_way += 1
        copy = _Copy(self._comparison, request, response, self._ended, self._faults)
        # Only once the answer, which is on its way, is written.
        asyncio.get_running_loop().call_soon(copy.send, self.upstream, order)

    def _ended(self, compared: Compared) -> None:
        self._under_way -= 1
        self.counts.count(compared)


class _Copy:
    """One copy, from its sending to ``ended``, which is called once with how it went."""

    def __init__(
        self,
        comparison: Comparison,
        request: Request,
        response: Response,
        ended: Callable[[Compared], None],
        faults: Faults,
    ) -> None:
        self._comparison = comparison
        self._request = request
        self._response = response
        self._ended = ended
        self._faults = faults
        self._exchange: Exchange | None = None
        self._deadline: Deadline | None = None
        self._may_refuse = False

    def send(self, upstream: Upstream, order: Order) -> None:
        """Send it, and wait for its answer for as long as the order says."""
        self._may_refuse = order.schema_change
        self._exchange = upstream.ask(self._request, self._answered)
        if self._exchange is None:
            self._ended(Compared(Likeness.DROPPED))
        else:
            self._deadline = Deadline(order.within, self._late)

    def _answered(self, outcome: Outcome, other: Response | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        # As with a request that is passed on: nothing is left for the garbage collector.
        self._deadline = self._exchange = None
        if outcome is Outcome.REFUSED and self._may_refuse:
            outcome = Outcome.DECLINED
        compared = Compared(Likeness.FAILED)
        try:
            if outcome in FAULTS:
                self._faults.note(outcome, other)
            compared = self._comparison.of(self._response, outcome, other)
        finally:  # whatever went wrong in that: its place is free again
            self._ended(compared)

    def _late(self) -> None:
        if self._exchange is not None:
            self._exchange.drop()
        self._deadline = self._exchange = None
        self._faults.note(Outcome.LATE, None)
        self._ended(Compared(Likeness.FAILED))
