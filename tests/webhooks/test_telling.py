"""Receivers that take what they are told, that do not, and that are not there: no rollout waits for any."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from standardwebhooks import Webhook

from tests.rollout.parts import Version, spec
from tests.rollout.small import over, until
from tests.rollout.world import World, serving
from tests.webhooks.samples import KEY, entry, receiver
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.webhooks.post import SECONDS, Try, post
from verdigris.api.status import GateStatus, ModelDeploymentStatus, RolloutStatus, StepStatus
from verdigris.app.statuses import Statuses
from verdigris.app.webhook_setup import webhooks
from verdigris.app.webhooks import GIVEN_UP, LONGEST, MOST_BYTES, WAITING, Webhooks
from verdigris.webhooks.message import Message, message
from verdigris.webhooks.receiver import Receiver

MODEL, UID = Key("clinic", "diabetes"), "uid-1"
PATIENCE = 20.0


class Counts:
    """What /metrics would show."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.left: dict[str, int] = {}

    def went(self, receiver: str, outcome: str) -> None:
        self.outcomes[receiver, outcome] += 1

    def waiting(self, receiver: str, count: int) -> None:
        self.left[receiver] = count


class Stage:
    """Webhooks with a clock of their own, and receivers that answer as they are told to."""

    def __init__(self, *receivers: Receiver, answers: Callable[[Receiver, int], Try] = lambda *_: Try()) -> None:
        self.world = serving("1.0.0")
        self.counts, self.seconds, self.waited = Counts(), 0.0, [0.0]
        self.sent: list[tuple[str, Message]] = []
        self._answers = answers
        self.webhooks = Webhooks(
            receivers, post=self._post, told=self.counts, now=lambda: self.world.now, clock=lambda: self.seconds,
            chance=lambda: 1.0, sleep=self._sleep,
        )  # fmt: skip
        self.models = Statuses()
        self.models.follow(self.webhooks)

    async def _post(self, asked: Receiver, sent: Message) -> Try:
        await asyncio.sleep(0)
        self.sent.append((asked.name, sent))
        return self._answers(asked, len(self.sent))

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    def told(self, name: str = "ops") -> list[str]:
        return [sent.body.decode() for to, sent in self.sent if to == name]

    def look(self) -> None:
        self.models.saw(MODEL, UID, self.world.status)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.webhooks.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0)


def rolled(stage: Stage, version: str, **how: float) -> World:
    """Roll a version out to its end; each look is told."""
    stage.world.apply(spec(version))
    if how:
        stage.world.versions[version] = Version(**how)  # type: ignore[arg-type]

    def looked(world: World) -> bool:
        stage.look()
        return world.run(1) is world and over(world)

    until(stage.world.run(1), looked)
    stage.look()
    return stage.world


async def test_a_receiver_hears_of_a_promotion_once_and_in_order() -> None:
    stage = Stage(receiver(tell=["began", "serves", "deployed"]))
    stage.webhooks.begin()
    stage.look()
    rolled(stage, "1.1.0")
    async with stage.running():
        await stage.until(lambda: stage.counts.left.get("ops") == 0)
    types = [json.loads(body)["type"] for body in stage.told()]
    assert types == [
        "dev.cdeventsx.verdigris-rollout.began.0.1.0",
        "dev.cdevents.service.upgraded.0.2.0",
    ]
    assert stage.counts.outcomes == {("ops", "sent"): len(stage.sent)}


async def test_what_was_before_this_replica_led_is_told_by_nobody_again() -> None:
    stage = Stage(receiver())
    rolled(stage, "1.1.0")
    other = Stage(receiver())
    other.world = stage.world
    other.world.run(5)
    other.webhooks.begin()
    other.look()
    async with other.running():
        for _ in range(50):
            await asyncio.sleep(0)
    assert other.sent == []


async def test_one_that_is_away_holds_up_no_other_and_is_tried_again_ever_more_seldom() -> None:
    def answers(asked: Receiver, _: int) -> Try:
        return Try("it answered 503") if asked.name == "ops" and stage.seconds < 2_000 else Try()

    stage = Stage(receiver(), receiver(name="other"), answers=answers)
    stage.webhooks.begin()
    stage.look()
    rolled(stage, "1.1.0")
    async with stage.running():
        await stage.until(lambda: stage.counts.left == {"ops": 0, "other": 0})
    assert stage.waited[1:4] == [1.0, 2.0, 4.0]
    assert max(stage.waited) == LONGEST
    assert {message for name, message in stage.sent if name == "other"} == {
        message for name, message in stage.sent if name == "ops"
    }
    assert stage.counts.outcomes["ops", "sent"] == stage.counts.outcomes["other", "sent"] > 0


