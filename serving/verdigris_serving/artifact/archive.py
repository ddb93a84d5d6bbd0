"""The bytes of a ``.vmodel`` file: an uncompressed zip of documents and one model, the same bytes for the same inputs.

Uncompressed, because then no member can be larger than the file (no zip bomb) and no compressor's version shows
in the checksum. Any unzip tool opens it.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from verdigris_serving.model.checks import check_baseline, check_golden, check_linear, check_manifest, check_quality
from verdigris_serving.model.schema import (
    SCHEMA_VERSION,
    Baseline,
    GoldenRows,
    InvalidModel,
    LinearSpec,
    Manifest,
    Quality,
)

MANIFEST, GOLDEN, BASELINE, QUALITY = "manifest.json", "golden.json", "baseline.json", "quality.json"
#: The model's member by format: weights as JSON, or bytes that only the format's own reader understands.
MODELS = {"linear": "model.json", "onnx": "model.onnx", "sklearn": "model.skops"}
#: Zip cannot say "no date": this is the earliest it can say.
_EPOCH = (1980, 1, 1, 0, 0, 0)
#: Fields that schema 1 got later, and what is as good as not there. They are written only when they say something
#: else, so that what was packed before packs to the same bytes again.
_ADDED_LATER = {
    "out_of_range": "reject",
    "center": None,
    "fallback": None,
    "categories": None,
    "made": 0,
    "label_from": "scores",
    "labels": None,
    "unknown": "reject",
    "argument": None,
    "partial": False,
    "scores": "probabilities",
    "outputs": None,
    "importance": None,
}


class InvalidArchive(ValueError):
    """The bytes are no artifact that this version can read; the message says which part and why."""


@dataclass(frozen=True)
class Contents:
    """The documents of one artifact, decoded and checked. ``model`` is bytes unless the format is ``linear``."""

    manifest: Manifest
    model: LinearSpec | bytes
    golden: GoldenRows
    baseline: Baseline | None = None
    quality: Quality | None = None


def write_archive(contents: Contents) -> bytes:
    """The archive's bytes. They depend on ``contents`` alone: not on the clock, the machine or a library's version."""
    members: list[tuple[str, msgspec.Struct | bytes | None]] = [
        (MANIFEST, contents.manifest),
        (MODELS[contents.manifest.format], contents.model),
        (GOLDEN, contents.golden),
        (BASELINE, contents.baseline),
        (QUALITY, contents.quality),
    ]
    return write_zip({name: _bytes(member) for name, member in members if member is not None})


def write_zip(members: dict[str, bytes]) -> bytes:
    """An uncompressed zip of the members in their order, without anything of the clock or the machine in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = 3  # Unix, whatever machine packs
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
    return buffer.getvalue()


def _bytes(member: msgspec.Struct | bytes) -> bytes:
    if isinstance(member, bytes):
        return member
    # Python's own floats print as the shortest text that reads back the same, on every platform.
    plain = _without_defaults(msgspec.to_builtins(member))
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
    """Decode and check an artifact whose checksum the caller has verified. Raises InvalidArchive, nothing else.

    The model of another format than ``linear`` stays bytes: it is read by who is about to serve it.
    """
    try:
        members = _members(data)
        manifest = _manifest(members)
        golden = _decode(GOLDEN, members[GOLDEN], GoldenRows)
        check_golden(golden, manifest)
        return Contents(manifest, _model(members, manifest), golden, *_reports(members, manifest))
    except InvalidArchive:
        raise
    except InvalidModel as error:
        raise InvalidArchive(str(error)) from error
    except Exception as error:
        # zipfile raises half a dozen unrelated types on hostile bytes (struct.error, NotImplementedError, ...).
        raise InvalidArchive(f"not a readable artifact ({type(error).__name__}: {error})") from error


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        models = [name for name in names if name in MODELS.values()]
        optional = [name for name in (BASELINE, QUALITY) if name in names]
        if sorted(names) != sorted([MANIFEST, GOLDEN, *models[:1], *optional]) or not models:
            raise InvalidArchive(
                f"the archive must hold {MANIFEST}, {GOLDEN}, one of {', '.join(MODELS.values())}, "
                f"and at most {BASELINE} and {QUALITY} beside them; it holds {names[:10]}"
            )
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise InvalidArchive("the archive is compressed; an artifact is stored uncompressed")
        if sum(entry.file_size for entry in entries) > len(data):
            raise InvalidArchive("the archive claims to hold more than the file does")
        return {entry.filename: archive.read(entry) for entry in entries}


def _manifest(members: dict[str, bytes]) -> Manifest:
    data = members[MANIFEST]
    schema = _decode(MANIFEST, data, _SchemaOnly).schema
    if schema != SCHEMA_VERSION:
        raise InvalidArchive(
            f"{MANIFEST} has schema {schema}, this version reads {SCHEMA_VERSION}: pack it again with matching tools"
        )
    manifest = _decode(MANIFEST, data, Manifest)
    if manifest.format not in MODELS:
        raise InvalidArchive(f'format "{manifest.format}" is none that there is: {", ".join(MODELS)}')
    if MODELS[manifest.format] not in members:
        raise InvalidArchive(f'format "{manifest.format}" needs {MODELS[manifest.format]}, which the archive lacks')
    check_manifest(manifest)
    return manifest


def _model(members: dict[str, bytes], manifest: Manifest) -> LinearSpec | bytes:
    name = MODELS[manifest.format]
    if manifest.format != "linear":
        return members[name]
    spec = _decode(name, members[name], LinearSpec)
    check_linear(spec, manifest)
    return spec


def _reports(members: dict[str, bytes], manifest: Manifest) -> tuple[Baseline | None, Quality | None]:
    baseline = _decode(BASELINE, members[BASELINE], Baseline) if BASELINE in members else None
    quality = _decode(QUALITY, members[QUALITY], Quality) if QUALITY in members else None
    if baseline is not None:
        check_baseline(baseline, manifest)
    if quality is not None:
        check_quality(quality)
    return baseline, quality


class _SchemaOnly(msgspec.Struct):
    schema: int


_Document = TypeVar("_Document", bound=msgspec.Struct)


def _decode(name: str, data: bytes, kind: type[_Document]) -> _Document:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        later = "; a later verdigris-model has packed it, perhaps: serve it with the image of that version"
        raise InvalidArchive(f"{name}: {error}{later if 'unknown field' in str(error) else ''}") from error
