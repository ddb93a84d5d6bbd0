"""The load gate: what it measures, what it makes of it, and whom it spares."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.gates.asking import artifact, ask, file
from tests.serving.gates.stand_in import CLOSE, http, stand_in
from tests.serving.support import server, write_artifact
from verdigris_serving.gate.config import Artifact, Load
from verdigris_serving.gate.generator import Run
from verdigris_serving.gate.guard import WINDOW, Watch
from verdigris_serving.gate.latencies import Latencies
from verdigris_serving.gate.load import judge
from verdigris_serving.gate.result import Verdict

Behaviour = Callable[[bytes], Awaitable[bytes | None]]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test model."""
    path = tmp_path_factory.mktemp("load") / "model.vmodel"
    artifact(path)
    return path


def asked(path: Path, url: str, **more: Any) -> dict[str, Any]:
    """A document of the load gate."""
    return {"model": file(path), "url": url, "connections": 5, "forSeconds": 1.0, **more}


def seen(values: Any, limits: tuple[float, ...] = (0.1,), seconds: float = 30.0) -> Latencies:
    """Latencies that came evenly over a run."""
    latencies = Latencies(limits, seconds)
    for number, value in enumerate(values):
        latencies.add(float(value), seconds * number / len(values))
    return latencies


def test_percentiles_are_numpys_to_one_percent_in_the_same_memory() -> None:
    values = np.random.default_rng(1).lognormal(-4, 1, 20_000)
    latencies = seen(values)
    size = len(latencies._buckets)
    for share in (0.01, 0.5, 0.95, 0.99):
        assert latencies.quantile(share) == pytest.approx(np.quantile(values, share), rel=0.011)
    seen(values[:10])
    assert size == len(seen([])._buckets) < 3_000
    assert latencies.quantile(1.0) == float("inf")
    assert seen([1e-9, 1e9]).quantile(0.5) < 2e-5


def test_the_upper_limit_keeps_the_threshold_only_if_few_enough_are_slower() -> None:
    fast = seen([0.05] * 960 + [0.2] * 40).percentile(0.95, 0.1)
    assert fast.value < 0.06
    assert fast.limits(0.05)[1] > 0.1, "4 % of 1,000 may be 5 % in truth"
    many = seen(([0.05] * 96 + [0.2] * 4) * 100).percentile(0.95, 0.1)
    assert many.limits(0.05)[1] < 0.1, "of 10,000 they are fewer"


def test_answers_that_are_slow_together_are_worth_less() -> None:
    apart = seen(([0.05] * 97 + [0.2] * 3) * 100)
    together = seen([0.05] * 4_700 + [0.2] * 300 + [0.05] * 5_000)
    assert apart.quantile(0.95) == together.quantile(0.95)
    assert apart.percentile(0.95, 0.1).limits(0.05)[1] < 0.1
    assert together.percentile(0.95, 0.1).limits(0.05)[1] > 0.1


def ran(values: Any = (0.05,) * 1_000, late: float = 0.001, seconds: float = 30.0, **more: Any) -> Run:
    """A run that is over."""
    latencies = seen(list(values), (0.1, 0.2), seconds)
    return Run(latencies, asked=len(values), seconds=seconds, late=late, **more)


def wanted(**more: Any) -> Load:
    """A document, without the files."""
    return Load(Artifact("file:///m", "0" * 64), "http://h", **more)


