"""Pulling from a registry that follows the distribution specification, and from some that do not."""

import base64
import hashlib
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
    sends_ranges,
)
from tests.serving.test_fetch import GOOD, LIMITS, SHA256
from verdigris_serving.fetching.stream import Limits, download
from verdigris_serving.reasons import Reason, ServingError

SECRET = "never-to-be-seen"
LOGIN = {"OCI_USERNAME": "clinic", "OCI_PASSWORD": SECRET}
BASIC = "Basic " + base64.b64encode(f"clinic:{SECRET}".encode()).decode()
REPOSITORY = "/v2/team/diabetes"
MANIFEST = f"{REPOSITORY}/manifests/1.0.0"
BLOB = f"{REPOSITORY}/blobs/sha256:{SHA256}"


def layer(data: bytes = GOOD, **fields: Any) -> dict[str, Any]:
    return {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data), **fields}


def manifest(*layers: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "config": {}, "layers": layers}).encode()


@pytest.fixture
def registry() -> Iterator[ArtifactHost]:
    """It holds the artifact under the tag 1.0.0, for everybody."""
    with artifact_host() as host:
        host.on(MANIFEST, sends(manifest(layer())))
        host.on(BLOB, sends_ranges(GOOD))
        yield host


def pull(
    registry: ArtifactHost, folder: Path, reference: str = ":1.0.0", sha256: str = SHA256, **env: str
) -> tuple[str, list[str]]:
    """The SHA-256 of what was pulled, and what the log says."""
    said: list[str] = []
    uri = f"oci://{urlsplit(registry.url).netloc}/team/diabetes{reference}"
    told = {"OCI_PLAIN_HTTP": "true", **env}
    actual = download(uri, folder / "m", sha256=sha256, limits=LIMITS, log=said.append, env=told, sleep=lambda _: None)
    return actual, said


def refusal(registry: ArtifactHost, folder: Path, reference: str = ":1.0.0", **options: str) -> ServingError:
    with pytest.raises(ServingError) as raised:
        pull(registry, folder, reference, **options)
    assert list(folder.iterdir()) == []
    assert SECRET not in raised.value.message
    return raised.value


def only_for(authorization: str, challenge: str, then: Behaviour) -> Behaviour:
    """Behave so for who is authorized, and challenge the others."""

    def behave(request: Any, before: int) -> None:
        known = request.headers.get("Authorization") == authorization
        (then if known else answers(401, challenge=challenge))(request, before)

    return behave


def test_an_artifact_is_pulled_by_its_tag(registry: ArtifactHost, tmp_path: Path) -> None:
    assert pull(registry, tmp_path) == (SHA256, [])
    assert (tmp_path / "m").read_bytes() == GOOD
    assert "application/vnd.oci.image.manifest.v1+json" in registry.headers[0]["Accept"]


def test_an_artifact_is_pulled_by_the_digest_of_its_manifest(registry: ArtifactHost, tmp_path: Path) -> None:
    body = manifest(layer())
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    registry.on(f"{REPOSITORY}/manifests/{digest}", sends(body))

    assert pull(registry, tmp_path, f"@{digest}")[0] == SHA256


def test_a_manifest_that_is_not_the_one_of_the_digest_is_refused(registry: ArtifactHost, tmp_path: Path) -> None:
    digest = "sha256:" + "0" * 64
    registry.on(f"{REPOSITORY}/manifests/{digest}", sends(manifest(layer())))

    failure = refusal(registry, tmp_path, f"@{digest}")
    assert failure.reason is Reason.CHECKSUM_MISMATCH
    assert "another manifest than the digest names" in failure.message


@pytest.fixture
def guarded(registry: ArtifactHost) -> ArtifactHost:
    """The same behind tokens, which only the user of this file gets."""
    challenge = f'Bearer realm="{registry.url}/token",service="models",scope="repository:team/diabetes:pull"'
    for path in (MANIFEST, BLOB):
        registry.on(path, only_for("Bearer issued", challenge, registry.behaviours[path]))
    registry.on("/token", only_for(BASIC, "", sends(b'{"token": "issued"}')))
    return registry


def test_a_token_is_asked_for_with_what_the_challenge_says(guarded: ArtifactHost, tmp_path: Path) -> None:
    queries: list[str] = []
    issue = guarded.behaviours["/token"]

    def remember(request: Any, before: int) -> None:
        queries.append(urlsplit(request.path).query)
        issue(request, before)

    guarded.on("/token", remember)

    assert pull(guarded, tmp_path, **LOGIN)[0] == SHA256
    assert [parse_qs(query) for query in queries] == [
        {"service": ["models"], "scope": ["repository:team/diabetes:pull"]}
    ]


@pytest.mark.parametrize("login", [{}, {**LOGIN, "OCI_PASSWORD": "wrong"}], ids=["none", "wrong"])
def test_without_the_right_login_the_variables_are_named(
    login: dict[str, str], guarded: ArtifactHost, tmp_path: Path
) -> None:
    failure = refusal(guarded, tmp_path, **login)

    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert "OCI_USERNAME and OCI_PASSWORD" in failure.message
    assert "spec.model.credentialsSecret" in failure.message


