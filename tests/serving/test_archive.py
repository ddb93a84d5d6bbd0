"""The artifact's bytes: deterministic to write, impossible to be harmed by when read."""

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.support import contents
from verdigris_serving.artifact.archive import InvalidArchive, read_archive, write_archive

GOOD = write_archive(contents())


def changed(member: str, change: Callable[[Any], Any]) -> bytes:
    """The good archive with one document changed."""
    return altered(GOOD, member, change)


def altered(data: bytes, member: str, change: Callable[[Any], Any]) -> bytes:
    """An archive with one document changed."""
    documents = members(data)
    documents[member] = json.dumps(change(json.loads(documents[member]))).encode()
    return rebuilt(documents)


def members(data: bytes) -> dict[str, bytes]:
    """The archive's members by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rebuilt(documents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in documents.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def merged(**fields: Any) -> Callable[[Any], Any]:
    return lambda document: {**document, **fields}


def test_what_was_written_reads_back_the_same() -> None:
    assert read_archive(GOOD) == contents()


def test_the_same_contents_give_the_same_bytes() -> None:
    assert write_archive(contents()) == GOOD


def test_the_bytes_are_those_of_every_other_machine_and_day() -> None:
    # Pinned: a changed layout must come with a new schema version, or old checksums stop being reproducible.
    assert hashlib.sha256(GOOD).hexdigest() == "87c235983b48201a04bb80e57cf4e6b4af2ec134ba5cb0d8bf24aee04435063c"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "BadZipFile", id="nothing at all"),
        pytest.param(GOOD[:200], "BadZipFile", id="cut short"),
        pytest.param(
            rebuilt({"manifest.json": b"{}"}), "must hold manifest.json, golden.json, one of model.json", id="members"
        ),
        pytest.param(
            rebuilt(dict.fromkeys(("manifest.json", "model.json", "golden.json"), b" " * 10_000), zipfile.ZIP_DEFLATED),
            "stored uncompressed",
            id="compressed, as a zip bomb would be",
        ),
        pytest.param(changed("manifest.json", merged(schema=2)), "schema 2, this version reads 1", id="newer schema"),
        pytest.param(
            changed("manifest.json", merged(format="pmml")), '"pmml" is none that there is: linear', id="format"
        ),
        pytest.param(changed("manifest.json", merged(version="1.0")), "not a semantic version", id="version"),
        pytest.param(
            changed("manifest.json", merged(surprise=1)),
            "manifest.json.*unknown field `surprise`.*image of that version",
            id="extra",
        ),
        pytest.param(changed("manifest.json", merged(classes=[0])), "two or more classes", id="one class"),
        pytest.param(changed("manifest.json", merged(classes=[0, "1"])), "of one type", id="classes of two types"),
        pytest.param(changed("manifest.json", merged(threshold=1.5)), "between 0 and 1", id="threshold"),
        pytest.param(changed("model.json", merged(intercepts=[0.0, 1.0])), "2 intercepts", id="intercepts"),
        pytest.param(changed("model.json", merged(link="exec")), "model.json.*exec", id="unknown link"),
        pytest.param(
            changed("model.json", merged(terms=[{"feature": 9, "function": "log", "weights": [1.0], "missing": None}])),
            "no index into the features",
            id="feature out of range",
        ),
        pytest.param(
            changed(
                "model.json", merged(terms=[{"feature": 1, "function": "eval", "weights": [1.0], "missing": None}])
            ),
            "model.json.*eval",
            id="function that is not on the list",
        ),
        pytest.param(changed("golden.json", merged(expected=[])), "1 golden rows have 0 expected", id="golden count"),
        pytest.param(changed("golden.json", merged(rows=[[1.0]])), "needs 3 values", id="golden width"),
        pytest.param(
            changed("golden.json", merged(rows=[[None, None, 1.0]])), '"insulin" is not a value', id="golden null"
        ),
    ],
)
def test_a_bad_archive_is_refused_with_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(InvalidArchive, match=says):
        read_archive(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
def test_damaged_bytes_read_as_an_artifact_or_are_refused_and_nothing_else(position: int, noise: bytes) -> None:
    data = GOOD[:position] + noise + GOOD[position + len(noise) :]
    with contextlib.suppress(InvalidArchive):
        assert read_archive(data).manifest
