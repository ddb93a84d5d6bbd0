"""What packing is given as a path: joblib, pickle, skops, MLflow's folders, and what is wrong with any of them."""

import io
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
import sklearn
import skops.io
import yaml
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.serving.mlflow_folders import write_folder
from verdigris_serving.artifact.archive import read_archive, write_zip
from verdigris_serving.artifact.importing import skops_import
from verdigris_serving.artifact.importing.opening import opened
from verdigris_serving.artifact.loading import CannotLoad
from verdigris_serving.artifact.pack import pack
from verdigris_serving.cli import main
from verdigris_serving.model.schema import Feature

VALUES = np.random.default_rng(5).normal(size=(40, 2))
TARGET = (VALUES[:, 0] + VALUES[:, 1] > 0).astype(int)
GOOD = make_pipeline(StandardScaler(), LogisticRegression()).fit(VALUES, TARGET)
ROWS = {"columns": ["glucose", "visits"], "data": [[1.5, 2], [0.5, 3], [2.5, 1]]}
SIGNATURE = {"glucose": "double", "visits": "long"}


def older(data: bytes) -> bytes:
    """The same, fitted under an older scikit-learn by its own word."""
    return data.replace(sklearn.__version__.encode(), b"1.7.2")


def as_joblib(folder: Path) -> Path:
    joblib.dump(GOOD, folder / "m.joblib", compress=3)
    return folder / "m.joblib"


def as_pickle(folder: Path) -> Path:
    (folder / "m.pkl").write_bytes(pickle.dumps(GOOD))
    return folder / "m.pkl"


def as_skops(folder: Path) -> Path:
    skops.io.dump(GOOD, folder / "m.skops")
    return folder / "m.skops"


