"""Fetching a registered model from MLflow: answers in the shape of a real tracking server's, version 3.17."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.serving.artifact_host import (
    ArtifactHost,
    Behaviour,
    answers,
    artifact_host,
    first_then,
    sends,
)
from tests.serving.test_fetch import GOOD, LIMITS, SHA256
from verdigris_serving.fetching.stream import download
from verdigris_serving.reasons import Reason, ServingError

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
FOLDER = "1/b8248c73b355/artifacts/model"
FILE = f"{ARTIFACTS}/{FOLDER}/diabetes-1.0.0.vmodel"
SECRET = "never-to-be-seen"
LISTED = [
    {"path": "diabetes-1.0.0.vmodel", "is_dir": False, "file_size": len(GOOD)},
    {"path": "notes.txt", "is_dir": False, "file_size": 1},
    {"path": "old.vmodel", "is_dir": True},
]


def says(document: Any) -> Behaviour:
    return sends(json.dumps(document).encode())


def says_to(wanted: dict[str, str], document: Any, otherwise: Behaviour) -> Behaviour:
    """Answer this question with the document, and every other question otherwise."""

    def behave(request: Any, before: int) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        (says(document) if asked == wanted else otherwise)(request, before)

    return behave


def version(number: str = "7", status: str = "READY") -> dict[str, Any]:
    return {"model_version": {"name": "diabetes risk", "version": number, "current_stage": "None", "status": status}}


@pytest.fixture
def server() -> Iterator[ArtifactHost]:
    """`diabetes risk` version 7, which is the champion; its folder holds one artifact among other things."""
    unknown = answers(404, body=b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}')
    bad = answers(400, body=b'{"error_code": "INVALID_PARAMETER_VALUE"}')
    seven = {"name": "diabetes risk", "version": "7"}
    with artifact_host() as host:
        host.on(
            f"{API}/registered-models/alias",
            says_to({"name": "diabetes risk", "alias": "champion"}, version(), bad),
        )
        host.on(f"{API}/model-versions/get", says_to(seven, version(), unknown))
        host.on(
            f"{API}/model-versions/get-download-uri",
            says_to(seven, {"artifact_uri": f"mlflow-artifacts:/{FOLDER}"}, unknown),
        )
        host.on(ARTIFACTS, says_to({"path": FOLDER}, {"files": LISTED}, says({})))
        host.on(FILE, sends(GOOD))
        yield host


def fetch(
    server: ArtifactHost, folder: Path, uri: str = "models:/diabetes%20risk/7", **env: str
) -> tuple[str, list[str]]:
    """The SHA-256 of what came, and what the log says."""
    said: list[str] = []
    told = {"MLFLOW_TRACKING_URI": server.url, **env}
    actual = download(uri, folder / "m", sha256=SHA256, limits=LIMITS, log=said.append, env=told, sleep=lambda _: None)
    return actual, said


def refusal(server: ArtifactHost, folder: Path, uri: str = "models:/diabetes%20risk/7", **env: str) -> ServingError:
    with pytest.raises(ServingError) as raised:
        fetch(server, folder, uri, **env)
    assert list(folder.iterdir()) == []
    assert SECRET not in raised.value.message
    return raised.value


def lies_at(server: ArtifactHost, uri: str) -> None:
    server.on(f"{API}/model-versions/get-download-uri", says({"artifact_uri": uri}))


def test_a_version_comes_through_the_tracking_server(server: ArtifactHost, tmp_path: Path) -> None:
    assert fetch(server, tmp_path) == (SHA256, [])
    assert (tmp_path / "m").read_bytes() == GOOD


def test_what_an_alias_means_is_recorded(server: ArtifactHost, tmp_path: Path) -> None:
    actual, said = fetch(server, tmp_path, "models:/diabetes%20risk@champion")

    assert actual == SHA256
    assert said == ["models:/diabetes risk@champion is version 7 now"]


def test_an_alias_is_asked_for_once_a_fetch(server: ArtifactHost, tmp_path: Path) -> None:
    moved = first_then(server.behaviours[f"{API}/registered-models/alias"], 1, says(version("8")))
    server.on(f"{API}/registered-models/alias", moved)
    server.on(FILE, first_then(sends(GOOD[:40], declared=len(GOOD)), 1, sends(GOOD)))

    assert fetch(server, tmp_path, "models:/diabetes%20risk@champion")[0] == SHA256
    assert server.count(FILE) == 2
    assert server.count(f"{API}/registered-models/alias") == 1


def test_a_tracking_server_that_is_down_for_a_moment_is_asked_again(server: ArtifactHost, tmp_path: Path) -> None:
    path = f"{API}/model-versions/get"
    server.on(path, first_then(answers(503), 1, server.behaviours[path]))

    assert fetch(server, tmp_path)[0] == SHA256


@pytest.mark.parametrize(
    ("env", "authorization"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": SECRET}, f"Bearer {SECRET}"),
        (
            {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": SECRET, "MLFLOW_TRACKING_TOKEN": "other"},
            "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode(),
        ),
    ],
    ids=["nobody", "token", "password"],
)
def test_every_request_says_who_asks(
    env: dict[str, str], authorization: str | None, server: ArtifactHost, tmp_path: Path
) -> None:
    fetch(server, tmp_path, **env)

    assert {headers.get("Authorization") for headers in server.headers} == {authorization}
    assert server.count(FILE) == 1


def test_our_own_name_for_the_address_wins(server: ArtifactHost, tmp_path: Path) -> None:
    env = {"MLFLOW_TRACKING_URI": "databricks", "VERDIGRIS_MLFLOW_URL": f"{server.url}/"}

    assert fetch(server, tmp_path, **env)[0] == SHA256


def test_a_version_that_lies_elsewhere_comes_from_there_without_our_token(server: ArtifactHost, tmp_path: Path) -> None:
    with artifact_host() as store:
        lies_at(server, store.on("/models/m.vmodel", sends(GOOD)))

        assert fetch(server, tmp_path, MLFLOW_TRACKING_TOKEN=SECRET)[0] == SHA256
        assert [headers.get("Authorization") for headers in store.headers] == [None]


def test_a_folder_behind_another_tracking_server_is_listed_there_without_our_token(
    server: ArtifactHost, tmp_path: Path
) -> None:
    with artifact_host() as other:
        other.on(ARTIFACTS, says({"files": LISTED}))
        other.on(FILE, sends(GOOD))
        lies_at(server, f"{other.url}{ARTIFACTS}/{FOLDER}")

        assert fetch(server, tmp_path, MLFLOW_TRACKING_TOKEN=SECRET)[0] == SHA256
        assert {headers.get("Authorization") for headers in other.headers} == {None}


@pytest.mark.parametrize(
    ("files", "count"),
    [([], 0), (LISTED[1:], 0), ([LISTED[0], {"path": "b.vmodel", "is_dir": False}], 2)],
    ids=["nothing", "no artifact", "two"],
)
def test_the_folder_must_hold_one_artifact(files: list[Any], count: int, server: ArtifactHost, tmp_path: Path) -> None:
    server.on(ARTIFACTS, says({"files": files}))

    failure = refusal(server, tmp_path)
    assert failure.reason is Reason.ARTIFACT_NOT_FOUND
    assert f"models:/diabetes risk/7 holds {count} .vmodel files and must hold one" in failure.message


@pytest.mark.parametrize(
    ("uri", "reason", "advice"),
    [
        ("models:/diabetes%20risk/8", Reason.ARTIFACT_NOT_FOUND, "Check the name, the version or alias"),
        ("models:/none/7", Reason.ARTIFACT_NOT_FOUND, "Check the name, the version or alias"),
        ("models:/diabetes%20risk@none", Reason.ARTIFACT_NOT_FOUND, "Check the name, the version or alias"),
        ("models:/diabetes%20risk/Production", Reason.ARTIFACT_UNREACHABLE, "write models:/NAME/VERSION"),
        ("models:/diabetes", Reason.ARTIFACT_UNREACHABLE, "write models:/NAME/VERSION"),
    ],
)
def test_a_model_that_is_not_there_is_named(
    uri: str, reason: Reason, advice: str, server: ArtifactHost, tmp_path: Path
) -> None:
    failure = refusal(server, tmp_path, uri)

    assert failure.reason is reason
    assert advice in failure.message


def test_a_version_that_is_not_ready_is_refused(server: ArtifactHost, tmp_path: Path) -> None:
    server.on(f"{API}/model-versions/get", says(version(status="FAILED_REGISTRATION")))

    assert "is FAILED_REGISTRATION in MLflow, not READY" in refusal(server, tmp_path).message


@pytest.mark.parametrize("uri", ["runs:/b8248c73/model", "dbfs:/models/m", "/srv/mlflow/m", "file:///srv/m.vmodel"])
def test_a_folder_that_nobody_can_list_is_named_with_a_way_out(uri: str, server: ArtifactHost, tmp_path: Path) -> None:
    lies_at(server, uri)

    failure = refusal(server, tmp_path)
    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert uri in failure.message
    assert "--serve-artifacts" in failure.message


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"model_version": {"version": 7}}'])
def test_an_answer_that_is_not_mlflows_is_said_to_be_none(body: bytes, server: ArtifactHost, tmp_path: Path) -> None:
    server.on(f"{API}/model-versions/get", sends(body))

    assert "is it the right address?" in (said := refusal(server, tmp_path).message) or "MLFLOW_TRACKING_URI" in said


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_names_the_variables(status: int, server: ArtifactHost, tmp_path: Path) -> None:
    server.on(f"{API}/model-versions/get", answers(status))

    failure = refusal(server, tmp_path, MLFLOW_TRACKING_TOKEN=SECRET)
    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert "Put MLFLOW_TRACKING_TOKEN" in failure.message


@pytest.mark.parametrize("address", ["", "databricks", "mlflow:5000"])
def test_without_an_address_the_variable_is_named(address: str, server: ArtifactHost, tmp_path: Path) -> None:
    failure = refusal(server, tmp_path, MLFLOW_TRACKING_URI=address)

    assert "as MLFLOW_TRACKING_URI in spec.serving.env" in failure.message
    assert server.seen == []
