"""Fetching from buckets: a real S3 server, asked by the real client."""

import json
import logging
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.serving.artifact_host import (
    ArtifactHost,
    answers,
)
from tests.serving.buckets import AZURE, GOOGLE, KEYS, PATIENT, SECRET, set_credentials
from tests.serving.support import start, termination
from tests.serving.test_fetch import GOOD, SHA256, get, refusal
from verdigris_serving.fetching.stream import Limits, download
from verdigris_serving.reasons import Reason, ServingError

LARGE = os.urandom(1_000_000) * 9


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """A real S3 server with the bucket `models`; its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client: Any = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="clinic", aws_secret_access_key=SECRET
    )
    client.create_bucket(Bucket="models")
    client.put_object(Bucket="models", Key="diabetes/1.0.0.vmodel", Body=GOOD)
    client.put_object(Bucket="models", Key="large", Body=LARGE)
    for key in ("diabetes/notes.txt", "diabetes/older/0.9.0.vmodel", "crowded/a.vmodel", "crowded/b.vmodel"):
        client.put_object(Bucket="models", Key=key, Body=b"")
    try:
        yield url
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    set_credentials(monkeypatch)


@pytest.fixture
def at_store(store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    return store


@pytest.mark.usefixtures("at_store")
def test_an_artifact_comes_from_a_bucket(tmp_path: Path) -> None:
    assert get("s3://models/diabetes/1.0.0.vmodel", tmp_path / "m", limits=PATIENT) == SHA256
    assert (tmp_path / "m").read_bytes() == GOOD
    assert list(tmp_path.iterdir()) == [tmp_path / "m"]


@pytest.mark.usefixtures("at_store")
def test_megabytes_come_whole(tmp_path: Path) -> None:
    get("s3://models/large", tmp_path / "m", sha256="", limits=PATIENT)
    assert (tmp_path / "m").read_bytes() == LARGE


@pytest.mark.usefixtures("at_store")
@pytest.mark.parametrize(
    ("uri", "reason", "says"),
    [
        ("s3://models/none", Reason.ARTIFACT_NOT_FOUND, "no such object (NoSuchKey). Check spec.model.uri"),
        ("s3://no-models/m", Reason.ARTIFACT_NOT_FOUND, "no such bucket or container (NoSuchBucket)"),
        ("s3://models", Reason.ARTIFACT_UNREACHABLE, "write s3://BUCKET/KEY"),
        ("s3://models/", Reason.ARTIFACT_UNREACHABLE, "write s3://BUCKET/KEY"),
        ("s3://b{d/m", Reason.ARTIFACT_UNREACHABLE, "write s3://BUCKET/KEY"),
        ("s3://models/a//../b", Reason.ARTIFACT_UNREACHABLE, "write s3://BUCKET/KEY"),
        ("s3://models/diabetes/1.0.0.vmodel", Reason.ARTIFACT_TOO_LARGE, "is larger than 20 bytes"),
    ],
)
def test_what_is_not_there_is_named(uri: str, reason: Reason, says: str, tmp_path: Path) -> None:
    failure = refusal(uri, tmp_path, limits=Limits(20.0, 5.0, 20))

    assert failure.reason is reason
    assert says in failure.message
    assert SECRET not in failure.message


@pytest.mark.parametrize(
    ("uri", "kept", "names"),
    [
        ("s3://models/m", {}, "AWS_ACCESS_KEY_ID"),
        ("gs://models/m", {}, "GOOGLE_SERVICE_ACCOUNT_KEY"),
        ("az://models/m", {}, "AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://models/m", {"AZURE_STORAGE_SAS_TOKEN": SECRET}, "AZURE_STORAGE_ACCOUNT_NAME"),
        ("gs://models/m", {"GOOGLE_SERVICE_ACCOUNT_KEY": SECRET}, "GOOGLE_SERVICE_ACCOUNT_KEY"),
        ("s3://models/m", {"AWS_ACCESS_KEY_ID": SECRET}, "AWS_SECRET_ACCESS_KEY"),
        ("az://models/m", {**AZURE, "AZURE_STORAGE_ACCOUNT_KEY": "no base64 " + SECRET}, "AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
def test_without_usable_credentials_the_variable_is_named_and_nobody_is_asked(
    uri: str, kept: dict[str, str], names: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in KEYS | AZURE | GOOGLE:
        monkeypatch.delenv(name)
    for name, value in kept.items():
        monkeypatch.setenv(name, value)

    failure = refusal(uri, tmp_path)
    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert names in failure.message
    assert "spec.model.credentialsSecret" in failure.message
    assert SECRET not in failure.message


def check_who_asks(store: str, *, after: int) -> None:
    """Let the S3 server refuse unknown keys once it has answered ``after`` more requests."""
    headers = {"Content-Type": "text/plain"}
    urllib.request.urlopen(
        urllib.request.Request(f"{store}/moto-api/reset-auth", data=str(after).encode(), headers=headers)
    ).close()


def test_credentials_that_are_refused_are_named_but_not_repeated(at_store: str, tmp_path: Path) -> None:
    check_who_asks(at_store, after=0)
    try:
        failure = refusal("s3://models/large", tmp_path, limits=PATIENT)
    finally:
        check_who_asks(at_store, after=1_000_000)

    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert "refused the credentials (InvalidAccessKeyId). Check AWS_ACCESS_KEY_ID" in failure.message
    assert SECRET not in failure.message


@pytest.mark.usefixtures("at_store")
@pytest.mark.parametrize(
    ("folder", "count"), [("diabetes", 1), ("none", 0), ("crowded", 2)], ids=["one", "none", "several"]
)
def test_mlflow_may_keep_the_one_artifact_of_a_version_in_a_bucket(
    folder: str, count: int, host: ArtifactHost, tmp_path: Path
) -> None:
    api = "/api/2.0/mlflow/model-versions"
    host.on(f"{api}/get", answers(200, body=b'{"model_version": {"status": "READY"}}'))
    found = json.dumps({"artifact_uri": f"s3://models/{folder}"}).encode()
    host.on(f"{api}/get-download-uri", answers(200, body=found))
    env = {**os.environ, "MLFLOW_TRACKING_URI": host.url}

    def fetch() -> str:
        return download(
            "models:/diabetes/1", tmp_path / "m", sha256=SHA256, limits=PATIENT, log=lambda _: None, env=env
        )

    if count == 1:
        assert fetch() == SHA256
    else:
        with pytest.raises(ServingError, match=f"holds {count} .vmodel files and must hold one"):
            fetch()


@pytest.mark.usefixtures("at_store")
def test_the_init_step_fetches_from_a_bucket(store: str, tmp_path: Path) -> None:
    process = start(
        "verdigris_serving.fetch",
        tmp_path,
        VERDIGRIS_MODEL_URI="s3://models/diabetes/1.0.0.vmodel",
        VERDIGRIS_MODEL_PATH=str(tmp_path / "m.vmodel"),
        VERDIGRIS_MODEL_SHA256=SHA256,
        AWS_ENDPOINT_URL=store,
        **KEYS,
    )
    _, said = process.communicate()

    assert termination(tmp_path) == {"reason": "Verified", "message": f"sha256 {SHA256}"}
    assert SECRET not in str(said)
    assert (tmp_path / "m.vmodel").read_bytes() == GOOD
