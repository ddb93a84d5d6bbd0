"""The gRPC port of a server process, as a published client that nobody here wrote meets it."""

import json
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient import grpc as tritonclient
from tritonclient.grpc import service_pb2 as theirs
from tritonclient.utils import InferenceServerException

from dev.cluster.patience import stretched
from tests.serving.support import (
    PATIENCE,
    ServerProcess,
    contents,
    eventually,
    server,
    start,
    termination,
    write_artifact,
)
from tests.serving.test_grpc_messages import message, tensor
from verdigris_serving.model.linear import LinearModel

ROWS = np.array([[120.0, 80.0, 40.0], [np.nan, 80.0, 40.0]])
INFER = "/inference.GRPCInferenceService/ModelInfer"
BODY = message(tensor(fp64_contents=[120.0, 80.0, 40.0]))


@dataclass
class Running:
    """A server process, and where it answers over gRPC."""

    server: ServerProcess
    address: str

    def counted(self, code: int) -> float:
        return self.server.metric(f'verdigris_requests_total{{code="{code}"}}')

    def infer(self, body: bytes = BODY) -> bytes:
        """One call on a connection of its own. Raises grpc.RpcError."""
        with self.channel() as channel:
            answer: bytes = channel.unary_unary(INFER)(body, timeout=PATIENCE)
            return answer

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)])


