"""In front of the model: passes the ordered share on to the version on trial, and has the active version answer
whatever does not come back well. An inference changes nothing, so a second one is safe.

    client ─► this pod ──share──► the version on trial
                 ▲  │  4xx, 5xx, reset, refused, late
                 └──┘  answers itself, and counts what went wrong
"""

import random
import time
from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import Metric

from verdigris_serving.artifact.limits import memory_limit
from verdigris_serving.http.app import App, Done
from verdigris_serving.http.messages import FORWARDED, Request, Response
from verdigris_serving.http.shield.assignment import assigned
from verdigris_serving.http.shield.breaker import Breaker
from verdigris_serving.http.shield.deadline import Deadline
from verdigris_serving.http.shield.faults import Faults
from verdigris_serving.http.shield.order import WHOLE, Order, Orders
from verdigris_serving.http.shield.outcomes import FAULTS, Outcome, Outcomes
from verdigris_serving.http.shield.passing import has_room, named
from verdigris_serving.http.shield.shadow.copies import Comparison, Copies
from verdigris_serving.http.shield.shadow.spare import Claimed, Spare
from verdigris_serving.http.shield.upstream import Exchange, Upstream


class Trial:
    """The version that an order names: the way to it, whether it answers in time, and how it went so far."""

    def __init__(self, order: Order, upstream: Upstream, copies: Copies, faults: Faults) -> None:
        self.upstream = upstream
        self.breaker = Breaker()
        self.outcomes = Outcomes(order.revision)
        self.passages: set[Passage] = set()
        self.copies = copies
        self.faults = faults

    def fits(self, order: Order | None) -> bool:
        """Whether the order is about the same pods and the same revision."""
        return order is not None and (order.host, order.port, order.revision) == (
            *self.upstream.address,
            self.outcomes.revision,
        )

    def close(self) -> None:
        """Keep no connection; what is under way may end."""
        self.upstream.close()
        self.copies.upstream.close()

    def tidy(self) -> None:
        """End connections that have grown old; to be called now and then."""
        self.upstream.tidy()
        self.copies.upstream.tidy()

    def recall(self) -> None:
        """Wait no longer for what is under way: the active version answers."""
        for passage in list(self.passages):
            passage.give_up(Outcome.SKIPPED)


class Shield:
    """Answers as ``app`` does where there is no order. ``chance`` gives numbers from 0 up to 1."""

    def __init__(
        self, app: App, orders: Orders, comparison: Comparison, chance: Callable[[], float] = random.random
    ) -> None:
        #: Answers calls over gRPC, of which none is passed on.
        self.app = app
        self._orders = orders
        self._chance = chance
        #: The last version on trial: its counts stay until there is another.
        self._trial: Trial | None = None
        #: Those before it of which something is under way still.
        self._former: list[Trial] = []
        self._comparison = comparison
        self._memory = memory_limit()
        self._claimed = Claimed()
        self._spare = Spare(time.monotonic(), self._claimed())
        self._stopping = False
        self.refuse = app.refuse
        self.answered = app.answered

    def look(self) -> None:
        """See whether there is another order; to be called often, by the event loop."""
        self._orders.look()
        self._spare.look(time.monotonic(), self._claimed())
        order, trial = self._orders.current, self._trial
        if trial is not None and not trial.fits(order):
            trial.close()
        if order is not None and (trial is None or not trial.fits(order)):
            self._former = [each for each in (*self._former, trial) if each is not None and each.passages]
            faults = Faults(order.revision)
            copies = Copies(order, self._comparison, self._has_time, faults)
            upstream = Upstream(order.host, order.port, memory=self._memory, untaken=lambda: self.app.untaken)
            self._trial = trial = Trial(order, upstream, copies, faults)
        if trial is not None:
            trial.tidy()

    def stop(self) -> None:
        """Pass on nothing more: the process is about to end."""
        self._stopping = True

    def recall(self) -> None:
        """Answer what is still waited for: there is not much time left."""
        for trial in (*self._former, self._trial):
            if trial is not None:
                trial.recall()

    def _has_time(self) -> bool:
        return not self.app.waited_for and self._spare.allows(time.monotonic(), self._chance())

    def collect(self) -> Iterator[Metric]:
        """What a scrape sees of the version on trial; nothing where there has been none."""
        order, trial = self._orders.current, self._trial
        if trial is not None:
            told = order if trial.fits(order) else None
            yield from trial.outcomes.collect(told.share / WHOLE if told else 0.0)
            yield from trial.copies.counts.collect(told.shadow / WHOLE if told else 0.0)

    def answer(self, request: Request, done: Done) -> Response | None:
        """The answer; or None, and ``done`` will be called with it on the event loop, later."""
        order, trial = self._orders.current, self._trial
        if (
            order is None
            or trial is None
            or self._stopping
            or FORWARDED in request.headers
            or not self.app.may_pass_on(request)
            or not has_room(request, self.app.limits)
        ):
            return self.app.answer(request, done)
        if not assigned(order, request.headers, self._chance):
            return self._answer_and_compare(request, done, order, trial)
        if not trial.breaker.allows(time.monotonic()):
            trial.outcomes.count(Outcome.SKIPPED)
            return self.app.answer(request, done)
        passage = Passage(self.app, trial, request, done)
        if not self.app.send_away(request) or not passage.begin(order):
            self.app.come_back(request)
            trial.outcomes.count(Outcome.BUSY)
            return self.app.answer(request, done)
        return None

    def _answer_and_compare(self, request: Request, done: Done, order: Order, trial: Trial) -> Response | None:
        if not order.shadow or self._chance() * WHOLE >= order.shadow:
            return self.app.answer(request, done)

        def answered(request: Request, response: Response) -> None:
            trial.copies.take(request, response, order)
            done(request, response)

        response = self.app.answer(request, answered)
        if response is not None:
            trial.copies.take(request, response, order)
        return response


