"""Fetching an artifact from servers that truncate, stall, lie and vanish."""

import hashlib
import json
import signal
import socket
import time
import urllib.request
from email.message import Message
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
    sends_chunks,
    stalls,
    trickles,
)
from tests.serving.support import contents, eventually, start, termination
from verdigris_serving.artifact.archive import write_archive
from verdigris_serving.fetching.http_source import SafeRedirects
from verdigris_serving.fetching.port import safe_uri
from verdigris_serving.fetching.stream import Limits, download
from verdigris_serving.reasons import Reason, ServingError

GOOD = write_archive(contents())
SHA256 = hashlib.sha256(GOOD).hexdigest()
LIMITS = Limits(deadline=5.0, stall=0.3, max_bytes=100_000)


def get(uri: str, target: Path, *, sha256: str = SHA256, limits: Limits = LIMITS) -> str:
    return download(uri, target, sha256=sha256, limits=limits, log=lambda _: None, sleep=lambda _: None)


def refusal(uri: str, folder: Path, **options: Any) -> ServingError:
    with pytest.raises(ServingError) as raised:
        get(uri, folder / "m", **options)
    assert list(folder.iterdir()) == [], "a failed fetch must leave nothing behind"
    return raised.value


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(sends(GOOD), id="plainly"),
        pytest.param(sends_chunks([GOOD[:100], GOOD[100:]], finish=True), id="in chunks"),
        pytest.param(first_then(answers(503), 2, sends(GOOD)), id="after two 503"),
        pytest.param(first_then(answers(429), 1, sends(GOOD)), id="after a 429"),
        pytest.param(first_then(sends(GOOD[:50], declared=len(GOOD)), 2, sends(GOOD)), id="after two truncated bodies"),
        pytest.param(first_then(sends_chunks([GOOD[:9]], finish=False), 1, sends(GOOD)), id="after a broken chunk"),
    ],
)
def test_an_artifact_arrives_whole(behaviour: Behaviour, host: ArtifactHost, tmp_path: Path) -> None:
    uri = host.on("/m.vmodel", behaviour)

    assert get(uri, tmp_path / "m") == SHA256
    assert (tmp_path / "m").read_bytes() == GOOD
    assert list(tmp_path.iterdir()) == [tmp_path / "m"]


def test_a_redirect_is_followed(host: ArtifactHost, tmp_path: Path) -> None:
    host.on("/there", sends(GOOD))

    assert get(host.on("/here", answers(302, "/there")), tmp_path / "m") == SHA256


def test_a_redirect_from_https_to_an_unprotected_address_is_refused() -> None:
    request = urllib.request.Request("https://host/m?signature=secret")

    with pytest.raises(ServingError, match="https://host/m redirects from https to an unprotected address"):
        SafeRedirects().redirect_request(request, None, 302, "Found", Message(), "http://other/m")


def test_a_stall_is_given_up_and_tried_again(host: ArtifactHost, tmp_path: Path) -> None:
    uri = host.on("/m", first_then(stalls(host, GOOD), 1, sends(GOOD)))

    assert get(uri, tmp_path / "m") == SHA256
    assert host.count("/m") == 2


