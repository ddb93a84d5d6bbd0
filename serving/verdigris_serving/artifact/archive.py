"""The bytes of a ``.vmodel`` file: an uncompressed zip with three JSON documents, the same bytes for the same inputs.

Uncompressed, because then no member can be larger than the file (no zip bomb) and no compressor's version shows
in the checksum. Any unzip tool opens it.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from verdigris_serving.model.schema import (
    SCHEMA_VERSION,
    GoldenRows,
    InvalidModel,
    LinearSpec,
    Manifest,
    check_golden,
    check_linear,
    check_manifest,
)

MANIFEST, MODEL, GOLDEN = "manifest.json", "model.json", "golden.json"
#: The order in the file, and the only members there may be.
MEMBERS = (MANIFEST, MODEL, GOLDEN)
#: Zip cannot say "no date": this is the earliest it can say.
_EPOCH = (1980, 1, 1, 0, 0, 0)
#: Fields that came later, with what they mean when absent: left out then, so that old checksums stay reproducible.
_ADDED_LATER = {"out_of_range": "reject", "center": None}
#: Formats that this server can serve.
FORMATS = ("linear",)


class InvalidArchive(ValueError):
    """The bytes are no artifact that this version can read; the message says which part and why."""


@dataclass(frozen=True)
class Contents:
    """The documents of one artifact, decoded and checked."""

    manifest: Manifest
    model: LinearSpec
    golden: GoldenRows


def write_archive(contents: Contents) -> bytes:
    """The archive's bytes. They depend on ``contents`` alone: not on the clock, the machine or a library's version."""
    buffer = io.BytesIO()
    documents: dict[str, msgspec.Struct] = {
        MANIFEST: contents.manifest,
        MODEL: contents.model,
        GOLDEN: contents.golden,
    }
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in MEMBERS:
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = 3  # Unix, whatever machine packs
            member.external_attr = 0o644 << 16
            archive.writestr(member, _canonical(documents[name]))
    return buffer.getvalue()


def _canonical(document: msgspec.Struct) -> bytes:
    # Python's own floats print as the shortest text that reads back the same, on every platform.
    plain = _without_defaults(msgspec.to_builtins(document))
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def _without_defaults(document: Any) -> Any:
    if isinstance(document, list):
        return [_without_defaults(item) for item in document]
    if not isinstance(document, dict):
        return document
    kept = {key: value for key, value in document.items() if key not in _ADDED_LATER or value != _ADDED_LATER[key]}
    return {key: _without_defaults(value) for key, value in kept.items()}


def read_archive(data: bytes) -> Contents:
    """Decode and check an artifact whose checksum the caller has verified. Raises InvalidArchive, nothing else."""
    try:
        members = _members(data)
        manifest = _manifest(members[MANIFEST])
        model = _decode(MODEL, members[MODEL], LinearSpec)
        golden = _decode(GOLDEN, members[GOLDEN], GoldenRows)
        check_linear(model, manifest)
        check_golden(golden, manifest)
    except InvalidArchive:
        raise
    except InvalidModel as error:
        raise InvalidArchive(str(error)) from error
    except Exception as error:
        # zipfile raises half a dozen unrelated types on hostile bytes (struct.error, NotImplementedError, ...).
        raise InvalidArchive(f"not a readable artifact ({type(error).__name__}: {error})") from error
    return Contents(manifest, model, golden)


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if sorted(names) != sorted(MEMBERS):
            raise InvalidArchive(f"the archive must hold exactly {', '.join(MEMBERS)}, it holds {names[:10]}")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise InvalidArchive("the archive is compressed; an artifact is stored uncompressed")
        if sum(entry.file_size for entry in entries) > len(data):
            raise InvalidArchive("the archive claims to hold more than the file does")
        return {entry.filename: archive.read(entry) for entry in entries}


def _manifest(data: bytes) -> Manifest:
    schema = _decode(MANIFEST, data, _SchemaOnly).schema
    if schema != SCHEMA_VERSION:
        raise InvalidArchive(
            f"{MANIFEST} has schema {schema}, this version reads {SCHEMA_VERSION}: pack it again with matching tools"
        )
    manifest = _decode(MANIFEST, data, Manifest)
    if manifest.format not in FORMATS:
        raise InvalidArchive(f'format "{manifest.format}" is not served by this image; it serves {", ".join(FORMATS)}')
    check_manifest(manifest)
    return manifest


class _SchemaOnly(msgspec.Struct):
    schema: int


_Document = TypeVar("_Document", bound=msgspec.Struct)


def _decode(name: str, data: bytes, kind: type[_Document]) -> _Document:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidArchive(f"{name}: {error}") from error