SLOW, FAST = [0.3] * 1_000, [0.05] * 1_000
RULED: list[tuple[str, Load, Run, list[Verdict]]] = [
    ("fast enough", wanted(p95_seconds=0.1, p99_seconds=0.2), ran(FAST), [Verdict.PASS] * 3),
    ("too slow", wanted(p95_seconds=0.1), ran(SLOW), [Verdict.PASS, Verdict.FAIL]),
    ("few answers", wanted(p95_seconds=0.1), ran(FAST[:20]), [Verdict.PASS, Verdict.INCONCLUSIVE]),
    ("no answer", wanted(p95_seconds=0.1), ran([]), [Verdict.PASS, Verdict.INCONCLUSIVE]),
    ("the generator was late", wanted(p95_seconds=0.1), ran(SLOW, late=0.12), [Verdict.PASS, Verdict.INCONCLUSIVE]),
    ("late, and yet too slow", wanted(p95_seconds=0.1), ran(SLOW, late=0.08), [Verdict.PASS, Verdict.FAIL]),
    ("an error", wanted(), ran(FAST, errors=Counter({"it was answered 503": 1})), [Verdict.FAIL]),
    ("errors allowed", wanted(max_errors=2), ran(FAST, errors=Counter({"503": 2})), [Verdict.PASS]),
    ("rate kept", wanted(min_rate=30.0), ran(FAST), [Verdict.PASS, Verdict.PASS]),
    ("rate missed", wanted(min_rate=40.0), ran(FAST), [Verdict.PASS, Verdict.FAIL]),
    ("by the generator", wanted(min_rate=40.0), ran(FAST, late=0.02), [Verdict.PASS, Verdict.INCONCLUSIVE]),
    ("by value", wanted(p95_seconds=0.1, confidence="point"), ran(FAST[:20]), [Verdict.PASS, Verdict.PASS]),
    ("stopped", wanted(p95_seconds=0.1), ran(SLOW, stopped="it suffers"), [Verdict.INCONCLUSIVE]),
]


@pytest.mark.parametrize(("config", "run", "verdicts"), [each[1:] for each in RULED], ids=[each[0] for each in RULED])
def test_what_is_made_of_a_run(config: Load, run: Run, verdicts: list[Verdict]) -> None:
    assert [check.verdict for check in judge(config, run)] == verdicts