@pytest.mark.parametrize(
    ("behaviour", "ending", "says"),
    [
        pytest.param(answers(404), (Reason.ARTIFACT_NOT_FOUND, 1), "answered 404 Not Found", id="404"),
        pytest.param(answers(410), (Reason.ARTIFACT_NOT_FOUND, 1), "answered 410 Gone", id="410"),
        pytest.param(answers(403), (Reason.ARTIFACT_UNREACHABLE, 1), "the right to read it", id="403"),
        pytest.param(sends(b"x" * 70), (Reason.CHECKSUM_MISMATCH, 1), f"expected {SHA256}", id="other bytes"),
        pytest.param(sends(GOOD[:-1]), (Reason.CHECKSUM_MISMATCH, 1), "has SHA-256", id="short but well formed"),
        pytest.param(
            sends(GOOD[:70], declared=len(GOOD)), (Reason.ARTIFACT_TRUNCATED, 3), "ended after 70 of", id="truncated"
        ),
        pytest.param(
            sends_chunks([GOOD[:70]], finish=False), (Reason.ARTIFACT_TRUNCATED, 3), "broke off", id="no last chunk"
        ),
        pytest.param(
            sends(b"", declared=200_000), (Reason.ARTIFACT_TOO_LARGE, 1), "larger than 100000", id="declared too large"
        ),
        pytest.param(
            sends_chunks([b"x" * 60_000] * 3, finish=True),
            (Reason.ARTIFACT_TOO_LARGE, 1),
            "larger than",
            id="too large in fact",
        ),
    ],
)
def test_a_definite_failure_ends_the_fetch_at_once(
    behaviour: Behaviour, ending: tuple[Reason, int], says: str, host: ArtifactHost, tmp_path: Path
) -> None:
    failure = refusal(host.on("/m", behaviour), tmp_path)

    assert (failure.reason, host.count("/m")) == ending
    assert says in failure.message


def test_a_server_that_stays_broken_is_given_up_at_the_deadline(host: ArtifactHost, tmp_path: Path) -> None:
    failure = refusal(host.on("/m", answers(500)), tmp_path, limits=Limits(0.3, 0.2, 1_000))

    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert "answered 500" in failure.message


def test_a_trickle_is_given_up_at_the_deadline(host: ArtifactHost, tmp_path: Path) -> None:
    started = time.monotonic()
    failure = refusal(host.on("/m", trickles(host, GOOD)), tmp_path, limits=Limits(0.4, 0.3, 100_000))

    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert "bytes came within 0.4 s" in failure.message
    assert time.monotonic() - started < stretched(2)


def test_nobody_listening_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]

    failure = refusal(f"http://127.0.0.1:{port}/m", tmp_path, limits=Limits(0.2, 0.2, 1_000))
    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert "cannot be reached" in failure.message


@pytest.mark.parametrize(
    "uri", ["ftp://host/m", "swift://bucket/m", "m.vmodel", "http:///m", "http://a b/m", "http://[/m"]
)
def test_an_address_that_cannot_be_fetched_is_refused_without_a_trace(uri: str, tmp_path: Path) -> None:
    assert refusal(uri, tmp_path, limits=Limits(0.2, 0.2, 1_000)).reason is Reason.ARTIFACT_UNREACHABLE


def test_a_file_of_a_mounted_volume_is_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "a b.vmodel", tmp_path / "pod"
    source.write_bytes(GOOD)
    target.mkdir()

    assert get(source.as_uri(), target / "m") == SHA256
    with pytest.raises(ServingError) as raised:
        get((tmp_path / "none").as_uri(), target / "m2")
    assert raised.value.reason is Reason.ARTIFACT_NOT_FOUND


def test_a_volume_that_cannot_be_written_is_named(host: ArtifactHost, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"gone/\.m\.part cannot be written: No such file or directory"):
        get(host.on("/m", sends(GOOD)), tmp_path / "gone" / "m")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' /dev/full")
def test_a_full_volume_is_too_large_an_artifact(host: ArtifactHost, tmp_path: Path) -> None:
    (tmp_path / ".m.part").symlink_to("/dev/full")

    failure = refusal(host.on("/m", sends(GOOD)), tmp_path)
    assert failure.reason is Reason.ARTIFACT_TOO_LARGE
    assert "No space left on device" in failure.message


def test_without_a_checksum_whatever_came_is_taken(host: ArtifactHost, tmp_path: Path) -> None:
    assert get(host.on("/m", sends(GOOD)), tmp_path / "m", sha256="") == SHA256


def test_no_secret_of_an_address_is_repeated() -> None:
    assert safe_uri("https://me:pw@host:8443/a/m?X-Signature=abc#x") == "https://host:8443/a/m"


