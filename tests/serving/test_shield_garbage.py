"""What was passed on is gone with its answer. What waits for the garbage collector holds up all requests of a pod:
2 ms, three times a second, at 4,000 requests a second."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from verdigris_serving.http.messages import JSON, Request, Response
from verdigris_serving.http.shield.faults import Faults
from verdigris_serving.http.shield.front import Passage, Trial
from verdigris_serving.http.shield.order import WHOLE, Order
from verdigris_serving.http.shield.outcomes import Outcome
from verdigris_serving.http.shield.shadow.comparing import Compared, Likeness
from verdigris_serving.http.shield.shadow.copies import _Copy
from verdigris_serving.http.shield.upstream import Ended, Exchange

ORDER = Order("127.0.0.1", 1, "revision", WHOLE, 0.01)
GOOD, BAD = Response(200, b"{}", JSON), Response(500, b"{}", JSON)
End = Callable[[Exchange], None]
ENDS = {
    "answered": lambda exchange: exchange.end(Outcome.ANSWERED, GOOD),
    "an error": lambda exchange: exchange.end(Outcome.ERROR, BAD),
    "a reset": lambda exchange: exchange.end(Outcome.RESET),
    "late": lambda _: None,
}
ended = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


class Asked:
    """An upstream whose exchanges the test ends."""

    exchange: Exchange | None = None

    def ask(self, request: Request, ended: Ended) -> Exchange:
        self.exchange = Exchange(request, ended)
        return self.exchange


class Answers:
    def come_back(self, request: Request) -> None:
        """Nothing was kept for it."""

    def answer(self, request: Request, done: Any) -> Response:
        del request, done
        return GOOD


class Alike:
    def of(self, *_: Any) -> Compared:
        return Compared(Likeness.FAILED)


@pytest.fixture(autouse=True)
def _nothing_is_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def request() -> Request:
    return Request("POST", "/v2/models/m/infer", {}, b"{}", keep_alive=True)


@ended
async def test_a_request_that_was_passed_on_is_gone_with_its_answer(end: End) -> None:
    answers: list[int] = []
    upstream = Asked()
    trial = Trial(ORDER, cast(Any, upstream), cast(Any, None), Faults("revision"))
    passage = Passage(cast(Any, Answers()), trial, request(), lambda _, response: answers.append(response.status))
    assert passage.begin(ORDER)
    left = weakref.ref(passage)
    del passage
    await _to_its_end(upstream, end, answers)
    assert left() is None


@ended
async def test_a_copy_is_gone_with_its_answer(end: End) -> None:
    compared: list[Compared] = []
    upstream = Asked()
    copy = _Copy(cast(Any, Alike()), request(), GOOD, compared.append, Faults("revision"))
    copy.send(cast(Any, upstream), ORDER)
    left = weakref.ref(copy)
    del copy
    await _to_its_end(upstream, end, compared)
    assert left() is None


async def _to_its_end(upstream: Asked, end: End, told: list[Any]) -> None:
    assert upstream.exchange
    end(upstream.exchange)
    upstream.exchange = None
    async with asyncio.timeout(10):
        while not told:
            await asyncio.sleep(0.001)
    # The timer that called has ended, too.
    await asyncio.sleep(0)