def as_packed_skops(folder: Path) -> Path:
    skops.io.dump(GOOD, folder / "m.skops", compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    return folder / "m.skops"


def as_mlflow(folder: Path) -> Path:
    return write_folder(folder / "logged", GOOD)


def as_mlflow_by_skops(folder: Path) -> Path:
    return write_folder(folder / "logged", GOOD, by="skops")


@pytest.mark.parametrize("write", [as_joblib, as_pickle, as_skops, as_packed_skops, as_mlflow, as_mlflow_by_skops])
def test_whatever_it_was_kept_in_the_same_pipeline_gives_the_same_artifact(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    wanted = pack(GOOD, tmp_path / "a.vmodel", X=VALUES, name="m")
    found = pack(write(tmp_path), tmp_path / "b.vmodel", X=VALUES, name="m", trust_pickle=True)

    assert found.sha256 == wanted.sha256
    assert found.told == ()


@pytest.mark.parametrize("write", [as_skops, as_mlflow_by_skops])
def test_what_is_by_skops_needs_no_trust(write: Callable[[Path], Path], tmp_path: Path) -> None:
    assert opened(write(tmp_path)).pipeline.predict(VALUES).tolist() == GOOD.predict(VALUES).tolist()


@pytest.mark.parametrize("write", [as_joblib, as_pickle, as_mlflow])
def test_a_pickle_is_loaded_only_by_who_trusts_it(write: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(CannotLoad, match="is a pickle, and loading a pickle runs whatever code is in it"):
        opened(write(tmp_path))


def test_generators_of_random_numbers_in_a_skops_file_are_left_out(tmp_path: Path) -> None:
    boosting = GradientBoostingClassifier(n_estimators=3, random_state=0).fit(VALUES, TARGET)
    skops.io.dump(boosting, tmp_path / "m.skops")

    assert pack(tmp_path / "m.skops", tmp_path / "m.vmodel", X=VALUES).manifest.format == "onnx"


def test_a_folder_gives_names_types_and_rows_to_prove_on(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "logged", GOOD, columns=SIGNATURE, example=ROWS)

    found = pack(folder, tmp_path / "m.vmodel", trust_pickle=True)

    contents = read_archive(found.path.read_bytes())
    assert contents.manifest.features == [Feature("glucose"), Feature("visits", datatype="INT64")]
    assert contents.golden.rows == [[1.5, 2.0], [0.5, 3.0], [2.5, 1.0]]


def test_rows_of_ones_own_go_before_the_input_example(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / "logged", GOOD, columns={"a": "double", "b": "double"}, example={"inputs": [[1, 2]]}
    )

    found = pack(folder, tmp_path / "m.vmodel", X=VALUES, trust_pickle=True)

    assert found.manifest.equivalence.rows == 40
    assert [feature.name for feature in found.manifest.features] == ["a", "b"]


def test_an_array_as_input_example_gives_rows_without_names(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "logged", GOOD, example={"inputs": VALUES[:3].tolist()})

    assert [feature.name for feature in opened(folder, trust_pickle=True).features] == []
    found = pack(folder, tmp_path / "m.vmodel", trust_pickle=True)
    assert [feature.name for feature in found.manifest.features] == ["x0", "x1"]


@pytest.mark.parametrize(
    "example", [pytest.param({"columns": ["a"], "data": [[1, 2]]}, id="ragged"), pytest.param({"data": 1}, id="other")]
)
def test_an_input_example_that_cannot_be_read_is_said_and_not_used(example: Any, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "logged", GOOD, example=example)

    found = pack(folder, tmp_path / "m.vmodel", X=VALUES, trust_pickle=True)

    assert [line for line in found.told if line.startswith("Its input example cannot be read")]


def test_a_signature_of_something_else_is_not_used(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "logged", GOOD)
    document = yaml.safe_load((folder / "MLmodel").read_text())
    document["signature"] = {"inputs": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float64"}}])}
    (folder / "MLmodel").write_text(yaml.safe_dump(document))

    assert opened(folder, trust_pickle=True).features == ()


def older_joblib(folder: Path) -> Path:
    (folder / "m.joblib").write_bytes(older(pickle.dumps(GOOD)))
    return folder / "m.joblib"


def older_skops(folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(GOOD))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["schema.json"] = older(members["schema.json"])
    (folder / "m.skops").write_bytes(write_zip(members))
    return folder / "m.skops"


def older_mlflow(folder: Path) -> Path:
    return write_folder(folder / "logged", GOOD, sklearn_version="1.7.2")


def older_mlflow_by_requirements(folder: Path) -> Path:
    write_folder(folder / "logged", GOOD)
    (folder / "logged" / "requirements.txt").write_text("mlflow==3.15.0\nscikit-learn==1.7.2\n")
    return folder / "logged"


@pytest.mark.parametrize("write", [older_joblib, older_skops, older_mlflow, older_mlflow_by_requirements])
def test_another_version_that_fitted_it_is_named_in_the_result_and_shown(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    found = pack(write(tmp_path), tmp_path / "m.vmodel", X=VALUES, trust_pickle=True)

    said = f"It was fitted under scikit-learn 1.7.2, and this is {sklearn.__version__}: what it answers here is what"
    assert [line for line in found.told if line.startswith(said)]
    assert said in found._repr_html_()


def test_the_command_line_packs_a_folder_without_any_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path / "logged", GOOD, columns=SIGNATURE, example=ROWS, sklearn_version="1.7.2")
    arguments = ["pack", str(folder), "--trust-pickle", "--name", "m", "--version", "1.0.0"]

    assert main([*arguments, "--out", str(tmp_path / "m.vmodel"), "--feature", "visits=:0:9:clamp"]) == 0

    said = capsys.readouterr().out
    assert "fitted under scikit-learn 1.7.2" in said
    assert "over 3 rows" in said
    features = read_archive((tmp_path / "m.vmodel").read_bytes()).manifest.features
    assert features[1] == Feature("visits", datatype="INT64", minimum=0.0, maximum=9.0, out_of_range="clamp")


@pytest.mark.parametrize("write", [as_skops, as_mlflow_by_skops])
def test_the_laptop_asks_it_without_an_artifact(
    write: Callable[[Path], Path], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "rows.csv").write_text("x0,x1\n1,1\n-1,-1\n")

    assert main(["predict", str(write(tmp_path)), str(tmp_path / "rows.csv")]) == 0

    assert [line[:1] for line in capfdbinary.readouterr().out.splitlines()[1:]] == [b"1", b"0"]


def test_the_laptop_proves_a_folder_on_its_input_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path / "logged", GOOD, by="skops", columns=SIGNATURE, example=ROWS)
    (tmp_path / "rows.csv").write_text("glucose,visits\n1,1\n")

    assert main(["predict", str(folder), str(tmp_path / "rows.csv"), "--out", str(tmp_path / "answers.csv")]) == 0
    assert "proven on the 3 of its input example" in capsys.readouterr().err


def changed(folder: Path, **fields: Any) -> None:
    """The folder's MLmodel, with other flavours or none."""
    write_folder(folder, GOOD)
    document = {**yaml.safe_load((folder / "MLmodel").read_text()), **fields}
    (folder / "MLmodel").write_text(yaml.safe_dump(document))


def mlmodel(folder: Path, text: bytes) -> None:
    folder.mkdir()
    (folder / "MLmodel").write_bytes(text)


def skops_file(path: Path, schema: bytes, **members: bytes) -> None:
    path.write_bytes(write_zip({"schema.json": schema, **members}))


def truncated(path: Path) -> None:
    path.write_bytes(skops.io.dumps(GOOD)[:900])


def packed(path: Path) -> None:
    pack(GOOD, path, X=VALUES, name="m")


def needs_a_module(path: Path) -> None:
    write_folder(path, GOOD, code="code")
    (path / "model.pkl").write_bytes(b"cnowhere_at_all\nThing\n.")


WRONG: list[tuple[str, Callable[[Path], Any], str]] = [
    ("not there", lambda _: None, "cannot be read: there is no such file or folder"),
    ("an empty folder", lambda path: path.mkdir(), "is a folder, and has no file MLmodel: give the one that has it"),
    ("a .vmodel", packed, "is packed already: verify, serve or ask it as it is"),
    ("another zip", lambda path: path.write_bytes(write_zip({"a": b""})), "is a zip, and neither a whole one nor by"),
    ("a zip that is cut off", truncated, "is a zip, and neither a whole one nor by skops"),
    ("skops of no JSON", lambda path: skops_file(path, b"{"), r"is no skops file, or it is cut off \(JSONDecodeError"),
    ("skops of a list", lambda path: skops_file(path, b"[]"), "its schema.json holds no object"),
    ("skops nested too deeply", lambda path: skops_file(path, b"[" * 100_000), r"no skops file, or .*\(RecursionError"),
    ("skops of old nodes", lambda path: skops_file(path, b'{"protocol": 0}'), "not of skops' protocol 2"),
    (
        "skops of a foreign type",
        lambda path: skops.io.dump(make_pipeline(FunctionTransformer(np.mean), GOOD), path),
        r"numpy.mean \(as a FunctionNode\), which this server does not allow; load it yourself \(skops.io.load",
    ),
    (
        "skops without an array",
        lambda path: skops_file(path, b'{"protocol": 2, "__loader__": "NdArrayNode", "file": "a.npy"}'),
        r"no skops file, or it is cut off \(KeyError",
    ),
    ("skops of no pipeline", lambda path: skops.io.dump({"a": 1}, path), "a dict is no estimator"),
    ("MLmodel of no YAML", lambda path: mlmodel(path, b"{"), "MLmodel is no YAML as MLflow writes it"),
    ("MLmodel of bytes", lambda path: mlmodel(path, b"\xff\xfe\x00"), "MLmodel is no YAML as MLflow writes it"),
    ("MLmodel nested too deeply", lambda path: mlmodel(path, b"[" * 50_000), "is no YAML as MLflow writes it"),
    ("MLmodel of a list", lambda path: mlmodel(path, b"- a"), "is no YAML as MLflow writes it"),
    ("MLmodel that builds an object", lambda path: mlmodel(path, b"!!python/name:os.system"), "is no YAML as MLflow"),
    ("an MLmodel without flavours", lambda path: changed(path, flavors=None), "names no flavors: it is none that MLfl"),
    (
        "another flavour",
        lambda path: changed(path, flavors={"python_function": {}, "xgboost": {"data": "model.xgb"}}),
        "is a model of MLflow's flavour xgboost, and sklearn is the one that is read: load it with MLflow",
    ),
    (
        "only a function",
        lambda path: changed(path, flavors={"python_function": {}}),
        "MLflow's flavour python_function",
    ),
    (
        "a flavour without file",
        lambda path: changed(path, flavors={"sklearn": {}}),
        "does not say where its pipeline is",
    ),
    (
        "a file outside of the folder",
        lambda path: changed(path, flavors={"sklearn": {"pickled_model": "../../etc/passwd"}}),
        r"names ../../etc/passwd, which is outside of its folder",
    ),
    (
        "a file that was not downloaded",
        lambda path: changed(path, flavors={"sklearn": {"pickled_model": "m.pkl"}}),
        r"has no m\.pkl, where its pipeline is: download the whole folder",
    ),
    ("a module of its own", needs_a_module, r"needs the module nowhere_at_all.*put that on PYTHONPATH"),
    (
        "an input example that is no table",
        lambda path: write_folder(path, GOOD, example={"inputs": [1, 2]}),
        "the input example has one dimension",
    ),
]


@pytest.mark.parametrize(("make", "says"), [pytest.param(make, says, id=name) for name, make, says in WRONG])
def test_a_path_that_is_wrong_is_said_in_a_sentence(
    make: Callable[[Path], Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "given"
    make(path)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n2,1\n")
    arguments = ["pack", str(path), "--trust-pickle", "--name", "m", "--version", "1.0.0"]

    assert main([*arguments, "--rows", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "m.vmodel")]) == 1

    said = capsys.readouterr().err
    assert re.search(says, said), said
    assert said.startswith("verdigris-model: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "m.vmodel").exists()


def test_a_skops_file_that_would_unpack_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skops_import, "MOST_BYTES", 1_000)
    forest = RandomForestClassifier(2, random_state=0).fit(VALUES, TARGET)
    skops.io.dump(forest, tmp_path / "m.skops", compression=zipfile.ZIP_DEFLATED)

    with pytest.raises(CannotLoad, match=r"would unpack to \d+ bytes, more than 1000"):
        opened(tmp_path / "m.skops")