def run(folder: Path, uri: str, **env: str) -> tuple[int, dict[str, str]]:
    """The init step as a process: its exit code and its termination message."""
    process = start(
        "verdigris_serving.fetch",
        folder,
        VERDIGRIS_MODEL_URI=uri,
        VERDIGRIS_MODEL_PATH=str(folder / "m.vmodel"),
        VERDIGRIS_FETCH_STALL="0.3",
        **env,
    )
    process.communicate()
    return process.returncode, termination(folder)


def test_the_init_step_leaves_a_verified_artifact_and_says_so(host: ArtifactHost, tmp_path: Path) -> None:
    uri = host.on("/m", sends(GOOD))
    asked = {
        "VERDIGRIS_MODEL_SHA256": SHA256.upper(),
        "VERDIGRIS_MODEL_NAME": "demo",
        "VERDIGRIS_MODEL_VERSION": "1.0.0",
    }

    assert run(tmp_path, uri, **asked) == (0, {"reason": "Verified", "message": f"sha256 {SHA256}"})
    assert (tmp_path / "m.vmodel").read_bytes() == GOOD

    # A restarted pod does not need the source again.
    host.on("/m", answers(404))
    assert run(tmp_path, uri, **asked)[0] == 0
    assert host.count("/m") == 1


WRONG_GOLDEN = write_archive(contents(wrong_golden=True))


@pytest.mark.parametrize(
    ("behaviour", "env", "reason"),
    [
        pytest.param(answers(404), {}, "ArtifactNotFound", id="404"),
        pytest.param(sends(GOOD), {"VERDIGRIS_MODEL_SHA256": "0" * 64}, "ChecksumMismatch", id="checksum"),
        pytest.param(sends(GOOD), {"VERDIGRIS_MODEL_VERSION": "2.0.0"}, "ModelMismatch", id="another version"),
        pytest.param(sends(GOOD[:60], declared=900), {}, "ArtifactTruncated", id="truncated"),
        pytest.param(sends(GOOD), {"VERDIGRIS_MAX_BYTES": "100"}, "ArtifactTooLarge", id="too large"),
        pytest.param(sends(b"<html>"), {}, "ArtifactInvalid", id="not an artifact"),
        pytest.param(sends(WRONG_GOLDEN), {}, "GoldenRowsFailed", id="golden rows"),
        pytest.param(answers(500), {"VERDIGRIS_FETCH_DEADLINE": "0.2"}, "ArtifactUnreachable", id="broken server"),
        pytest.param(answers(500), {"VERDIGRIS_FETCH_DEADLINE": "soon"}, "SettingsInvalid", id="a setting"),
    ],
)
def test_the_init_step_fails_with_a_reason_and_leaves_nothing(
    behaviour: Behaviour, env: dict[str, str], reason: str, host: ArtifactHost, tmp_path: Path
) -> None:
    code, message = run(tmp_path, host.on("/m", behaviour), **env)

    assert (code, message["reason"]) == (1, reason)
    assert message["message"]
    assert not (tmp_path / "m.vmodel").exists()


def test_the_init_step_obeys_sigterm(host: ArtifactHost, tmp_path: Path) -> None:
    uri = host.on("/m", stalls(host, GOOD))
    process = start(
        "verdigris_serving.fetch", tmp_path, VERDIGRIS_MODEL_URI=uri, VERDIGRIS_MODEL_PATH=str(tmp_path / "m.vmodel")
    )
    eventually(lambda: host.count("/m") == 1, "the fetch has begun")

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=stretched(5)) == 1
    process.communicate()
    assert not list(tmp_path.glob("*vmodel*"))


def test_a_long_message_fits_into_what_the_kubelet_keeps(tmp_path: Path) -> None:
    run(tmp_path, "file:///" + "n" * 200 + "/" + "ä/" * 9_000)

    text = (tmp_path / "termination").read_bytes()
    assert len(text) <= 4_096
    assert set(json.loads(text)) == {"reason", "message"}
