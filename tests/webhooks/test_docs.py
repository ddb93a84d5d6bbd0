"""The receiver of docs/webhooks.md takes what is signed for it, and nothing else."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.evidence.conftest import free_port
from tests.webhooks.samples import KEY, entry, receiver
from verdigris.adapters.webhooks.post import Try, post
from verdigris.webhooks.message import message

PAGE = Path(__file__).resolve().parents[2] / "docs/webhooks.md"
PATIENCE = 30.0


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The receiver as the page has it, as a process, and what it has printed afterwards in said.txt."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "receiver.py").write_text(code)
    port = free_port()
    environment = {**os.environ, "KEY": KEY, "PORT": str(port)}
    with (tmp_path / "said.txt").open("w") as said:
        process = subprocess.Popen([sys.executable, tmp_path / "receiver.py"], env=environment, stdout=said)
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the receiver does not listen"
            time.sleep(0.05)
        else:
            return


async def test_the_receiver_of_the_page_takes_what_is_signed_and_refuses_what_is_not(url: str, tmp_path: Path) -> None:
    ours, other = receiver(url=url), receiver(url=url, key=f"whsec_{'A' * 40}")
    async with aiohttp.ClientSession() as session:
        assert await post(session, ours, message(ours, entry()), time.time()) == Try()
        refused = await post(session, other, message(other, entry()), time.time())
    assert (refused.problem, refused.final) == ("it answered 401: check its address and its key", True)
    (line,) = (tmp_path / "said.txt").read_text().splitlines()
    assert line == 'dev.cdevents.service.upgraded.0.2.0 clinic/diabetes {"version": "1.1.0"}'