def test_a_registry_may_ask_for_the_password_itself(registry: ArtifactHost, tmp_path: Path) -> None:
    for path in (MANIFEST, BLOB):
        registry.on(path, only_for(BASIC, 'Basic realm="models"', registry.behaviours[path]))

    assert pull(registry, tmp_path, **LOGIN)[0] == SHA256


def test_the_token_stays_with_the_registry_when_the_blob_is_elsewhere(guarded: ArtifactHost, tmp_path: Path) -> None:
    with artifact_host() as store:
        store.on("/blob", sends_ranges(GOOD))
        guarded.on(BLOB, answers(307, f"{store.url}/blob?X-Signature=abc"))

        assert pull(guarded, tmp_path, **LOGIN)[0] == SHA256
        assert [headers.get("Authorization") for headers in store.headers] == [None]


def test_a_redirect_within_the_registry_keeps_the_token(guarded: ArtifactHost, tmp_path: Path) -> None:
    guarded.on("/there", guarded.behaviours[BLOB])
    guarded.on(BLOB, answers(307, "/there"))

    assert pull(guarded, tmp_path, **LOGIN)[0] == SHA256


def test_a_broken_blob_is_resumed_and_the_tag_is_not_asked_again(registry: ArtifactHost, tmp_path: Path) -> None:
    registry.on(MANIFEST, first_then(sends(manifest(layer())), 1, sends(manifest(layer(b"moved on")))))
    registry.on(BLOB, first_then(sends_ranges(GOOD, most=40, etag=""), 1, sends_ranges(GOOD, etag="")))

    assert pull(registry, tmp_path)[0] == SHA256
    assert registry.count(MANIFEST) == 1
    assert [headers.get("Range") for headers in registry.headers] == [None, None, "bytes=40-"]


def test_the_layers_digest_is_checked_even_when_the_spec_gives_none(registry: ArtifactHost, tmp_path: Path) -> None:
    registry.on(BLOB, sends(bytes(reversed(GOOD))))

    assert refusal(registry, tmp_path, sha256="").reason is Reason.CHECKSUM_MISMATCH


@pytest.mark.parametrize(
    ("behaviour", "reason", "says"),
    [
        (answers(404), Reason.ARTIFACT_NOT_FOUND, "Check the repository and the tag or digest"),
        (sends(manifest(layer(), layer())), Reason.ARTIFACT_NOT_FOUND, "has 2 layers and must have one"),
        (sends(manifest()), Reason.ARTIFACT_NOT_FOUND, "has 0 layers and must have one"),
        (sends(b'{"manifests": []}'), Reason.ARTIFACT_NOT_FOUND, "no artifact with layers"),
        (sends(b"[]"), Reason.ARTIFACT_NOT_FOUND, "no artifact with layers"),
        (sends(b"<html>"), Reason.ARTIFACT_NOT_FOUND, "no artifact with layers"),
        (sends(manifest("layer")), Reason.ARTIFACT_NOT_FOUND, "no SHA-256 digest and size"),
        (sends(manifest(layer(digest="md5:0"))), Reason.ARTIFACT_NOT_FOUND, "no SHA-256 digest and size"),
        (sends(manifest(layer(size=200_000))), Reason.ARTIFACT_TOO_LARGE, "larger than 100000 bytes"),
        (sends(manifest(layer(size=len(GOOD) + 1))), Reason.ARTIFACT_TRUNCATED, "the body ended after"),
        (sends(manifest(layer(size=len(GOOD) - 1))), Reason.ARTIFACT_TRUNCATED, "were announced"),
    ],
)
def test_what_is_no_artifact_is_refused_with_what_to_do(
    behaviour: Behaviour, reason: Reason, says: str, registry: ArtifactHost, tmp_path: Path
) -> None:
    registry.on(MANIFEST, behaviour)

    failure = refusal(registry, tmp_path)
    assert failure.reason is reason
    assert says in failure.message


@pytest.mark.parametrize("reference", ["", ":", "@sha256:12", ":a/b"])
def test_a_reference_without_a_tag_or_digest_is_refused(reference: str, registry: ArtifactHost, tmp_path: Path) -> None:
    assert "write oci://REGISTRY/REPOSITORY:TAG" in refusal(registry, tmp_path, reference).message
    assert registry.seen == []


def test_a_registry_is_asked_by_https_unless_told_otherwise(registry: ArtifactHost, tmp_path: Path) -> None:
    uri = f"oci://{urlsplit(registry.url).netloc}/team/diabetes:1.0.0"
    with pytest.raises(ServingError, match=r"https://127\.0\.0\.1:\d+/v2/team/diabetes/manifests/1\.0\.0 cannot be"):
        download(uri, tmp_path / "m", sha256="", limits=Limits(0.3, 0.2, 9_999), log=lambda _: None, env={})
    assert registry.seen == []