@contextmanager
def serving(folder: Path, *, module: str = "verdigris_serving.server", **env: str) -> Iterator[Running]:
    with server(folder, module=module, VERDIGRIS_GRPC_PORT="0", **env) as process:
        log = process.process.stderr
        assert log is not None
        yield Running(process, f"127.0.0.1:{json.loads(log.readline())['grpc_port']}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("grpc")
    write_artifact(folder / "model.vmodel", function="log")
    with serving(folder, VERDIGRIS_MAX_BODY_MIB="1") as process:
        yield process


@pytest.fixture
def client(running: Running) -> Iterator[Any]:
    connection = tritonclient.InferenceServerClient(running.address)
    yield connection
    connection.close()


def features(values: Any, datatype: str = "FP64") -> Any:
    made = tritonclient.InferInput("features", list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def code_of(failure: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[grpc.StatusCode, str]:
    return failure.value.code(), failure.value.details()


def test_the_client_finds_the_server_and_the_model(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("demo")
    assert client.is_model_ready("demo", "1.0.0")
    assert client.get_server_metadata().name == "verdigris"
    described = client.get_model_metadata("demo")
    assert [(given.name, given.datatype) for given in described.inputs][2] == ("age", "INT64")
    assert [given.name for given in described.outputs] == ["label", "probabilities"]
    with pytest.raises(InferenceServerException, match=r'NOT_FOUND\] there is no version "9"'):
        client.get_model_metadata("demo", "9")


def test_rows_are_answered_as_the_model_answers_them_and_counted_as_over_http(running: Running, client: Any) -> None:
    before, timed = running.counted(200), running.server.metric("verdigris_request_duration_seconds_count")
    answer = client.infer("demo", [features(ROWS)], request_id="mine")

    model = LinearModel(contents(function="log").model)
    assert answer.get_response().id == "mine"
    assert answer.as_numpy("label").dtype == np.int64
    assert answer.as_numpy("probabilities").tolist() == [
        model.scores([120.0, 80.0, 40.0]),
        model.scores([None, 80, 40]),
    ]
    assert running.counted(200) == before + 1
    assert running.server.metric("verdigris_request_duration_seconds_count") == timed + 1


@pytest.mark.parametrize(
    ("body", "status", "code", "sentence"),
    [
        (message(tensor(fp64_contents=[1.0])), 400, grpc.StatusCode.INVALID_ARGUMENT, "1 values, but its shape says 3"),
        (message(tensor(), model_name="other"), 404, grpc.StatusCode.NOT_FOUND, 'there is no model "other"'),
        (message(tensor(fp64_contents=[120.0, 0.0, 40.0])), 500, grpc.StatusCode.INTERNAL, "internal error, id"),
    ],
)
def test_a_refusal_has_its_code_and_sentence_and_is_counted(
    running: Running, body: bytes, status: int, code: grpc.StatusCode, sentence: str
) -> None:
    before = running.counted(status)
    with pytest.raises(grpc.RpcError) as failure:
        running.infer(body)
    assert code_of(failure)[0] is code
    assert sentence in code_of(failure)[1]
    assert running.counted(status) == before + 1


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_beyond_the_limit_is_refused_packed_or_not(running: Running, compression: grpc.Compression) -> None:
    large = message(tensor(shape=(20_000_000, 3)), raw=(bytes(20_000_000),))
    with running.channel() as channel, pytest.raises(grpc.RpcError) as failure:
        channel.unary_unary(INFER)(large, timeout=PATIENCE, compression=compression)
    assert code_of(failure)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert running.infer()


def test_a_call_that_is_none_of_the_protocols_is_not_known(running: Running) -> None:
    with running.channel() as channel, pytest.raises(grpc.RpcError) as failure:
        channel.unary_unary("/inference.GRPCInferenceService/ModelLoad")(b"", timeout=PATIENCE)
    assert code_of(failure)[0] is grpc.StatusCode.UNIMPLEMENTED


def test_nobody_stays_on_a_connection_and_nobody_loses_a_call_by_it(running: Running) -> None:
    states: list[grpc.ChannelConnectivity] = []
    with running.channel() as channel:
        channel.subscribe(states.append)
        ask = channel.unary_unary(INFER)
        # A client that never rests is told to go, too.
        while states.count(grpc.ChannelConnectivity.READY) < 3:
            assert ask(BODY, timeout=PATIENCE)
    assert grpc.ChannelConnectivity.TRANSIENT_FAILURE not in states


def test_who_finds_no_room_is_turned_away_and_who_is_under_way_at_the_end_is_told(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    stuck = {"TEST_GATE": str(tmp_path / "gate"), "VERDIGRIS_CONCURRENCY": "1", "VERDIGRIS_QUEUE": "1"}
    grace = stretched(2.0)
    with (
        serving(tmp_path, module="tests.serving.tuned_server", VERDIGRIS_GRACE=str(grace), **stuck) as slow,
        ThreadPoolExecutor(2) as clients,
    ):
        under_way = [clients.submit(slow.infer) for _ in range(2)]
        eventually(lambda: slow.server.metric("verdigris_requests_in_flight") == 2, "two are in a thread or wait")
        with pytest.raises(grpc.RpcError) as failure:
            slow.infer()
        assert code_of(failure)[0] is grpc.StatusCode.UNAVAILABLE
        assert "too many inferences are waiting" in code_of(failure)[1]
        assert slow.counted(503) == slow.server.metric('verdigris_rejected_total{reason="queue"}') == 1

        slow.server.process.send_signal(signal.SIGTERM)
        for call in under_way:
            with pytest.raises(grpc.RpcError) as failure:
                call.result()
            assert code_of(failure)[0] is grpc.StatusCode.UNAVAILABLE
            assert "the server is stopping" in code_of(failure)[1]
        assert slow.server.process.wait(timeout=PATIENCE) == 0


def test_what_is_under_way_when_the_server_is_told_to_stop_is_answered(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    gate = tmp_path / "gate"
    with (
        serving(tmp_path, module="tests.serving.tuned_server", TEST_GATE=str(gate), VERDIGRIS_GRACE="60") as slow,
        ThreadPoolExecutor(1) as clients,
    ):
        call = clients.submit(slow.infer)
        eventually(lambda: slow.server.metric("verdigris_requests_in_flight") == 1, "it is in a thread")
        slow.server.process.send_signal(signal.SIGTERM)
        log = slow.server.process.stderr
        assert log is not None
        assert re.search("stopping", log.readline())
        gate.touch()
        assert theirs.ModelInferResponse.FromString(call.result()).model_name == "demo"
        assert slow.server.process.wait(timeout=PATIENCE) == 0


def test_a_client_that_leaves_gives_its_place_back(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    gate = tmp_path / "gate"
    stuck = {"TEST_GATE": str(gate), "VERDIGRIS_CONCURRENCY": "1", "VERDIGRIS_QUEUE": "1"}
    with serving(tmp_path, module="tests.serving.tuned_server", **stuck) as slow, slow.channel() as channel:
        in_flight = "verdigris_requests_in_flight"
        calls = [channel.unary_unary(INFER).future(BODY, timeout=PATIENCE) for _ in range(2)]
        eventually(lambda: slow.server.metric(in_flight) == 2, "two are in a thread or wait")
        for call in calls:
            call.cancel()
        gate.touch()
        eventually(lambda: slow.server.metric(in_flight) == 0, "both places are free")
        assert slow.infer()
        assert slow.counted(200) == 1


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = start(
            "verdigris_serving.server",
            tmp_path,
            VERDIGRIS_MODEL_PATH=str(tmp_path / "model.vmodel"),
            VERDIGRIS_PORT="0",
            VERDIGRIS_GRPC_PORT=port,
        )
        assert process.wait(timeout=PATIENCE) == 1
        process.communicate()
    left = termination(tmp_path)
    assert left["reason"] == "SettingsInvalid"
    assert f"port {port} cannot be listened on" in left["message"]
    assert "VERDIGRIS_GRPC_PORT" in left["message"]


def test_an_image_without_grpc_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_artifact(tmp_path / "model.vmodel")
    (tmp_path / "grpc.py").write_text("raise ModuleNotFoundError(name='grpc')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    process = start(
        "verdigris_serving.server",
        tmp_path,
        VERDIGRIS_MODEL_PATH=str(tmp_path / "model.vmodel"),
        VERDIGRIS_PORT="0",
        VERDIGRIS_GRPC_PORT="0",
    )
    assert process.wait(timeout=PATIENCE) == 1
    process.communicate()
    assert "there is no package grpc here: take an image for gRPC" in termination(tmp_path)["message"]
