"""From bytes that nobody trusts to a model that may answer: checksum, then parse, then identity, then golden rows.

The order is a law (docs/laws.md, law 12): no parser sees a byte before the checksum holds. The init step, the
server and ``verdigris-model verify`` all come through here.
"""

import contextlib
import hashlib
import hmac
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from verdigris_serving.artifact.archive import Contents, InvalidArchive, read_archive
from verdigris_serving.artifact.limits import TooCostly, bounded_memory
from verdigris_serving.model.formats import FormatNotServed, Reader, reader
from verdigris_serving.model.golden import golden_failure
from verdigris_serving.model.loaded import LoadedModel, Predictor
from verdigris_serving.model.schema import InvalidModel, Manifest
from verdigris_serving.reasons import Reason, ServingError

#: The libraries whose version decides what a format computes.
_COMPUTING = {"onnx": ("onnxruntime",), "sklearn": ("scikit-learn", "skops")}
#: Bytes read at a time beyond a file's size.
_PIECE = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Expectation:
    """What was asked for. An empty string means: not asked. ``sha256`` is lower-case hexadecimal."""

    sha256: str = ""
    name: str = ""
    version: str = ""
    format: str = ""

    def __post_init__(self) -> None:
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ServingError(
                Reason.SETTINGS_INVALID,
                f'the expected SHA-256 "{self.sha256[:80]}" is not 64 lower-case hexadecimal digits',
            )


def load_verified(path: Path, expected: Expectation, *, max_bytes: int) -> LoadedModel:
    """Read ``path`` once and verify those very bytes. Raises ServingError with the reason."""
    return verify_bytes(_read(path, max_bytes), expected, where=str(path))


def verify_bytes(data: bytes, expected: Expectation, *, where: str) -> LoadedModel:
    """Checksum, parse, identity, golden rows, in this order. Raises ServingError with the reason."""
    sha256 = hashlib.sha256(data).hexdigest()
    check_sha256(sha256, expected.sha256, where=where)
    try:
        with _bounded(where):
            contents = read_archive(data)
    except InvalidArchive as error:
        raise ServingError(
            Reason.ARTIFACT_INVALID,
            f"{where}: {error}. Pack the model again with the verdigris-model of the version that serves.",
        ) from error
    check_identity(contents.manifest, expected, where=where)
    read = _reader(contents.manifest, where=where)
    with _bounded(where):
        served = _predictor(contents, read, where=where)
        failure = golden_failure(served, contents.golden)
    if failure:
        raise ServingError(
            Reason.GOLDEN_ROWS_FAILED,
            f"{where}: {failure}. The packed model does not compute what its pipeline did: "
            f"{_todo(contents.manifest) or 'pack it again.'}",
        )
    rows = len(contents.golden.rows)
    others = _other_versions(contents.manifest)
    return LoadedModel(
        contents.manifest,
        served,
        sha256,
        rows,
        contents.baseline,
        contents.quality.metrics if contents.quality else {},
        told=f"{others}: its {rows} golden rows pass, and no other row was compared" if others else "",
    )


@contextlib.contextmanager
def _bounded(where: str) -> Iterator[None]:
    """Raises ServingError when what is within takes more memory than there is."""
    try:
        with bounded_memory():
            yield
    except TooCostly as error:
        raise ServingError(Reason.ARTIFACT_TOO_LARGE, f"{where}: {error}") from error


def _reader(manifest: Manifest, *, where: str) -> Reader:
    """Who reads the model. The packages that it imports are no part of what the artifact costs."""
    try:
        return reader(manifest.format)
    except FormatNotServed as error:
        raise ServingError(Reason.MODEL_MISMATCH, f"{where}: {error}") from error


def _predictor(contents: Contents, read: Reader, *, where: str) -> Predictor:
    try:
        return read(contents.manifest, contents.model)
    except InvalidModel as error:
        todo = _todo(contents.manifest) or "Pack the model again with verdigris-model pack."
        raise ServingError(Reason.ARTIFACT_INVALID, f"{where}: {error}. {todo}") from error


def _other_versions(manifest: Manifest) -> str:
    """Names the libraries that compute when they are others than packed it; empty when they are the same."""
    others = []
    for name in _COMPUTING.get(manifest.format, ()):
        with contextlib.suppress(PackageNotFoundError):
            packed, here = manifest.libraries.get(name), version(name)
            if packed and packed != here:
                others.append(f"{name} {packed}, and here is {here}")
    return f"it was packed with {'; '.join(others)}" if others else ""


def _todo(manifest: Manifest) -> str:
    """What to do when the libraries that compute are other ones than packed it; empty when they are the same."""
    others = _other_versions(manifest)
    return f"{others}. Serve it with the versions that packed it, or pack it again." if others else ""


def check_sha256(actual: str, expected: str, *, where: str) -> None:
    """Raise ServingError (ChecksumMismatch) unless they agree; an empty expectation agrees with everything."""
    if expected and not hmac.compare_digest(actual, expected):
        raise ServingError(
            Reason.CHECKSUM_MISMATCH,
            f"{where} has SHA-256 {actual}, expected {expected}. "
            "Either the artifact was changed after it was packed, or spec.model.sha256 is that of another file.",
        )


def check_identity(manifest: Manifest, expected: Expectation, *, where: str) -> None:
    """Raise ServingError (ModelMismatch) when the artifact is another model than was asked for."""
    pairs = (
        ("name", manifest.name, expected.name),
        ("version", manifest.version, expected.version),
        ("format", manifest.format, expected.format),
    )
    for field, actual, wanted in pairs:
        if wanted and actual != wanted:
            raise ServingError(
                Reason.MODEL_MISMATCH,
                f'{where}: the artifact says {field} "{actual}", spec.model.{field} asks for "{wanted}". '
                "Point the uri at the right artifact or correct the spec.",
            )


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            # `read` sets aside as much as it is asked for. A pipe has no size: it is read piece by piece.
            size = os.fstat(file.fileno()).st_size
            data = file.read(size) if size <= max_bytes else b""
            while size <= max_bytes and (more := file.read(_PIECE)):
                data += more
                size = len(data)
    except FileNotFoundError as error:
        raise ServingError(
            Reason.ARTIFACT_NOT_FOUND, f"there is no file {path}: the init step has not put an artifact there"
        ) from error
    except OSError as error:
        raise ServingError(Reason.ARTIFACT_UNREACHABLE, f"{path} cannot be read: {error.strerror}") from error
    if size > max_bytes:
        raise ServingError(
            Reason.ARTIFACT_TOO_LARGE,
            f"{path} is larger than {max_bytes} bytes. If it is the right file, set VERDIGRIS_MAX_BYTES to {size} or "
            "more: in front of the command, or in spec.serving.env of the ModelDeployment",
        )
    return data