async def test_a_receiver_says_how_long_to_wait_and_is_not_believed_for_ever() -> None:
    outcomes = [Try("it answered 429", after=77.0), Try("it answered 429", after=1e9), Try()]
    stage = Stage(receiver(), answers=lambda _, number: outcomes[number - 1])
    stage.webhooks._put(stage.webhooks._rows[0], message(receiver(), entry()))
    async with stage.running():
        await stage.until(lambda: stage.counts.left["ops"] == 0)
    assert stage.waited[1:] == [77.0, LONGEST]


@pytest.mark.parametrize(("problem", "outcome"), [(Try("no", final=True), "refused"), (Try("away"), "dropped")])
async def test_what_will_never_be_taken_is_left_and_the_next_is_told(problem: Try, outcome: str) -> None:
    first = message(receiver(), entry())
    stage = Stage(receiver(), answers=lambda *_: problem if stage.sent[-1][1] == first else Try())
    row = stage.webhooks._rows[0]
    stage.webhooks._put(row, first)
    stage.webhooks._put(row, message(receiver(), entry("removed")))
    async with stage.running():
        await stage.until(lambda: stage.counts.left["ops"] == 0)
    assert stage.counts.outcomes == {("ops", outcome): 1, ("ops", "sent"): 1}
    assert stage.seconds < GIVEN_UP + LONGEST


async def test_a_bug_in_telling_one_receiver_ends_the_telling_of_none() -> None:
    def answers(asked: Receiver, number: int) -> Try:
        if asked.name == "ops" and number < 4:
            raise OverflowError("no receiver should be able to do that")
        return Try()

    stage = Stage(receiver(), receiver(name="other"), answers=answers)
    for row in stage.webhooks._rows:
        stage.webhooks._put(row, message(receiver(), entry()))
    async with stage.running():
        await stage.until(lambda: stage.counts.left == {"ops": 0, "other": 0})
    assert stage.counts.outcomes == {("ops", "sent"): 1, ("other", "sent"): 1}


async def test_a_gate_that_has_answered_is_not_told_again_by_who_leads_next() -> None:
    """The status has no time of an answer: who sees it first cannot take it for news."""
    gate = GateStatus(job="gate", verdict="Inconclusive", reason="NotDecided")
    at = serving().now
    rollout = RolloutStatus(
        version="1.1.0", revision="v1-1", color="green", stage="AtGate", started_at=at, since=at,
        steps=(StepStatus(kind="Quality", began=at, gate=gate),),
    )  # fmt: skip
    stage = Stage(receiver(tell=["gate"]))
    stage.world.run(5)
    stage.webhooks.begin()
    stage.models.saw(MODEL, UID, ModelDeploymentStatus(rollout=rollout))
    assert not stage.webhooks._rows[0].messages
    answered = rollout.model_copy(
        update={"steps": (rollout.steps[0].model_copy(update={"gate": gate.model_copy(update={"verdict": "Pass"})}),)}
    )
    stage.models.saw(MODEL, UID, ModelDeploymentStatus(rollout=answered))
    assert len(stage.webhooks._rows[0].messages) == 1


async def test_a_row_is_bounded_and_the_oldest_goes() -> None:
    stage = Stage(receiver())
    row = stage.webhooks._rows[0]
    for number in range(WAITING + 7):
        stage.webhooks._put(row, message(receiver(), entry("pod", pod=f"p{number}")))
    assert stage.counts.outcomes == {("ops", "dropped"): 7}
    assert stage.counts.left == {"ops": WAITING}
    async with stage.running():
        await stage.until(lambda: stage.counts.left["ops"] == 0)
    assert '"pod":"p7"' in stage.told()[0]


