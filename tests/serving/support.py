"""Artifacts made by hand, and the server as a real process. Nothing here needs scikit-learn."""

import hashlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from dev.cluster.patience import hold_out
from verdigris_serving.artifact.archive import Contents, write_archive
from verdigris_serving.artifact.verify import Expectation, verify_bytes
from verdigris_serving.model.linear import LinearModel
from verdigris_serving.model.schema import Equivalence, Feature, GoldenRows, LinearSpec, Manifest, Row, Term
from verdigris_serving.protocol.service import InferenceService, Observer

FEATURES = [
    Feature("glucose", nullable=True, minimum=0.0, maximum=1_000.0),
    Feature("insulin", minimum=0.0, maximum=2_000.0),
    Feature("age", datatype="INT64"),
]
#: A row that every variant of the test model answers.
ROW: Row = [120.0, 80.0, 40.0]
#: Seconds to wait for something that takes milliseconds: only a broken test gets near it.
PATIENCE = 60.0


def contents(
    *,
    version: str = "1.0.0",
    function: Any = "log1p",
    name: str = "demo",
    wrong_golden: bool = False,
    features: list[Feature] = FEATURES,
    centers: tuple[float | None, float | None, float | None] = (None, None, None),
) -> Contents:
    """A small binary model; ``function`` (``log``: no answer to insulin 0) is applied to insulin."""
    spec = LinearSpec(
        "logistic",
        [-3.0],
        [
            Term(0, "identity", [0.02], missing=115.0, center=centers[0]),
            Term(1, function, [0.1], missing=None, center=centers[1]),
            Term(2, "identity", [0.01], missing=None, center=centers[2]),
        ],
    )
    manifest = Manifest(
        schema=1,
        name=name,
        version=version,
        format="linear",
        task="classification",
        features=features,
        classes=[0, 1],
        threshold=0.5,
        equivalence=Equivalence(1, 0.0),
        libraries={},
    )
    expected = LinearModel(spec).scores(ROW)
    if wrong_golden:
        expected = [value + 0.01 for value in expected]
    return Contents(manifest, spec, GoldenRows([ROW], [expected], 1e-6))


def write_artifact(path: Path, **variant: Any) -> str:
    """Write the test model (see ``contents``) to ``path``; return its SHA-256."""
    data = write_archive(contents(**variant))
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def service(observe: Observer | None = None, **variant: Any) -> InferenceService:
    """The protocol over the test model, without any transport."""
    return InferenceService(verify_bytes(write_archive(contents(**variant)), Expectation(), where="test"), observe)


def request_body(rows: list[Row] | None = None, **fields: Any) -> bytes:
    """A sound request for the test model, one tensor."""
    rows = rows or [ROW]
    data = [value for row in rows for value in row]
    tensor = {"name": "features", "shape": [len(rows), 3], "datatype": "FP64", "data": data}
    return msgspec.json.encode({"inputs": [tensor], **fields})


def eventually(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until ``condition`` holds; fail with ``what`` when it does not within ``patience`` seconds, stretched to
    this machine's pace."""
    began = time.monotonic()
    assert hold_out(condition, patience, every=0.01), f"not within {time.monotonic() - began:.0f} s: {what}"


@dataclass
class ServerProcess:
    """A server that has said it is ready."""

    process: subprocess.Popen[str]
    port: int
    traffic: Path
    shield: Path
    log: list[dict[str, Any]] = field(default_factory=list)

    def connect(self) -> http.client.HTTPConnection:
        """A new keep-alive connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def get(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of one request on its own connection."""
        connection = self.connect()
        try:
            return ask(connection, path, method, body)
        finally:
            connection.close()

    def infer(self, body: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
        """One inference request on its own connection."""
        return self.get("/v2/models/demo/infer", "POST", body or request_body())

    def metrics(self) -> dict[str, float]:
        """All series of one scrape, as they are spelt."""
        lines = self.get("/metrics")[2].decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def metric(self, line: str) -> float:
        """The value of the series that ``line`` spells, or -1 when it is not there."""
        return self.metrics().get(line, -1.0)


def ask(
    connection: http.client.HTTPConnection, path: str, method: str = "GET", body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request on an open connection."""
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


@contextmanager
def server(
    folder: Path,
    *,
    sha256: str = "",
    artifact: str = "model.vmodel",
    module: str = "verdigris_serving.server",
    **env: str,
) -> Iterator[ServerProcess]:
    """A server process on a free port for ``folder/artifact``, ended at the end."""
    traffic, shield = folder / "traffic", folder / "shield"
    process = start(
        module,
        folder,
        VERDIGRIS_MODEL_PATH=str(folder / artifact),
        VERDIGRIS_MODEL_SHA256=sha256,
        VERDIGRIS_PORT="0",
        VERDIGRIS_TRAFFIC_FILE=str(traffic),
        VERDIGRIS_SHIELD_FILE=str(shield),
        **env,
    )
    try:
        log = [json.loads(line) for line in _until_ready(process)]
        yield ServerProcess(process, log[-1]["port"], traffic, shield, log)
    finally:
        process.kill()
        process.communicate()


def rest_of_the_log(running: ServerProcess) -> str:
    """End the server; what it has logged since it was ready."""
    running.process.terminate()
    assert running.process.stderr is not None
    return running.process.stderr.read()


def start(module: str, folder: Path, **env: str) -> subprocess.Popen[str]:
    """``python -m module`` with ``env`` on top of ours; its termination message goes to ``folder/termination``."""
    termination = folder / "termination"
    termination.touch()
    whole = {**os.environ, "VERDIGRIS_TERMINATION_LOG": str(termination), **env}
    return subprocess.Popen([sys.executable, "-m", module], env=whole, stderr=subprocess.PIPE, text=True)


def _until_ready(process: subprocess.Popen[str]) -> Iterator[str]:
    stream: IO[str] | None = process.stderr
    assert stream is not None
    for line in stream:
        yield line
        if '"ready: ' in line:
            return
    raise AssertionError(f"the server ended with {process.wait()} before it was ready")


def termination(folder: Path) -> dict[str, str]:
    """The termination message that a process left."""
    message: dict[str, str] = json.loads((folder / "termination").read_text())
    return message