def test_a_real_server_bears_a_thousand_connections(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    with server(tmp_path) as process:
        document = asked(tmp_path / "model.vmodel", f"http://127.0.0.1:{process.port}", connections=1_000, rate=300)
        answer = ask("load", {**document, "forSeconds": 2.0})
    assert answer.told == ("Pass", "Passed", 0), answer.result.message
    load = answer.result.load
    assert load.asked == load.answered == 600  # type: ignore[union-attr]


def pausing(pause: float) -> Behaviour:
    """Answers at once, but stands still for ``pause`` seconds, once, a third of a second after its first request."""
    began: list[float] = []

    async def behaviour(_request: bytes) -> bytes:
        began[:] = began or [time.monotonic()]
        if 0 <= time.monotonic() - began[0] - 0.3 < pause:
            await asyncio.sleep(began[0] + 0.3 + pause - time.monotonic())
        return http(200)

    return behaviour


def test_what_a_standstill_keeps_back_is_charged_to_it(model_file: Path) -> None:
    with stand_in(pausing(1.0)) as url:
        answer = ask("load", asked(model_file, url, rate=200, forSeconds=2.0, p95Seconds=0.3))
    assert answer.told == ("Fail", "ThresholdMissed", 10)
    load = answer.result.load
    assert load.asked == load.answered == 400  # type: ignore[union-attr]
    assert load.p95_seconds > 0.5, "a third of all were due while it stood still"  # type: ignore[union-attr,operator]


def test_without_a_rate_each_connection_asks_again_when_it_is_answered(model_file: Path) -> None:
    with stand_in(pausing(1.0)) as url:
        load = ask("load", asked(model_file, url, forSeconds=2.0)).result.load
    assert load.answered > 100  # type: ignore[union-attr]
    assert load.p50_seconds < 0.3, "5 of them waited, and no more were asked meanwhile"  # type: ignore[union-attr,operator]


@pytest.mark.parametrize(
    ("answer", "what"),
    [(http(503), "it was answered 503"), (http(400), "it was answered 400"), (None, "closed without an answer")],
)
def test_what_is_no_good_answer_is_an_error(answer: bytes | None, what: str, model_file: Path) -> None:
    async def behaviour(_request: bytes) -> bytes | None:
        return answer

    with stand_in(behaviour) as url:
        found = ask("load", asked(model_file, url, rate=50))
    assert found.told == ("Fail", "ThresholdMissed", 10)
    assert what in found.result.message
    assert sum(found.result.load.errors.values()) >= 45  # type: ignore[union-attr]


def test_a_server_that_hangs_fails_at_the_end(model_file: Path) -> None:
    async def behaviour(_request: bytes) -> bytes | None:
        await asyncio.Event().wait()
        return None

    with stand_in(behaviour) as url:
        found = ask("load", asked(model_file, url, answerSeconds=0.3))
    assert found.told == ("Fail", "ThresholdMissed", 10)
    assert "there was no answer within 0.3 s" in found.result.message


def test_a_server_that_is_not_there_is_no_verdict(model_file: Path) -> None:
    found = ask("load", asked(model_file, "http://127.0.0.1:9"))
    assert found.told == ("Inconclusive", "Unreachable", 11)


@pytest.fixture
def shared() -> tuple[Behaviour, Behaviour]:
    """The version under load, and an active one that is slow as long as the other one has been asked lately."""
    last = [0.0]

    async def candidate(_request: bytes) -> bytes:
        last[0] = time.monotonic()
        return http(200)

    async def active(_request: bytes) -> bytes:
        if time.monotonic() - last[0] < 0.5:
            await asyncio.sleep(0.2)
        return http(200)

    return candidate, active


def test_the_load_stops_when_the_active_version_suffers(shared: tuple[Behaviour, Behaviour], model_file: Path) -> None:
    with stand_in(shared[0]) as url, stand_in(shared[1]) as active:
        guard = {"url": active, "p95Seconds": 0.15}
        found = ask("load", asked(model_file, url, rate=50, forSeconds=120.0, p95Seconds=0.001, guard=guard))
    assert found.told == ("Inconclusive", "ActiveSuffered", 11)
    assert "the active version's p95 rose from" in found.result.message
    assert found.result.load.seconds < 100  # type: ignore[union-attr]


def test_without_an_active_version_to_watch_nothing_is_loaded(model_file: Path) -> None:
    with stand_in(pausing(0.0)) as url:
        found = ask("load", asked(model_file, url, guard={"url": "http://127.0.0.1:9"}))
    assert found.told == ("Inconclusive", "ActiveNotReached", 11)


@pytest.mark.parametrize(
    ("before", "during", "limit", "suffers"),
    [
        ([0.01] * WINDOW, [0.01] * WINDOW, None, False),
        ([0.01] * WINDOW, [0.025] * WINDOW, None, False),
        ([0.01] * WINDOW, [0.035] * WINDOW, None, True),
        ([0.1] * WINDOW, [0.15] * WINDOW, None, False),
        ([0.1] * WINDOW, [0.25] * WINDOW, None, True),
        ([0.01] * WINDOW, [0.09] * WINDOW, 0.1, False),
        ([0.01] * WINDOW, [0.01] * (WINDOW - 4) + [-1] * 4, 0.1, True),
        ([0.01] * WINDOW, [0.01] * (WINDOW - 2) + [0.9] * 2, 0.1, False),
        ([0.01] * WINDOW, [0.9] * (WINDOW - 1), 0.1, False),
    ],
)
def test_when_the_active_version_suffers(
    before: list[float], during: list[float], limit: float | None, suffers: bool
) -> None:
    watch = Watch(limit)
    for took in before:
        watch.add(took)
    watch.begin()
    for took in during:
        watch.add(took)
    assert bool(watch.suffering()) is suffers


@pytest.mark.parametrize("more", [{"rate": 200}, {}], ids=["at a rate", "without"])
def test_a_server_that_ends_its_connections_now_and_then_makes_no_error(more: dict[str, Any], model_file: Path) -> None:
    asked_of = Counter[str]()

    async def behaviour(_request: bytes) -> bytes:
        asked_of["all"] += 1
        if asked_of["all"] % 7:
            return http(200)
        # Said in no header: a client finds it out with its next request.
        return http(200) + CLOSE

    with stand_in(behaviour) as url:
        found = ask("load", asked(model_file, url, **more))
    assert found.told == ("Pass", "Passed", 0), found.result.message
    load = found.result.load
    assert load.asked == load.answered > 100  # type: ignore[union-attr]
