"""Encryption: who is trusted, and that nothing leads away from it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.artifact_host import ArtifactHost, answers, artifact_host, sends, sends_ranges
from tests.serving.authority import Authority
from tests.serving.buckets import PATIENT, set_credentials
from tests.serving.test_fetch import GOOD, SHA256, get, refusal
from verdigris_serving.fetching.stream import Limits, download
from verdigris_serving.reasons import Reason, ServingError


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def host(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArtifactHost]:
    """An https host, which is an S3 store too."""
    set_credentials(monkeypatch)
    with artifact_host(authority.server) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        running.on("/models/m", sends_ranges(GOOD))
        yield running


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


@pytest.fixture
def stranger(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another authority is the only one that is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path_factory.mktemp("stranger")).file))


def uri_of(kind: str, host: ArtifactHost, key: str = "m") -> str:
    return f"s3://models/{key}" if kind == "s3" else f"{host.url}/models/{key}"


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("kind", ["https", "s3"])
def test_a_host_of_a_known_authority_is_trusted(kind: str, host: ArtifactHost, tmp_path: Path) -> None:
    assert get(uri_of(kind, host), tmp_path / "m", limits=PATIENT) == SHA256


@pytest.mark.usefixtures("stranger")
@pytest.mark.parametrize("kind", ["https", "s3"])
def test_a_host_of_an_unknown_authority_is_refused_at_once(kind: str, host: ArtifactHost, tmp_path: Path) -> None:
    failure = refusal(uri_of(kind, host), tmp_path, limits=PATIENT)

    assert failure.reason is Reason.ARTIFACT_UNREACHABLE
    assert "certificate is not trusted" in failure.message
    assert "Add its authority to the image" in failure.message
    assert host.seen == []


def test_without_any_authority_the_image_is_blamed(
    host: ArtifactHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path.parent / "nowhere"))

    failure = refusal(uri_of("s3", host), tmp_path, limits=PATIENT)
    assert "Install ca-certificates in it, or set SSL_CERT_FILE" in failure.message


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("kind", ["https", "s3"])
def test_no_redirect_leads_from_https_to_http(kind: str, host: ArtifactHost, tmp_path: Path) -> None:
    with artifact_host() as unprotected:
        there = unprotected.on("/models/m", sends_ranges(GOOD))
        host.on("/models/here", answers(307, there))

        failure = refusal(uri_of(kind, host, "here"), tmp_path, limits=Limits(1.0, 0.5, 10_000))
        assert failure.reason is Reason.ARTIFACT_UNREACHABLE
        assert unprotected.seen == []


@pytest.mark.usefixtures("trusted")
def test_a_redirect_from_https_to_https_is_followed(host: ArtifactHost, tmp_path: Path) -> None:
    host.on("/here", answers(302, f"{host.url}/models/m?signature=abc"))

    assert get(f"{host.url}/here", tmp_path / "m", limits=PATIENT) == SHA256


@pytest.mark.usefixtures("trusted")
def test_a_password_does_not_go_to_an_unprotected_token_server(host: ArtifactHost, tmp_path: Path) -> None:
    with artifact_host() as unprotected:
        realm = unprotected.on("/token", sends(b'{"token": "issued"}'))
        host.on("/v2/team/diabetes/manifests/1.0.0", answers(401, challenge=f'Bearer realm="{realm}",service="models"'))
        uri = f"oci://{host.url.removeprefix('https://')}/team/diabetes:1.0.0"
        env = {"OCI_USERNAME": "clinic", "OCI_PASSWORD": "secret"}

        with pytest.raises(ServingError, match="401 Unauthorized"):
            download(uri, tmp_path / "m", sha256=SHA256, limits=PATIENT, log=lambda _: None, env=env)
        assert unprotected.seen == []


@pytest.mark.usefixtures("trusted")
def test_a_protected_tracking_server_cannot_send_to_an_unprotected_address(host: ArtifactHost, tmp_path: Path) -> None:
    with artifact_host() as unprotected:
        there = unprotected.on("/m.vmodel", sends(GOOD))
        api = "/api/2.0/mlflow/model-versions"
        host.on(f"{api}/get", sends(b'{"model_version": {"status": "READY"}}'))
        host.on(f"{api}/get-download-uri", sends(b'{"artifact_uri": "%s"}' % there.encode()))
        env = {"MLFLOW_TRACKING_URI": host.url}

        with pytest.raises(ServingError, match="unprotected where its tracking server is not"):
            download("models:/m/1", tmp_path / "m", sha256="", limits=PATIENT, log=lambda _: None, env=env)
        assert unprotected.seen == []
