"""Bring an artifact's bytes to a local file, hashing while they stream. Knows no kind of source; parses nothing.

What may pass by itself (no connection, 5xx, a stall, a body cut short) is tried again within one deadline, going on
where the bytes stopped if the source can; what will not pass (404, 403, a checksum that differs, too many bytes) ends
it at once.
"""

import errno
import hashlib
import http.client
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from verdigris_serving.artifact.verify import check_sha256
from verdigris_serving.fetching.port import Log, Opener, Reader, Resume, Retry, Source
from verdigris_serving.fetching.sources import opener_of
from verdigris_serving.reasons import Reason, ServingError

_CHUNK = 256 * 1024
#: A server that cuts the body short this often in a row at the same byte will do so again.
_TRUNCATED_ATTEMPTS = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0


@dataclass(frozen=True)
class Limits:
    """``deadline`` and ``stall`` in seconds, ``max_bytes`` in bytes.

    The deadline is for the whole fetch and may be overrun by one stall: the longest silence that is waited out. (A
    source that asks several servers before it opens may overrun it by one for each.)
    """

    deadline: float
    stall: float
    max_bytes: int


def download(
    uri: str,
    target: Path,
    *,
    sha256: str,
    limits: Limits,
    log: Log,
    env: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Put the bytes of ``uri`` at ``target`` and return their SHA-256.

    ``target`` appears whole or not at all, and only when ``sha256`` (unless empty) holds. ``env`` holds credentials.
    Raises ServingError with the reason; ``log`` hears of each attempt that failed.
    """
    end = clock() + limits.deadline
    opener = opener_of(uri, env, log)
    part = _Part(target.with_name(f".{target.name}.part"))
    truncated, pause, most = 0, _FIRST_PAUSE, 0
    try:
        while True:
            try:
                actual = _attempt(opener, part, sha256, limits, lambda: end - clock())
            except Retry as failure:
                if part.resume() and part.total > most:
                    truncated, pause = 0, _FIRST_PAUSE
                most = max(most, part.total)
                truncated += failure.reason is Reason.ARTIFACT_TRUNCATED
                # Half fixed, half random: pods that start together do not come back together.
                wait = pause * (0.5 + random.random() / 2)
                if truncated >= _TRUNCATED_ATTEMPTS or clock() + wait >= end:
                    raise ServingError(failure.reason, f"{failure}.") from failure
                if failure.start_over:
                    part.drop()
                log(f"{failure}; trying again in {wait:.1f} s, {part.outlook()}")
                sleep(wait)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                part.become(target)
                return actual
    finally:
        part.drop()


class _Part:
    """The bytes that have come so far: their file, their running hash, their count, and the version they are of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._validator = ""
        self.total = 0
        #: The bytes come from more than one answer.
        self.pieced = False

    def resume(self) -> Resume | None:
        """What to ask the source for; None: everything."""
        return Resume(self.total, self._validator) if self.total and self._validator else None

    def outlook(self) -> str:
        """What the next attempt begins with, for the log."""
        return f"from byte {self.total} on" if self.resume() else "from the first byte"

    def begin(self, source: Source) -> None:
        """Take what ``source`` is about to send: the rest, or everything anew."""
        self.pieced = source.offset > 0
        if self._file is not None and not self.pieced:
            self.drop()
        if self._file is None:
            try:
                # Unbuffered: a full volume shows at the write that filled it, not again when the file is closed.
                self._file = self._path.open("wb", buffering=0)
            except OSError as error:
                raise _not_written(str(self._path), error) from error
        self._validator = source.validator

    def add(self, chunk: bytes) -> None:
        """Hash and write; raises ServingError when the volume does not take it."""
        assert self._file is not None
        self._digest.update(chunk)
        self.total += len(chunk)
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _not_written(str(self._path), error) from error

    def sha256(self) -> str:
        """Of all bytes so far, in hex."""
        return self._digest.hexdigest()

    def drop(self) -> None:
        """Forget everything, the file too."""
        if self._file is not None:
            self._file.close()
        self._path.unlink(missing_ok=True)
        self._file, self._digest, self._validator, self.total = None, hashlib.sha256(), "", 0

    def become(self, target: Path) -> None:
        """Appear under the final name, at once."""
        assert self._file is not None
        self._file.close()
        os.replace(self._path, target)
        self._file = None


def _attempt(opener: Opener, part: _Part, sha256: str, limits: Limits, left: Callable[[], float]) -> str:
    source = opener.open(min(limits.stall, max(left(), 0.05)), part.resume())
    try:
        if source.length is not None and source.length > limits.max_bytes:
            raise _too_large(source.where, limits.max_bytes)
        part.begin(source)
        _stream(source, part, limits, left)
    finally:
        source.reader.close()
    actual = part.sha256()
    for expected in (sha256, source.sha256):
        if part.pieced and expected not in {"", actual}:
            # The pieces may be of two versions: only bytes of one answer convict the artifact.
            message = f"{source.where}: the bytes of several answers do not fit together"
            raise Retry(Reason.CHECKSUM_MISMATCH, message, start_over=True)
        check_sha256(actual, expected, where=source.where)
    return actual


def _stream(source: Source, part: _Part, limits: Limits, left: Callable[[], float]) -> None:
    while chunk := _read_some(source.reader, source.where, part.total):
        if part.total + len(chunk) > limits.max_bytes:
            raise _too_large(source.where, limits.max_bytes)
        if left() <= 0:
            message = f"{source.where}: only {part.total} bytes came within {limits.deadline:g} s"
            raise ServingError(Reason.ARTIFACT_UNREACHABLE, f"{message}. Given up.")
        part.add(chunk)
    if source.length is None or part.total == source.length:
        return
    if part.total > source.length:
        raise Retry(
            Reason.ARTIFACT_TRUNCATED,
            f"{source.where}: {part.total} bytes came where {source.length} were announced. "
            "Upload the artifact again, and look at what stands between",
            start_over=True,
        )
    raise Retry(
        Reason.ARTIFACT_TRUNCATED,
        f"{source.where}: the body ended after {part.total} of {source.length} bytes. "
        "Upload the artifact again, whole, and look at what stands between",
    )


def _read_some(reader: Reader, where: str, so_far: int) -> bytes:
    try:
        return reader.read1(_CHUNK)
    except http.client.IncompleteRead as error:
        raise Retry(Reason.ARTIFACT_TRUNCATED, f"{where}: the body broke off after {so_far} bytes") from error
    except TimeoutError as error:
        raise Retry(Reason.ARTIFACT_UNREACHABLE, f"{where}: stalled after {so_far} bytes") from error
    except (OSError, http.client.HTTPException) as error:
        raise Retry(Reason.ARTIFACT_UNREACHABLE, f"{where}: broke off after {so_far} bytes: {error}") from error


def _not_written(name: str, error: OSError) -> ServingError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    return ServingError(
        Reason.ARTIFACT_TOO_LARGE if full else Reason.INTERNAL_ERROR,
        f"{name} cannot be written: {error.strerror}. Check the size and the mount of the model volume.",
    )


def _too_large(where: str, max_bytes: int) -> ServingError:
    return ServingError(
        Reason.ARTIFACT_TOO_LARGE,
        f"{where} is larger than {max_bytes} bytes. Is it the right file? If it is, raise VERDIGRIS_MAX_BYTES in "
        "spec.serving.env.",
    )
