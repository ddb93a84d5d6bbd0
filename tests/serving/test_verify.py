"""From untrusted bytes to a model: the order of the checks, and what each says when it fails."""

import hashlib
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.support import contents, write_artifact
from verdigris_serving.artifact import verify
from verdigris_serving.artifact.archive import write_archive
from verdigris_serving.artifact.verify import Expectation, load_verified, verify_bytes
from verdigris_serving.reasons import Reason, ServingError

GOOD = write_archive(contents())
SHA256 = hashlib.sha256(GOOD).hexdigest()


def refusal(data: bytes, expected: Expectation) -> ServingError:
    with pytest.raises(ServingError) as raised:
        verify_bytes(data, expected, where="model.vmodel")
    return raised.value


def test_the_right_bytes_become_a_model_that_knows_its_checksum() -> None:
    model = verify_bytes(GOOD, Expectation(SHA256, "demo", "1.0.0", "linear"), where="model.vmodel")

    assert (model.sha256, model.manifest.version, model.golden_rows) == (SHA256, "1.0.0", 1)


def test_unverified_bytes_never_reach_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(verify, "read_archive", parsed.append)

    failure = refusal(GOOD + b" ", Expectation(SHA256))

    assert failure.reason is Reason.CHECKSUM_MISMATCH
    assert SHA256 in failure.message
    assert parsed == []


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        (Expectation(name="other"), 'name "demo", spec.model.name asks for "other"'),
        (Expectation(version="1.0.1"), 'version "1.0.0", spec.model.version asks for "1.0.1"'),
        (Expectation(format="onnx"), 'format "linear", spec.model.format asks for "onnx"'),
    ],
)
def test_another_model_than_was_asked_for_is_a_mismatch(expected: Expectation, says: str) -> None:
    failure = refusal(GOOD, expected)

    assert failure.reason is Reason.MODEL_MISMATCH
    assert says in failure.message


def test_a_model_that_does_not_reproduce_its_golden_rows_is_refused() -> None:
    failure = refusal(write_archive(contents(wrong_golden=True)), Expectation())

    assert failure.reason is Reason.GOLDEN_ROWS_FAILED
    assert "golden row 0 of 1 differs from its expected output by 0.01" in failure.message


def test_bytes_that_are_no_artifact_are_invalid() -> None:
    failure = refusal(b"<html>please log in</html>", Expectation())

    assert failure.reason is Reason.ARTIFACT_INVALID


def test_a_checksum_that_cannot_be_one_is_a_setting_to_correct() -> None:
    with pytest.raises(ServingError, match="not 64 lower-case hexadecimal digits") as raised:
        Expectation("abc")
    assert raised.value.reason is Reason.SETTINGS_INVALID


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ServingError) as raised:
        load_verified(tmp_path / "model.vmodel", Expectation(), max_bytes=10**6)
    assert raised.value.reason is Reason.ARTIFACT_NOT_FOUND


def test_a_file_beyond_the_limit_is_too_large(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel")

    with pytest.raises(ServingError) as raised:
        load_verified(tmp_path / "model.vmodel", Expectation(), max_bytes=100)
    assert raised.value.reason is Reason.ARTIFACT_TOO_LARGE


ADDRESS_SPACE = 1536 * 2**20


def test_a_small_artifact_needs_little_memory_whatever_the_largest_may_be(tmp_path: Path) -> None:
    path = tmp_path / "model.vmodel"
    path.write_bytes(GOOD)

    done = subprocess.run(
        [sys.executable, "-m", "verdigris_serving.artifact.cli", "verify", str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_an_artifact_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.vmodel"
    with path.open("wb") as sparse:
        sparse.truncate(2**40)

    with pytest.raises(ServingError) as raised:
        load_verified(path, Expectation(), max_bytes=2**31)
    assert raised.value.reason is Reason.ARTIFACT_TOO_LARGE
