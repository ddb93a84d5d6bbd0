"""`python -m tests.web.bench` (`make bench-page`): 500 models, the first paint, and what ten more viewers cost.

The page runs as in a cluster, as a process of its own, over the API server of the tests; a model changes each second. A
viewer signs in, loads the list, listens, and loads it again at each change. The first paint is Chromium's own, from a
click to the first content, where there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from selenium.webdriver.common.by import By

from tests.web import chromium
from tests.web.scenes import many
from tests.web.stub_api import OWN, StubApi, served
from tests.web.test_incluster import Visitor

TOKENS = {f"token-of-{place:02}": f"person-{place:02}" for place in range(12)}
TOKEN = min(TOKENS)
PAINT_MOST_S, VIEWERS_MOST_MIB = 1.0, 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report: 0 when both bars are kept, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.web.bench", description=__doc__)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30.0, help="that each number of viewers looks")
    parser.add_argument("--rounds", type=int, default=5, help="first paints; the report has their median")
    parser.add_argument("--out", type=Path, default=Path("out/bench/page.json"))
    given = parser.parse_args(arguments)
    found = asyncio.run(measured(given))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name, value in found.items():
        print(f"{name:28} {value}")
    kept = (found["first_paint_s"] or found["answer_s"]) <= PAINT_MOST_S
    return 0 if kept and found["ten_more_viewers_mib"] <= VIEWERS_MOST_MIB else 1


async def measured(given: argparse.Namespace) -> dict[str, Any]:
    """The report."""
    api = StubApi(people=TOKENS, rights={name: {("list", "modeldeployments", "")} for name in TOKENS.values()})
    for model in many(given.models):
        api.put(model)
    async with served(api) as server, page(server) as (address, pid), aiohttp.ClientSession() as session:
        changing = asyncio.create_task(_changing(api))
        viewer = await _signed_in(session, address, TOKEN)
        times, size = await _answers(viewer, given.rounds)
        one = await _looking(session, address, pid, 1, given.seconds)
        eleven = await _looking(session, address, pid, 11, given.seconds)
        changing.cancel()
        paints = await asyncio.to_thread(_paints, address, given.rounds)
    return {
        "models": given.models,
        "answer_s": round(statistics.median(times), 3),
        "page_bytes": size,
        "first_paint_s": round(statistics.median(paints), 3) if paints else None,
        "one_viewer_mib": round(one, 1),
        "eleven_viewers_mib": round(eleven, 1),
        "ten_more_viewers_mib": round(eleven - one, 1),
    }


@asynccontextmanager
async def page(server: str) -> AsyncIterator[tuple[str, int]]:
    """The page as a process: its address, as by port-forward, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "kubeconfig"
        config.write_text(json.dumps(kubeconfig(server)))
        port = _free()
        environment = {**os.environ, "KUBECONFIG": str(config), "VERDIGRIS_PORT": str(port)}
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "verdigris.web.incluster", env=environment)
        try:
            await _listening(port)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            await process.wait()


def kubeconfig(server: str) -> dict[str, Any]:
    """Of the page's own account."""
    return {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": server}}],
        "users": [{"name": "x", "user": {"token": OWN}}],
    }


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def _listening(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def _changing(api: StubApi) -> None:
    models = list(api.models.values())
    number = 1000
    while True:
        model = models[number % len(models)]
        api.put({**model, "metadata": {**model["metadata"], "resourceVersion": str(number)}})
        number += 1
        await asyncio.sleep(1.0)


async def _signed_in(session: aiohttp.ClientSession, address: str, token: str) -> Visitor:
    made = Visitor(session, address, address.removeprefix("http://"))
    assert await made.sign_in(token) == 303
    return made


async def _answers(viewer: Visitor, rounds: int) -> tuple[list[float], int]:
    times, size = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        status, _, body = await viewer.ask("GET", "/")
        times.append(time.perf_counter() - began)
        assert status == 200
        size = len(body.encode())
    return times, size


async def _looking(session: aiohttp.ClientSession, address: str, pid: int, number: int, seconds: float) -> float:
    """The most memory that the page had while so many looked, in MiB."""
    viewers = [asyncio.create_task(_view(session, address, token)) for token in sorted(TOKENS)[:number]]
    most, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(0.1)
        most = max(most, _resident(pid))
        for one in viewers:
            if one.done():
                one.result()
    for one in viewers:
        one.cancel()
    await asyncio.gather(*viewers, return_exceptions=True)
    return most


async def _view(session: aiohttp.ClientSession, address: str, token: str) -> None:
    viewer = await _signed_in(session, address, token)
    await viewer.ask("GET", "/")
    cookie = "; ".join(f"{name}={value}" for name, value in viewer.cookies.items())
    headers = {"Host": viewer.host, "Cookie": cookie}
    async with session.get(f"{address}/events", headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as stream:
        assert stream.status == 200
        async for line in stream.content:
            if line == b"event: changed\n":
                await viewer.ask("GET", "/")


def _resident(pid: int) -> float:
    words = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _paints(address: str, rounds: int) -> list[float]:
    """Seconds from a navigation to its first contentful paint; none where there is no Chromium."""
    if chromium.why_not():
        print(f"No first paint: {chromium.why_not()}.", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder, chromium.browser(Path(folder) / "profile") as driver:
        driver.get(f"{address}/login")
        driver.find_element(By.ID, "token").send_keys(TOKEN)
        driver.find_element(By.TAG_NAME, "button").click()
        found = []
        for _ in range(rounds):
            driver.get(f"{address}/")
            told = driver.execute_async_script(
                "const done = arguments[0]; new PerformanceObserver((list) => done(list.getEntries()[0].startTime))"
                ".observe({type: 'paint', buffered: true});"
            )
            assert "models in" in driver.find_element(By.TAG_NAME, "main").text
            found.append(float(told) / 1000)
        return found


if __name__ == "__main__":
    sys.exit(main())