class Passage:
    """One request that was passed on, from there to the client's answer."""

    def __init__(self, app: App, trial: Trial, request: Request, done: Done) -> None:
        self._app = app
        self._trial = trial
        self._request = request
        self._done = done
        self._outcome = Outcome.ANSWERED
        #: What the version on trial said, where that is not the client's answer.
        self._said: Response | None = None
        self._may_refuse = False
        self._version: str | None = None
        self._within = 0.0
        self._exchange: Exchange | None = None
        self._deadline: Deadline | None = None

    def begin(self, order: Order) -> bool:
        """Ask the version on trial, for as long as the order says; False when there is no room to."""
        self._may_refuse, self._version, self._within = order.schema_change, order.version, order.within
        self._exchange = self._trial.upstream.ask(self._request, self._ended)
        if self._exchange is None:
            return False
        self._trial.passages.add(self)
        self._deadline = Deadline(order.within, self._late)
        return True

    def _ended(self, outcome: Outcome, response: Response | None) -> None:
        self._over()
        if outcome is not Outcome.BUSY:  # that tells of this pod, not of the other version
            self._trial.breaker.in_time()
        if outcome is Outcome.ANSWERED and response is not None:
            self._trial.outcomes.count(outcome)
            if self._version is not None:
                named(response, self._version)
            # Counted where it was computed.
            self._request.inference = False
            self._app.come_back(self._request)
            self._done(self._request, response)
        else:
            self._said = response
            self._answer_here(outcome)

    def _late(self) -> None:
        breaker = self._trial.breaker
        was_open = breaker.open
        breaker.late(time.monotonic())
        self.give_up(Outcome.LATE)
        if breaker.open and not was_open:
            # Those that wait already would be late as well.
            self._trial.recall()

    def give_up(self, outcome: Outcome) -> None:
        """Wait no longer: the active version answers."""
        if self._exchange is not None:
            self._exchange.drop()
        self._over()
        self._answer_here(outcome)

    def _over(self) -> None:
        self._trial.passages.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        # They know whom to tell: left there, each request would wait for the garbage collector, which holds up others.
        self._deadline = self._exchange = None

    def _answer_here(self, outcome: Outcome) -> None:
        self._outcome = outcome
        if self._request.abandoned:
            self._app.come_back(self._request)
            self._trial.outcomes.count(Outcome.INVALID if outcome is Outcome.REFUSED else outcome)
            self._done(self._request, Response(503, b""))
            return
        # The time that the other version took is not this one's.
        self._request.arrived = time.monotonic()
        response = self._app.answer(self._request, self._answered_here)
        # Whoever answers without a thread has not taken the place that was kept.
        self._app.come_back(self._request)
        if response is not None:
            self._answered_here(self._request, response)

    def _answered_here(self, request: Request, response: Response) -> None:
        try:
            self._count(request, response)
        finally:  # whatever went wrong in that: it waits
            self._done(request, response)

    def _count(self, request: Request, response: Response) -> None:
        outcomes, outcome = self._trial.outcomes, self._outcome
        if outcome is Outcome.REFUSED and 400 <= response.status < 500:
            outcome = Outcome.INVALID
        elif outcome is Outcome.REFUSED and self._may_refuse:
            outcome = Outcome.DECLINED
        elif outcome is Outcome.LATE and time.monotonic() - request.arrived > self._within:
            outcome = Outcome.LONG
        outcomes.count(outcome)
        if outcome in FAULTS:
            outcomes.spare(answered=response.status < 500)
            self._trial.faults.note(outcome, self._said)
