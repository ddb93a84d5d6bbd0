"""In front of the model: passes the ordered share on to the version on trial, and has the active version answer
whatever does not come back well. An inference changes nothing, so a second one is safe.

    client ─► this pod ──share──► the version on trial
                 ▲  │  4xx, 5xx, reset, refused, late
                 └──┘  answers itself, and counts what went wrong
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import Metric

from verdigris_serving.http.app import App, Done
from verdigris_serving.http.messages import FORWARDED, Request, Response
from verdigris_serving.http.shield.assignment import assigned
from verdigris_serving.http.shield.breaker import Breaker
from verdigris_serving.http.shield.order import WHOLE, Order, Orders
from verdigris_serving.http.shield.outcomes import FAULTS, Outcome, Outcomes
from verdigris_serving.http.shield.upstream import Exchange, Upstream


class Trial:
    """The version that an order names: the way to it, whether it answers in time, and how it went so far."""

    def __init__(self, order: Order) -> None:
        self.upstream = Upstream(order.host, order.port)
        self.breaker = Breaker()
        self.outcomes = Outcomes(order.revision)
        self.passages: set[Passage] = set()

    def fits(self, order: Order | None) -> bool:
        """Whether the order is about the same pods and the same revision."""
        return order is not None and (order.host, order.port, order.revision) == (
            *self.upstream.address,
            self.outcomes.revision,
        )


class Shield:
    """Answers as ``app`` does where there is no order. ``chance`` gives numbers from 0 up to 1."""

    def __init__(self, app: App, orders: Orders, chance: Callable[[], float] = random.random) -> None:
        #: Answers calls over gRPC, of which none is passed on.
        self.app = app
        self._orders = orders
        self._chance = chance
        #: The last version on trial: its counts stay until there is another.
        self._trial: Trial | None = None
        self.refuse = app.refuse
        self.answered = app.answered

    def look(self) -> None:
        """See whether there is another order; to be called often, by the event loop."""
        self._orders.look()
        order, trial = self._orders.current, self._trial
        if trial is not None and not trial.fits(order):
            trial.upstream.close()
        if order is not None and (trial is None or not trial.fits(order)):
            self._trial = trial = Trial(order)
        if trial is not None:
            trial.upstream.tidy()

    def collect(self) -> Iterator[Metric]:
        """What a scrape sees of the version on trial; nothing where there has been none."""
        order, trial = self._orders.current, self._trial
        if trial is not None:
            yield from trial.outcomes.collect(order.share / WHOLE if order and trial.fits(order) else 0.0)

    def answer(self, request: Request, done: Done) -> Response | None:
        """The answer; or None, and ``done`` will be called with it on the event loop, later."""
        order, trial = self._orders.current, self._trial
        if (
            order is None
            or trial is None
            or FORWARDED in request.headers
            or not self.app.may_pass_on(request)
            or not assigned(order, request.headers, self._chance)
        ):
            return self.app.answer(request, done)
        if not trial.breaker.allows(time.monotonic()):
            trial.outcomes.count(Outcome.SKIPPED)
            return self.app.answer(request, done)
        passage = Passage(self.app, trial, request, done)
        if not passage.begin(order.within):
            trial.outcomes.count(Outcome.BUSY)
            return self.app.answer(request, done)
        return None


class Passage:
    """One request that was passed on, from there to the client's answer."""

    def __init__(self, app: App, trial: Trial, request: Request, done: Done) -> None:
        self._app = app
        self._trial = trial
        self._request = request
        self._done = done
        self._outcome = Outcome.ANSWERED
        self._exchange: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, within: float) -> bool:
        """Ask the version on trial, for so many seconds; False when there is no room to."""
        self._exchange = self._trial.upstream.ask(self._request, self._ended)
        if self._exchange is None:
            return False
        self._trial.passages.add(self)
        self._timer = asyncio.get_running_loop().call_later(within, self._late)
        return True

    def _ended(self, outcome: Outcome, response: Response | None) -> None:
        self._over()
        self._trial.breaker.in_time()
        if outcome is Outcome.ANSWERED and response is not None:
            self._trial.outcomes.count(outcome)
            # Counted where it was computed.
            self._request.inference = False
            self._done(self._request, response)
        else:
            self._answer_here(outcome)

    def _late(self) -> None:
        breaker = self._trial.breaker
        was_open = breaker.open
        breaker.late(time.monotonic())
        self._give_up(Outcome.LATE)
        if breaker.open and not was_open:
            # Those that wait already would be late as well.
            for passage in list(self._trial.passages):
                passage._give_up(Outcome.SKIPPED)

    def _give_up(self, outcome: Outcome) -> None:
        if self._exchange is not None:
            self._exchange.drop()
        self._over()
        self._answer_here(outcome)

    def _over(self) -> None:
        self._trial.passages.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _answer_here(self, outcome: Outcome) -> None:
        self._outcome = outcome
        if self._request.abandoned:
            self._trial.outcomes.count(outcome)
            self._done(self._request, Response(503, b""))
            return
        # The time that the other version took is not this one's.
        self._request.arrived = time.monotonic()
        response = self._app.answer(self._request, self._answered_here)
        if response is not None:
            self._answered_here(self._request, response)

    def _answered_here(self, request: Request, response: Response) -> None:
        outcomes, outcome = self._trial.outcomes, self._outcome
        if outcome is Outcome.REFUSED and response.status >= 400:
            outcome = Outcome.ANSWERED
        outcomes.count(outcome)
        if outcome in FAULTS:
            outcomes.spare(answered=response.status < 500)
        self._done(request, response)
