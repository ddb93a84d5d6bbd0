"""The server as a process: what it refuses to start with, and what it answers over real connections."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving.support import (
    PATIENCE,
    ROW,
    ServerProcess,
    ask,
    eventually,
    request_body,
    server,
    start,
    termination,
    write_artifact,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    sha256 = write_artifact(folder / "model.vmodel", function="log")
    with server(folder, sha256=sha256) as process:
        yield process


def test_ready_is_said_once_the_golden_rows_have_passed(running: ServerProcess) -> None:
    line = running.log[-1]

    assert line["message"] == "ready: 1 golden rows pass"
    assert (line["model"], line["version"], len(line["sha256"])) == ("demo", "1.0.0", 64)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/health/ready/", {"ready": True}),
        ("/v2", {"name": "verdigris", "version": "0.1.0", "extensions": ["binary_tensor_data", "verdigris_shield"]}),
        ("/v2/models/demo/ready", {"name": "demo", "ready": True}),
        ("/v2/models/demo/versions/1.0.0/ready", {"name": "demo", "ready": True}),
    ],
)
def test_the_protocols_questions_are_answered(running: ServerProcess, path: str, expected: object) -> None:
    status, headers, body = running.get(path)

    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == expected


@pytest.mark.parametrize("path", ["/v2/models/demo", "/v2/models/demo/", "/v2/models/demo/versions/1.0.0"])
def test_the_metadata_names_the_features_in_order(running: ServerProcess, path: str) -> None:
    metadata = json.loads(running.get(path)[2])

    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("demo", ["1.0.0"], "verdigris_linear")
    assert [(i["name"], i["datatype"]) for i in metadata["inputs"]] == [
        ("glucose", "FP64"),
        ("insulin", "FP64"),
        ("age", "INT64"),
    ]
    assert [output["name"] for output in metadata["outputs"]] == ["label", "probabilities"]


def test_the_questions_of_kserve_v1_are_answered(running: ServerProcess) -> None:
    rows = json.dumps({"instances": [ROW, dict(zip(("glucose", "insulin", "age"), ROW, strict=True))]}).encode()

    assert json.loads(running.get("/v1/models")[2]) == {"models": ["demo"]}
    assert json.loads(running.get("/v1/models/demo")[2]) == {"name": "demo", "ready": True}
    assert json.loads(running.get("/v1/models/demo:predict", "POST", rows)[2]) == {"predictions": [1, 1]}
    assert running.get("/v1/models/demo:predict")[:2][1]["allow"] == "POST"
    status, _, body = running.get("/v1/models/other:predict", "POST", rows)
    assert (status, 'there is no model "other"' in json.loads(body)["error"]) == (404, True)


@pytest.mark.parametrize(
    "path", ["/v2/models/demo/infer", "/v2/models/demo/infer/", "/v2/models/demo/versions/1.0.0/infer"]
)
def test_a_row_is_inferred(running: ServerProcess, path: str) -> None:
    status, _, body = running.get(path, "POST", request_body(id="r-1"))

    assert status == 200
    assert json.loads(body)["id"] == "r-1"


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("POST", "/v2/models/other/infer", 404, 'no model "other"; this server has model "demo" in version "1.0.0"'),
        ("POST", "/v2/models/demo/versions/9.9.9/infer", 404, 'no version "9.9.9"'),
        ("GET", "/v2/models/demo/explain", 404, "no such path under /v2/models/demo"),
        ("GET", "/", 404, "no such path"),
        ("GET", "/v2/models/demo/infer", 405, "use POST"),
        ("DELETE", "/v2/health/ready", 405, "use GET"),
    ],
)
def test_a_wrong_path_or_method_says_what_is_right(
    running: ServerProcess, method: str, path: str, status: int, says: str
) -> None:
    answered, headers, body = running.get(path, method, b"{}" if method == "POST" else None)

    assert answered == status
    assert says in json.loads(body)["error"]
    assert ("allow" in headers) == (status == 405)


def test_a_models_fault_is_a_500_with_an_id_and_without_a_trace(running: ServerProcess) -> None:
    before = running.metric('verdigris_requests_total{code="500"}')
    status, _, body = running.infer(request_body([[120.0, 0.0, 40.0]], id="r-7"))

    assert status == 500
    assert json.loads(body)["error"] == "internal error, id r-7: the model's log has no finite value for an input"
    eventually(lambda: running.metric('verdigris_requests_total{code="500"}') == before + 1, "the 500 is counted")


def test_a_body_beyond_the_limit_is_refused_and_its_connection_closed(running: ServerProcess) -> None:
    status, headers, body = running.infer(b" " * (9 * 1024 * 1024))

    assert (status, headers["connection"]) == (413, "close")
    assert "larger than" in json.loads(body)["error"]


def test_a_large_batch_does_not_hold_up_the_probes(running: ServerProcess) -> None:
    rows = 250_000
    batch, slowest, began = request_body([ROW] * rows), 0.0, time.monotonic()
    with ThreadPoolExecutor(1) as clients:
        answer = clients.submit(running.infer, batch)
        while not answer.done():
            asked = time.monotonic()
            assert running.get("/v2/health/live")[0] == 200
            slowest = max(slowest, time.monotonic() - asked)
    took = time.monotonic() - began

    status, _, body = answer.result()
    assert status == 200
    assert json.loads(body)["outputs"][0]["shape"] == [rows]
    assert slowest < took / 2, "computed on the event loop, the batch would have made a probe wait for nearly all of it"


def test_a_client_that_leaves_halfway_harms_nobody(running: ServerProcess) -> None:
    for sent in (
        b"POST /v2/models/demo/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
        b"POST /v2",
        b"\x16\x03\x01",
    ):
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            connection.sendall(sent)

    assert running.infer()[0] == 200


def test_every_counter_is_there_at_zero_before_the_first_request(tmp_path: Path) -> None:
    sha256 = write_artifact(tmp_path / "model.vmodel")
    with server(tmp_path, sha256=sha256) as fresh:
        for code in (200, 400, 404, 500, 503):
            assert fresh.metric(f'verdigris_requests_total{{code="{code}"}}') == 0
        assert fresh.metric('verdigris_request_duration_seconds_bucket{le="0.1"}') == 0
        info = f'verdigris_model_info{{format="linear",name="demo",sha256="{sha256}",version="1.0.0"}}'
        assert fresh.metric(info) == 1

        for body in (request_body(), b"{}"):
            fresh.infer(body)
        fresh.get("/v2/models/other/infer", "POST", b"{}")

        eventually(lambda: fresh.metric("verdigris_request_duration_seconds_count") == 3, "three requests are counted")
        for code in (200, 400, 404):
            assert fresh.metric(f'verdigris_requests_total{{code="{code}"}}') == 1
        assert "_created" not in fresh.get("/metrics")[2].decode()


@pytest.mark.parametrize(
    ("variant", "env", "reason"),
    [
        ({}, {"VERDIGRIS_MODEL_SHA256": "0" * 64}, "ChecksumMismatch"),
        ({}, {"VERDIGRIS_MODEL_NAME": "other"}, "ModelMismatch"),
        ({"wrong_golden": True}, {}, "GoldenRowsFailed"),
        ({}, {"VERDIGRIS_MODEL_PATH": "/nowhere/model.vmodel"}, "ArtifactNotFound"),
        ({}, {"VERDIGRIS_PORT": "http"}, "SettingsInvalid"),
    ],
)
def test_a_server_that_must_not_serve_ends_with_the_reason(
    variant: dict[str, bool], env: dict[str, str], reason: str, tmp_path: Path
) -> None:
    write_artifact(tmp_path / "model.vmodel", **variant)
    environment = {"VERDIGRIS_MODEL_PATH": str(tmp_path / "model.vmodel"), "VERDIGRIS_PORT": "0", **env}
    process = start("verdigris_serving.server", tmp_path, **environment)
    process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert termination(tmp_path)["reason"] == reason


def test_a_port_that_is_taken_is_said_so(running: ServerProcess, tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    process = start(
        "verdigris_serving.server",
        tmp_path,
        VERDIGRIS_MODEL_PATH=str(tmp_path / "model.vmodel"),
        VERDIGRIS_PORT=str(running.port),
    )
    process.communicate(timeout=PATIENCE)

    assert f"port {running.port} cannot be listened on" in termination(tmp_path)["message"]


def test_what_serves_needs_neither_numpy_nor_scikit_learn() -> None:
    modules = ("server", "fetch", "artifact.cli")
    code = "import sys; " + "; ".join(f"import verdigris_serving.{name}" for name in modules) + "; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"numpy", "sklearn", "joblib"} & set(loaded)


def test_a_keep_alive_connection_answers_many_requests(running: ServerProcess) -> None:
    connection = running.connect()
    for _ in range(20):
        status, headers, _ = ask(connection, "/v2/models/demo/infer", "POST", request_body())
        assert (status, headers.get("connection")) == (200, None)
    connection.close()


def test_a_probe_that_comes_before_the_model_is_there_waits_for_its_answer(tmp_path: Path) -> None:
    write_artifact(tmp_path / "packed.vmodel")
    pipe = tmp_path / "model.vmodel"
    os.mkfifo(pipe)  # whoever reads it waits until somebody writes
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = start("verdigris_serving.server", tmp_path, VERDIGRIS_MODEL_PATH=str(pipe), VERDIGRIS_PORT=str(port))
    try:
        probe = connected(port)
        probe.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: here\r\n\r\n")
        pipe.write_bytes((tmp_path / "packed.vmodel").read_bytes())

        assert probe.recv(1024).startswith(b"HTTP/1.1 200 ")
    finally:
        process.kill()
        process.communicate()


def connected(port: int) -> socket.socket:
    """A connection to a process that is about to take the port."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "nobody has taken the port"
            time.sleep(0.005)
