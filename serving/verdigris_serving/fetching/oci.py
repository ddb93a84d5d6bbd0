"""OCI registries: ``oci://REGISTRY/REPOSITORY:TAG`` or ``@sha256:DIGEST``, an artifact of one layer, which is the file.

A pull by the distribution specification: manifest, token when the registry asks for one, blob. Sources:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md (pulling, manifests, blobs) and
https://distribution.github.io/distribution/spec/auth/token/ (the Bearer challenge).
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from verdigris_serving.fetching.http_source import HttpOpener, HttpRequest, Refused, read_bytes, read_json
from verdigris_serving.fetching.port import Resume, Retry, Source, safe_uri
from verdigris_serving.reasons import Reason, ServingError

_REFERENCE = re.compile(
    r"oci://([^/@?#]+)/([a-z0-9][a-z0-9._/-]*)(?::(\w[\w.-]{0,127})|@(sha256:[0-9a-f]{64}))", re.ASCII
)
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_REFUSED = (
    "Put OCI_USERNAME and OCI_PASSWORD into the Secret that spec.model.credentialsSecret names, "
    "and check their right to pull."
)
_MISSING = "Check the repository and the tag or digest in spec.model.uri, or push the artifact."
_ONE_LAYER = "Push the .vmodel file alone, for example: oras push REGISTRY/REPOSITORY:TAG FILE.vmodel"


class OciOpener:
    """An artifact of a registry. What a tag means is asked once a fetch, so that a fetch never mixes two artifacts."""

    def __init__(self, uri: str, env: Mapping[str, str]) -> None:
        found = _REFERENCE.fullmatch(uri)
        if found is None:
            message = f"{safe_uri(uri)} is no artifact of a registry"
            advice = "write oci://REGISTRY/REPOSITORY:TAG or oci://REGISTRY/REPOSITORY@sha256:DIGEST"
            raise ServingError(Reason.ARTIFACT_UNREACHABLE, f"{message}: {advice}.")
        registry, repository, tag, self._digest = found.groups()
        self._scheme = "http" if env.get("OCI_PLAIN_HTTP", "").lower() in {"1", "true"} else "https"
        self._base = f"{self._scheme}://{registry}/v2/{repository}"
        self._where = uri
        self._reference = tag or self._digest
        user, password = env.get("OCI_USERNAME", ""), env.get("OCI_PASSWORD", "")
        self._basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user and password else ""
        self._authorization = ""
        self._layer: tuple[str, int] | None = None

    def open(self, timeout: float, resume: Resume | None) -> Source:
        """Find the layer, once, and open its blob."""
        try:
            return self._blob(timeout, resume)
        except Refused as refused:
            # Anonymous so far, or the token has expired.
            self._authorization = self._authorize(refused, timeout)
        return self._blob(timeout, resume)

    def _blob(self, timeout: float, resume: Resume | None) -> Source:
        if self._layer is None:
            self._layer = self._find_layer(timeout)
        digest, size = self._layer
        source = HttpOpener(self._request(f"{self._base}/blobs/sha256:{digest}"), immutable=True).open(timeout, resume)
        return replace(source, where=self._where, length=size, sha256=digest)

    def _find_layer(self, timeout: float) -> tuple[str, int]:
        """Digest (hex) and size in bytes of the one layer."""
        body = read_bytes(self._request(f"{self._base}/manifests/{self._reference}", accept=_MANIFESTS), timeout)
        if self._digest and f"sha256:{hashlib.sha256(body).hexdigest()}" != self._digest:
            message = f"{self._where}: the registry answered with another manifest than the digest names"
            raise Retry(Reason.CHECKSUM_MISMATCH, message)
        try:
            layers = json.loads(body)["layers"]
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self._where} is no artifact with layers, but an index or something else. {_ONE_LAYER}"
            raise ServingError(Reason.ARTIFACT_NOT_FOUND, f"{message}.") from error
        if not isinstance(layers, list) or len(layers) != 1:
            message = f"{self._where} has {len(layers)} layers and must have one, which is the artifact. {_ONE_LAYER}"
            raise ServingError(Reason.ARTIFACT_NOT_FOUND, f"{message}.")
        return self._described(layers[0])

    def _described(self, layer: Any) -> tuple[str, int]:
        fields = layer if isinstance(layer, dict) else {}
        digest, size = _DIGEST.fullmatch(str(fields.get("digest"))), fields.get("size")
        if digest is None or not isinstance(size, int) or size < 0:
            message = f"{self._where}: its layer has no SHA-256 digest and size. {_ONE_LAYER}."
            raise ServingError(Reason.ARTIFACT_NOT_FOUND, message)
        return digest[1], size

    def _authorize(self, refused: Refused, timeout: float) -> str:
        """The Authorization header that the registry's challenge asks for. Raises the refusal when there is none."""
        kind, _, rest = refused.challenge.partition(" ")
        if kind.lower() == "basic" and self._basic and self._basic != self._authorization:
            return self._basic
        asked = dict(_PARAMETER.findall(rest))
        realm = urlsplit(asked.get("realm", ""))
        # The realm is the registry's word: it gets the password only as well protected as the registry itself.
        if kind.lower() != "bearer" or realm.scheme not in {"https", self._scheme}:
            raise refused
        query = urlencode({name: asked[name] for name in ("service", "scope") if name in asked})
        issuer = HttpRequest(f"{realm.geturl()}?{query}", authorization=self._basic, if_refused=_REFUSED)
        answer = read_json(issuer, timeout)
        token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise refused
        return f"Bearer {token}"

    def _request(self, uri: str, accept: str = "*/*") -> HttpRequest:
        return HttpRequest(
            uri, accept=accept, authorization=self._authorization, if_missing=_MISSING, if_refused=_REFUSED
        )
