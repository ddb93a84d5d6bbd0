"""Bring an artifact's bytes to a local file, hashing while they stream. Knows http, https and file; parses nothing.

What may pass by itself (no connection, 5xx, a stall, a body cut short) is tried again within one deadline; what
will not (404, 403, a checksum that differs, too many bytes) ends it at once.
"""

import errno
import hashlib
import http.client
import os
import random
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from verdigris_serving.artifact.verify import check_sha256
from verdigris_serving.reasons import Reason, ServingError

_CHUNK = 256 * 1024
#: A server that cuts the body short this often will do so again.
_TRUNCATED_ATTEMPTS = 3
_RETRIED_STATUS = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Limits:
    """``deadline`` and ``stall`` in seconds, ``max_bytes`` in bytes.

    The deadline is for the whole fetch and may be overrun by one stall: the longest silence that is waited out.
    """

    deadline: float
    stall: float
    max_bytes: int


class _Reader(Protocol):
    """The part of a response or a file that streaming needs."""

    def read1(self, size: int, /) -> bytes:
        """At most ``size`` bytes, as soon as there are any; empty at the end."""

    def close(self) -> None:
        """Give the connection or the file back."""


@dataclass(frozen=True)
class _Source:
    """An open artifact: ``where`` for messages, ``length`` in bytes when it was declared."""

    where: str
    reader: _Reader
    length: int | None


