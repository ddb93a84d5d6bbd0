"""Other versions of the libraries than those that packed or fitted: named, both of them."""

import pickle
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from tests.serving.support import server
from tests.serving.test_formats import fitted
from tests.serving.test_pack import packed
from verdigris_serving.artifact.archive import read_archive, write_archive
from verdigris_serving.artifact.loading import load_pipeline
from verdigris_serving.artifact.verify import Expectation, verify_bytes
from verdigris_serving.cli import main
from verdigris_serving.reasons import ServingError


def test_a_model_that_another_version_packed_is_refused_by_both_versions(tmp_path: Path) -> None:
    forest = fitted(RandomForestClassifier(3, random_state=0))
    contents = read_archive(packed(forest, tmp_path, format="sklearn").path.read_bytes())
    libraries = {**contents.manifest.libraries, "scikit-learn": "1.7.2"}
    manifest = msgspec.structs.replace(contents.manifest, libraries=libraries)
    wrong = [[*row[1:], row[0]] for row in contents.golden.expected]
    golden = msgspec.structs.replace(contents.golden, expected=wrong)

    with pytest.raises(ServingError) as refused:
        verify_bytes(write_archive(replace(contents, manifest=manifest, golden=golden)), Expectation(), where="m")

    assert f"it was packed with scikit-learn 1.7.2, and here is {sklearn.__version__}" in refused.value.message
    assert "Serve it with the versions that packed it, or pack it again." in refused.value.message


def test_a_pipeline_that_another_version_fitted_is_packed_and_said_so(tmp_path: Path) -> None:
    data = pickle.dumps(fitted(LogisticRegression()), protocol=0).replace(sklearn.__version__.encode(), b"1.7.2")
    (tmp_path / "p.joblib").write_bytes(data)

    (told,) = load_pipeline(tmp_path / "p.joblib").told

    assert told.startswith(f"It was fitted under scikit-learn 1.7.2, and this is {sklearn.__version__}")


def test_a_model_that_passes_under_another_version_is_served_and_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forest = fitted(RandomForestClassifier(3, random_state=0))
    contents = read_archive(packed(forest, tmp_path, format="sklearn").path.read_bytes())
    libraries = {**contents.manifest.libraries, "scikit-learn": "1.7.2"}
    manifest = msgspec.structs.replace(contents.manifest, libraries=libraries)
    (tmp_path / "older.vmodel").write_bytes(write_archive(replace(contents, manifest=manifest)))

    assert main(["verify", str(tmp_path / "older.vmodel")]) == 0
    said = f"it was packed with scikit-learn 1.7.2, and here is {sklearn.__version__}: its "
    assert said in capsys.readouterr().out

    with server(tmp_path, artifact="older.vmodel") as process:
        (line,) = [line for line in process.log if said in line["message"]]
    assert line["level"] == "warning"


def test_a_model_under_the_versions_that_packed_it_is_served_without_a_word(tmp_path: Path) -> None:
    data = packed(fitted(RandomForestClassifier(3, random_state=0)), tmp_path, format="sklearn").path.read_bytes()

    assert verify_bytes(data, Expectation(), where="m").told == ""
