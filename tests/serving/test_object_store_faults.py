"""Object stores that break off, stall, refuse and are not there, asked by the real client."""

import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from dev.cluster.patience import stretched
from tests.serving.artifact_host import (
    ArtifactHost,
    Behaviour,
    answers,
    first_then,
    sends,
    sends_ranges,
)
from tests.serving.buckets import PATIENT, SECRET, set_credentials
from tests.serving.support import eventually, start
from tests.serving.test_fetch import GOOD, LIMITS, SHA256, get, refusal
from verdigris_serving.fetching.stream import Limits
from verdigris_serving.reasons import Reason


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    set_credentials(monkeypatch)


@pytest.fixture
def at_host(host: ArtifactHost, monkeypatch: pytest.MonkeyPatch) -> ArtifactHost:
    monkeypatch.setenv("AWS_ENDPOINT_URL", host.url)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", host.url)
    monkeypatch.setenv("GOOGLE_BASE_URL", host.url)
    return host


@pytest.mark.parametrize(
    ("behaviour", "ranges"),
    [
        pytest.param(sends_ranges(GOOD), [None], id="plainly"),
        pytest.param(first_then(answers(503), 1, sends_ranges(GOOD)), [None, None], id="after a 503"),
        pytest.param(
            first_then(sends_ranges(GOOD, most=40), 1, sends_ranges(GOOD)), [None, "bytes=40-"], id="broken off"
        ),
        pytest.param(
            first_then(sends_ranges(GOOD, most=40, etag='"0"'), 1, sends_ranges(GOOD)),
            [None, "bytes=40-", None],
            id="replaced",
        ),
    ],
)
def test_a_broken_answer_is_resumed(
    behaviour: Behaviour, ranges: list[str | None], at_host: ArtifactHost, tmp_path: Path
) -> None:
    at_host.on("/models/m", behaviour)

    assert get("s3://models/m", tmp_path / "m", limits=PATIENT) == SHA256
    assert [headers.get("Range") for headers in at_host.headers] == ranges


def test_a_silent_store_is_given_up_and_asked_again(at_host: ArtifactHost, tmp_path: Path) -> None:
    def silent(*_: object) -> None:
        at_host.over.wait(30)

    at_host.on("/models/m", first_then(silent, 1, sends_ranges(GOOD)))
    assert get("s3://models/m", tmp_path / "m", limits=LIMITS) == SHA256


def stalls_after_40_bytes(host: ArtifactHost) -> Behaviour:
    def behave(request: Any, before: int) -> None:
        sends_ranges(GOOD, most=40)(request, before)
        request.wfile.flush()
        host.over.wait(30)

    return behave


def test_a_stalled_body_is_given_up_and_resumed(at_host: ArtifactHost, tmp_path: Path) -> None:
    at_host.on("/models/m", first_then(stalls_after_40_bytes(at_host), 1, sends_ranges(GOOD)))
    assert get("s3://models/m", tmp_path / "m", limits=LIMITS) == SHA256
    assert [headers.get("Range") for headers in at_host.headers] == [None, "bytes=40-"]


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize(
    ("answer", "reason", "says"),
    [
        (
            (403, "SignatureDoesNotMatch"),
            Reason.ARTIFACT_UNREACHABLE,
            "refused the credentials (SignatureDoesNotMatch)",
        ),
        ((400, "AuthorizationHeaderMalformed"), Reason.ARTIFACT_UNREACHABLE, "Check the region, the endpoint"),
        ((404, ""), Reason.ARTIFACT_NOT_FOUND, "no such object"),
        ((503, "SlowDown"), Reason.ARTIFACT_UNREACHABLE, "the store answered 503 (SlowDown)"),
    ],
)
def test_what_a_store_says_is_passed_on_without_what_it_repeats(
    scheme: str, answer: tuple[int, str], reason: Reason, says: str, *, at_host: ArtifactHost, tmp_path: Path
) -> None:
    status, code = answer
    body = f"<Error><Code>{code}</Code><StringToSign>{SECRET}</StringToSign></Error>".encode()
    at_host.on("/models/m", answers(status, body=body))

    failure = refusal(f"{scheme}://models/m", tmp_path, limits=Limits(0.6, 0.5, 1_000))
    assert failure.reason is reason
    assert says in failure.message
    assert SECRET not in failure.message


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_the_other_clouds_are_read_and_resumed_like_s3(scheme: str, at_host: ArtifactHost, tmp_path: Path) -> None:
    at_host.on("/models/a/m", first_then(sends_ranges(GOOD, most=40), 1, sends_ranges(GOOD)))

    assert get(f"{scheme}://models/a/m", tmp_path / "m", limits=PATIENT) == SHA256
    assert [headers.get("Range") for headers in at_host.headers] == [None, "bytes=40-"]


def hangs_up(request: Any, _before: int) -> None:
    request.close_connection = True


def test_a_store_that_hangs_up_is_asked_again(at_host: ArtifactHost, tmp_path: Path) -> None:
    at_host.on("/models/m", first_then(hangs_up, 1, sends_ranges(GOOD)))

    assert get("s3://models/m", tmp_path / "m", limits=PATIENT) == SHA256


def test_nobody_listening_is_unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_soon.getsockname()[1]}")

    failure = refusal("s3://models/m", tmp_path, limits=Limits(0.3, 0.2, 1_000))
    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert "cannot be reached. Check AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL" in failure.message


def test_without_encryption_only_an_address_that_says_so_is_asked(
    at_host: ArtifactHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", at_host.url.replace("http", "https"))

    assert refusal("s3://models/m", tmp_path, limits=Limits(0.3, 0.2, 1_000)).reason is Reason.ARTIFACT_UNREACHABLE
    assert at_host.seen == []


def test_a_server_that_is_no_store_is_said_to_be_none(at_host: ArtifactHost, tmp_path: Path) -> None:
    at_host.on("/models/m", sends(GOOD))

    assert "the store's answer has no Last-Modified" in refusal("gs://models/m", tmp_path, limits=PATIENT).message


def test_the_init_step_obeys_sigterm_while_a_store_is_silent(at_host: ArtifactHost, tmp_path: Path) -> None:
    at_host.on("/models/m", stalls_after_40_bytes(at_host))
    process = start(
        "verdigris_serving.fetch",
        tmp_path,
        VERDIGRIS_MODEL_URI="s3://models/m",
        VERDIGRIS_MODEL_PATH=str(tmp_path / "m.vmodel"),
        VERDIGRIS_FETCH_STALL="60",
    )
    eventually((tmp_path / ".m.vmodel.part").exists, "the first bytes have come")

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=stretched(5)) == 1
    process.communicate()
    assert not list(tmp_path.glob("*vmodel*"))