async def test_a_row_is_bounded_in_bytes_too() -> None:
    stage = Stage(receiver())
    row = stage.webhooks._rows[0]
    for number in range(12):
        stage.webhooks._put(row, message(receiver(), entry("pod", pod=str(number) * (MOST_BYTES // 8))))
    assert row.size <= MOST_BYTES
    assert stage.counts.outcomes["ops", "dropped"] == 12 - len(row.messages) > 0
    async with stage.running():
        await stage.until(lambda: stage.counts.left["ops"] == 0)
        stage.webhooks._put(row, message(receiver(), entry("pod", pod="p" * (MOST_BYTES + 1))))
        assert row.size == 0
        for _ in range(5):
            await asyncio.sleep(0)
        stage.webhooks._put(row, message(receiver(), entry("removed")))
        await stage.until(lambda: "service.removed" in stage.told()[-1])


@asynccontextmanager
async def listening(answer: Callable[[web.Request, bytes], web.StreamResponse]) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request, await request.read())

    app = web.Application()
    app.router.add_post("/hook", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


async def test_a_real_receiver_checks_the_signature_by_the_standard_s_library() -> None:
    had: list[object] = []

    def take(request: web.Request, body: bytes) -> web.StreamResponse:
        had.append(Webhook(KEY).verify(body, dict(request.headers)))
        return web.Response(status=204)

    async with listening(take) as url, aiohttp.ClientSession() as session:
        told = receiver(url=url)
        assert await post(session, told, message(told, entry()), time.time()) == Try()
    (event,) = had
    assert isinstance(event, dict)
    assert event["data"]["customData"] == {"version": "1.1.0"}


@pytest.mark.parametrize(
    ("status", "headers", "wanted"),
    [
        (500, {}, Try("it answered 500")),
        (503, {"retry-after": "120"}, Try("it answered 503", after=120.0)),
        (429, {"retry-after": "Sat, 28 Nov 2026 12:00:30 GMT"}, Try("it answered 429", after=30.0)),
        (429, {"retry-after": "soon"}, Try("it answered 429")),
        (503, {"retry-after": "Sat, 28 Nov 2026 12:00:30 +9999999999999999"}, Try("it answered 503")),
        (503, {"retry-after": "Sat, 99999999999999999999 Nov 2026 12:00:30 GMT"}, Try("it answered 503")),
        (410, {}, Try("it answered 410: it wants no more of this", final=True)),
        (404, {}, Try("it answered 404: check its address and its key", final=True)),
        (302, {"location": "/x"}, Try("it answered 302: give the address that it redirects to", final=True)),
    ],
)
async def test_what_a_receiver_answers(status: int, headers: dict[str, str], wanted: Try) -> None:
    async with (
        listening(lambda *_: web.Response(status=status, headers=headers)) as url,
        aiohttp.ClientSession() as session,
    ):
        told = receiver(url=url)
        assert await post(session, told, message(told, entry()), 1_795_867_200.0) == wanted


async def test_one_that_is_not_there_is_a_sentence_without_its_address() -> None:
    told = receiver(url="http://127.0.0.1:1/secret-path")
    async with aiohttp.ClientSession() as session:
        found = await post(session, told, message(told, entry()), 0.0)
    assert found.problem.startswith("it cannot be reached")
    assert "secret-path" not in found.problem
    assert not found.final
    assert SECONDS < LONGEST


@pytest.mark.parametrize("text", [None, "- {name: a}", "\udcff"])
async def test_a_file_that_cannot_be_used_is_an_error_in_the_log_and_keeps_no_operator_from_starting(
    text: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "webhooks.yaml"
    if text is not None:
        file.write_bytes(text.encode(errors="surrogateescape"))
    async with aiohttp.ClientSession() as session:
        assert webhooks(file, session, CollectorRegistry(), lambda: None) is None  # type: ignore[arg-type,return-value]
    assert "nobody is told of anything" in caplog.text
    assert "restart the operator" in caplog.text


async def test_metrics_name_the_receiver_and_what_became_of_its_messages(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    async with listening(lambda *_: web.Response()) as url, aiohttp.ClientSession() as session:
        file = tmp_path / "webhooks.yaml"
        file.write_text(f"- {{name: ops, url: '{url}', key: {KEY}}}\n")
        world = serving("1.0.0")
        made = webhooks(file, session, registry, lambda: world.now)
        assert made is not None
        made.begin()
        models = Statuses()
        models.follow(made)
        models.saw(MODEL, UID, world.status)
        models.gone(MODEL)
        task = asyncio.create_task(made.run())
        async with asyncio.timeout(PATIENCE):
            while b'verdigris_webhooks_total{outcome="sent",receiver="ops"} 1.0' not in generate_latest(registry):
                await asyncio.sleep(0.01)
        task.cancel()
    assert b'verdigris_webhooks_waiting{receiver="ops"} 0.0' in generate_latest(registry)