class _Retry(Exception):
    """This attempt failed in a way that may pass; carries what to say if it does not."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def safe_uri(uri: str) -> str:
    """The URI without user, password and query, which may hold a signature: fit for logs and messages."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the given uri"
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def download(
    uri: str,
    target: Path,
    *,
    sha256: str,
    limits: Limits,
    log: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Put the bytes of ``uri`` at ``target`` and return their SHA-256.

    ``target`` appears whole or not at all, and only when ``sha256`` (unless empty) holds.
    Raises ServingError with the reason; ``log`` hears of each attempt that failed.
    """
    end = clock() + limits.deadline
    truncated, pause = 0, 0.25
    while True:
        try:
            return _attempt(uri, target, sha256, limits, lambda: end - clock())
        except _Retry as failure:
            truncated += failure.reason is Reason.ARTIFACT_TRUNCATED
            # Half fixed, half random: pods that start together do not come back together.
            wait = pause * (0.5 + random.random() / 2)
            if truncated >= _TRUNCATED_ATTEMPTS or clock() + wait >= end:
                raise ServingError(failure.reason, f"{failure}.") from failure
            log(f"{failure}; trying again in {wait:.1f} s")
            sleep(wait)
            pause = min(pause * 2, 10.0)


def _attempt(uri: str, target: Path, sha256: str, limits: Limits, left: Callable[[], float]) -> str:
    source = _open(uri, min(limits.stall, max(left(), 0.05)))
    part = target.with_name(f".{target.name}.part")
    try:
        if source.length is not None and source.length > limits.max_bytes:
            raise _too_large(source.where, limits.max_bytes)
        actual = _stream(source, part, limits, left)
        check_sha256(actual, sha256, where=source.where)
        os.replace(part, target)
    finally:
        source.reader.close()
        part.unlink(missing_ok=True)
    return actual


def _open(uri: str, timeout: float) -> _Source:
    where, scheme = safe_uri(uri), uri.partition("://")[0].lower()
    if scheme == "file":
        return _open_file(uri, where)
    if scheme in {"http", "https"}:
        return _open_http(uri, where, timeout)
    raise ServingError(
        Reason.ARTIFACT_UNREACHABLE,
        f"{where}: this image fetches https://, http:// and file:// (a mounted volume), not this",
    )


def _stream(source: _Source, part: Path, limits: Limits, left: Callable[[], float]) -> str:
    digest, total = hashlib.sha256(), 0
    with _create(part) as file:
        while chunk := _read_some(source.reader, source.where, total):
            total += len(chunk)
            if total > limits.max_bytes:
                raise _too_large(source.where, limits.max_bytes)
            if left() <= 0:
                message = f"{source.where}: only {total} bytes came within {limits.deadline:g} s"
                raise ServingError(Reason.ARTIFACT_UNREACHABLE, f"{message}. Given up.")
            digest.update(chunk)
            _write(file, chunk)
    if source.length is not None and total < source.length:
        raise _Retry(
            Reason.ARTIFACT_TRUNCATED,
            f"{source.where}: the body ended after {total} of {source.length} bytes. "
            "Upload the artifact again, whole, and look at what stands between",
        )
    return digest.hexdigest()


def _read_some(reader: _Reader, where: str, so_far: int) -> bytes:
    try:
        return reader.read1(_CHUNK)
    except http.client.IncompleteRead as error:
        raise _Retry(Reason.ARTIFACT_TRUNCATED, f"{where}: the body broke off after {so_far} bytes") from error
    except TimeoutError as error:
        raise _Retry(Reason.ARTIFACT_UNREACHABLE, f"{where}: stalled after {so_far} bytes") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Retry(Reason.ARTIFACT_UNREACHABLE, f"{where}: broke off after {so_far} bytes: {error}") from error


def _create(part: Path) -> IO[bytes]:
    try:
        # Unbuffered: a full volume shows at the write that filled it, not again when the file is closed.
        return part.open("wb", buffering=0)
    except OSError as error:
        raise _not_written(str(part), error) from error


def _write(file: IO[bytes], chunk: bytes) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _not_written(file.name, error) from error


def _not_written(name: str, error: OSError) -> ServingError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    return ServingError(
        Reason.ARTIFACT_TOO_LARGE if full else Reason.INTERNAL_ERROR,
        f"{name} cannot be written: {error.strerror}. Check the size and the mount of the model volume.",
    )


def _too_large(where: str, max_bytes: int) -> ServingError:
    return ServingError(
        Reason.ARTIFACT_TOO_LARGE,
        f"{where} is larger than {max_bytes} bytes. Is it the right file? Otherwise raise VERDIGRIS_MAX_BYTES.",
    )


def _open_file(uri: str, where: str) -> _Source:
    path = Path(unquote(urlsplit(uri).path))
    try:
        file = path.open("rb")
        return _Source(where, file, os.fstat(file.fileno()).st_size)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ServingError(Reason.ARTIFACT_NOT_FOUND, f"there is no file {path} in this container") from error
    except OSError as error:
        raise ServingError(Reason.ARTIFACT_UNREACHABLE, f"{path} cannot be opened: {error.strerror}") from error


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http: an unverified artifact would lose its only protection."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:  # noqa: PLR0917
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise ServingError(
                Reason.ARTIFACT_UNREACHABLE, f"{safe_uri(req.full_url)} redirects from https to an unprotected address"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    # Built by hand: the standard opener also speaks ftp and data.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _SafeRedirects(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _open_http(uri: str, where: str, timeout: float) -> _Source:
    try:
        request = urllib.request.Request(uri, headers={"Accept": "*/*", "User-Agent": "verdigris-fetch"})
        response = _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        raise _status_failure(where, error.code, error.reason) from error
    except (ValueError, http.client.InvalidURL) as error:
        raise ServingError(Reason.ARTIFACT_UNREACHABLE, f"{where} is no address to fetch from: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            message = f"{where}: its certificate is not trusted ({cause.verify_message})"
            raise ServingError(
                Reason.ARTIFACT_UNREACHABLE, f"{message}. Add its authority to the image or correct the uri."
            ) from error
        raise _Retry(Reason.ARTIFACT_UNREACHABLE, f"{where} cannot be reached: {cause}") from error
    length = response.headers.get("Content-Length", "")
    return _Source(where, response, int(length) if length.isdecimal() else None)


def _status_failure(where: str, status: int, phrase: str) -> Exception:
    said = f"{where}: the server answered {status} {phrase}"
    if status in {404, 410}:
        return ServingError(Reason.ARTIFACT_NOT_FOUND, f"{said}. Check spec.model.uri, or publish the artifact.")
    if status >= 500 or status in _RETRIED_STATUS:
        return _Retry(Reason.ARTIFACT_UNREACHABLE, said)
    return ServingError(Reason.ARTIFACT_UNREACHABLE, f"{said}. Check spec.model.uri and the right to read it.")
