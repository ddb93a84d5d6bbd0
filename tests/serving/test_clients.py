"""A published client that nobody here wrote, against the server as a process: what it sends, we understand."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient import http as tritonclient

from tests.serving.support import ServerProcess, contents, server, write_artifact
from verdigris_serving.model.linear import LinearModel

ROWS = np.array([[120.0, 80.0, 40.0], [np.nan, 80.0, 40.0]])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("clients")
    write_artifact(folder / "model.vmodel", centers=(115.0, 4.0, 35.0))
    with server(folder) as process:
        yield process


@pytest.fixture
def client(running: ServerProcess) -> Iterator[Any]:
    connection = tritonclient.InferenceServerClient(f"127.0.0.1:{running.port}")
    yield connection
    connection.close()


def tensor(name: str, values: Any, datatype: str, *, binary: bool = True) -> Any:
    made = tritonclient.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def expected(row: list[float | None]) -> list[float]:
    """What the model itself gives, without protocol or transport."""
    return LinearModel(contents().model).scores(row)


def test_the_client_finds_the_server_and_the_model(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("demo")
    assert client.is_model_ready("demo", "1.0.0")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data", "verdigris_shield"]
    assert [given["name"] for given in client.get_model_metadata("demo")["inputs"]] == ["glucose", "insulin", "age"]


def test_rows_in_binary_are_answered_in_binary(client: Any) -> None:
    answer = client.infer("demo", [tensor("features", ROWS, "FP64")])

    assert answer.as_numpy("label").dtype == np.int64
    assert answer.as_numpy("probabilities").tolist() == [expected([120.0, 80.0, 40.0]), expected([None, 80.0, 40.0])]
    assert "data" not in answer.get_output("probabilities")


def test_rows_in_json_are_answered_as_asked(client: Any) -> None:
    wanted = [
        tritonclient.InferRequestedOutput("explanation"),
        tritonclient.InferRequestedOutput("probabilities", binary_data=False),
    ]
    rows = [tensor("features", ROWS[:1], "FP64", binary=False)]
    answer = client.infer("demo", rows, model_version="1.0.0", request_id="me", outputs=wanted)

    assert answer.get_response()["id"] == "me"
    assert answer.as_numpy("explanation").shape == (1, 3)
    assert answer.get_output("probabilities")["data"] == expected([120.0, 80.0, 40.0])


def test_a_tensor_a_feature_each_with_its_own_datatype(client: Any) -> None:
    columns = [
        tensor("age", np.array([[40]]), "INT64"),
        tensor("glucose", np.array([[120]], np.float32), "FP32"),
        tensor("insulin", np.array([[80]], np.uint8), "UINT8"),
    ]
    assert client.infer("demo", columns).as_numpy("probabilities").tolist() == [expected([120.0, 80.0, 40.0])]


def test_a_refusal_reaches_whoever_uses_the_client(client: Any) -> None:
    with pytest.raises(Exception, match=r'\[400\] feature "insulin", row 1: below 0'):
        client.infer("demo", [tensor("features", np.array([[120.0, 80.0, 40.0], [120.0, -1.0, 40.0]]), "FP64")])
