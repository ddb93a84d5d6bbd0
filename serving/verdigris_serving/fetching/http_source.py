"""http and https, and what OCI registries and MLflow need of them: requests, refusals, redirects, byte ranges."""

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from verdigris_serving.fetching.port import Resume, Retry, Source, safe_uri
from verdigris_serving.reasons import Reason, ServingError

_RETRIED_STATUS = frozenset({408, 425, 429})
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
#: No document that a registry or a tracking server answers with is near this size.
_LARGEST_DOCUMENT = 4 * 1024 * 1024


@dataclass(frozen=True)
class HttpRequest:
    """What to ask for, and what to advise when the answer is no.

    ``authorization`` never follows a redirect to another host. ``missing`` are the statuses by which this server says
    that there is no such thing.
    """

    uri: str
    accept: str = "*/*"
    authorization: str = ""
    missing: frozenset[int] = frozenset({404, 410})
    if_missing: str = "Check spec.model.uri, or publish the artifact."
    if_refused: str = "Check spec.model.uri and the right to read it."

    @property
    def where(self) -> str:
        """For messages."""
        return safe_uri(self.uri)


class Refused(ServingError):
    """The server answered 401 or 403; ``challenge`` is its WWW-Authenticate header."""

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(Reason.ARTIFACT_UNREACHABLE, message)
        self.challenge = challenge


class HttpOpener:
    """``https://`` and ``http://``.

    ``immutable``: the address holds the hash of what is there, so that a range needs no condition.
    """

    def __init__(self, request: HttpRequest, *, immutable: bool = False) -> None:
        self._request = request
        self._immutable = immutable

    def open(self, timeout: float, resume: Resume | None) -> Source:
        """Ask for the rest if there is one; a server may send everything all the same."""
        headers = {}
        if resume:
            headers["Range"] = f"bytes={resume.offset}-"
            if not self._immutable:
                headers["If-Range"] = resume.validator
        response = send(self._request, timeout, headers)
        try:
            return self._source(response, resume)
        except Retry:
            response.close()
            raise

    def _source(self, response: Any, resume: Resume | None) -> Source:
        where, etag = self._request.where, response.headers.get("ETag", "")
        validator = self._request.uri if self._immutable else etag if _STRONG_ETAG.fullmatch(etag) else ""
        if response.status != 206:
            length = response.headers.get("Content-Length", "")
            return Source(where, response, int(length) if length.isdecimal() else None, validator=validator)
        sent = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if resume is None or sent is None or int(sent[1]) != resume.offset or validator not in {"", resume.validator}:
            message = f"{where}: the server answered with another range of bytes than it was asked for"
            raise Retry(Reason.ARTIFACT_TRUNCATED, message, start_over=True)
        return Source(where, response, int(sent[3]), offset=resume.offset, validator=resume.validator)


def read_bytes(request: HttpRequest, timeout: float) -> bytes:
    """The whole answer, a small document. Raises like ``send``, and Retry when it breaks off."""
    with send(request, timeout) as response:
        try:
            return bytes(response.read(_LARGEST_DOCUMENT))
        except (OSError, http.client.HTTPException) as error:
            raise Retry(Reason.ARTIFACT_UNREACHABLE, f"{request.where}: the answer broke off") from error


def read_json(request: HttpRequest, timeout: float) -> Any:
    """The JSON document that the answer holds. Raises like ``read_bytes``, and ServingError when it is none."""
    try:
        return json.loads(read_bytes(request, timeout))
    except ValueError as error:
        message = f"{request.where} answered with something that is no JSON: is it the right address?"
        raise ServingError(Reason.ARTIFACT_UNREACHABLE, message) from error


def send(request: HttpRequest, timeout: float, headers: Mapping[str, str] | None = None) -> Any:
    """The response, its body still to be read. Raises Retry or ServingError (Refused for 401 and 403)."""
    where = request.where
    try:
        ask = urllib.request.Request(
            request.uri, headers={"Accept": request.accept, "User-Agent": "verdigris-fetch", **(headers or {})}
        )
        if request.authorization:
            ask.add_unredirected_header("Authorization", request.authorization)
        return _opener().open(ask, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise _status_failure(request, error) from error
    except (ValueError, http.client.InvalidURL) as error:
        raise ServingError(Reason.ARTIFACT_UNREACHABLE, f"{where} is no address to fetch from: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            message = f"{where}: its certificate is not trusted ({cause.verify_message})"
            raise ServingError(
                Reason.ARTIFACT_UNREACHABLE, f"{message}. Add its authority to the image or correct the uri."
            ) from error
        raise Retry(Reason.ARTIFACT_UNREACHABLE, f"{where} cannot be reached: {cause}") from error


def _status_failure(request: HttpRequest, error: urllib.error.HTTPError) -> Exception:
    status = error.code
    said = f"{request.where}: the server answered {status} {error.reason}"
    if status in request.missing:
        return ServingError(Reason.ARTIFACT_NOT_FOUND, f"{said}. {request.if_missing}")
    if status == 416:
        return Retry(Reason.ARTIFACT_TRUNCATED, said, start_over=True)
    if status >= 500 or status in _RETRIED_STATUS:
        return Retry(Reason.ARTIFACT_UNREACHABLE, said)
    if status in {401, 403}:
        return Refused(f"{said}. {request.if_refused}", error.headers.get("WWW-Authenticate", ""))
    return ServingError(Reason.ARTIFACT_UNREACHABLE, f"{said}. Check spec.model.uri and the right to read it.")


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http: an unverified artifact would lose its only protection.

    Credentials stay with the host they are for: object stores that a registry redirects to sign the address itself.
    """

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:  # noqa: PLR0917
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if req.type == "https" and new.scheme != "https":
            raise ServingError(
                Reason.ARTIFACT_UNREACHABLE,
                f"{safe_uri(req.full_url)} redirects from https to an unprotected address. "
                "Correct the server, or give spec.model.uri the https address of the artifact itself.",
            )
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and (old.scheme, old.netloc) == (new.scheme, new.netloc):
            kept = req.unredirected_hdrs.get("Authorization")
            if kept:
                following.add_unredirected_header("Authorization", kept)
        return following


def _opener() -> urllib.request.OpenerDirector:
    # Built by hand: the standard opener also speaks ftp and data.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        SafeRedirects(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
