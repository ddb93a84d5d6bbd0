"""The command line that makes and checks artifacts."""

import json
import os
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from tests.serving.support import write_artifact
from verdigris_serving.artifact.archive import read_archive
from verdigris_serving.artifact.cli import main
from verdigris_serving.cli import main as model_command


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    values = np.array([[1.0, 5.0], [2.0, 4.0], [3.0, np.nan], [4.0, 1.0]])
    joblib.dump(make_pipeline(SimpleImputer(), LogisticRegression()).fit(values, [0, 0, 1, 1]), tmp_path / "p.joblib")
    (tmp_path / "rows.csv").write_text("dose,weight\n1,5\n2.5,\n4,1\n")
    return tmp_path / "p.joblib"


def pack_arguments(pipeline: Path, *more: str) -> list[str]:
    folder = pipeline.parent
    return ["pack", str(pipeline), "--rows", str(folder / "rows.csv"), "--name", "m", "--version", "2.0.0",
            "--out", str(folder / "m.vmodel"), "--golden", "2", *more]  # fmt: skip


def test_a_pipeline_is_packed_inspected_and_verified(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(pack_arguments(pipeline, "--trust-pickle", "--feature", "dose=INT64:0:10", "--feature", "weight=::9")) == 1
    )
    assert "golden row 1" in capsys.readouterr().err  # 2.5 is no dose a caller may send
    assert main(pack_arguments(pipeline, "--trust-pickle", "--feature", "dose=FP64:0:10")) == 0
    artifact = str(pipeline.parent / "m.vmodel")
    said = capsys.readouterr().out
    sha256 = said.split("sha256 ")[1].split()[0]
    spec = yaml.safe_load(said.split("write in the ModelDeployment:\n")[1])["spec"]["model"]
    assert spec == {
        "name": "m",
        "version": "2.0.0",
        "format": "linear",
        "uri": "https://HOST/PATH.vmodel",
        "sha256": sha256,
    }

    assert main(["inspect", artifact, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["sha256"] == sha256
    dose = {"name": "dose", "datatype": "FP64", "nullable": True, "minimum": 0, "maximum": 10, "out_of_range": "reject"}
    dose |= {"categories": None, "unknown": "reject"}
    assert about["features"][0] == dose

    assert main(["inspect", artifact]) == 0
    assert "may be missing" in capsys.readouterr().out
    assert main(["verify", artifact, "--sha256", sha256, "--name", "m", "--version", "2.0.0"]) == 0
    assert "the checksum holds, 2 golden rows pass" in capsys.readouterr().out


def test_a_csv_file_that_begins_with_a_byte_order_mark_has_the_columns_that_it_shows(pipeline: Path) -> None:
    rows = pipeline.parent / "rows.csv"
    rows.write_bytes(b"\xef\xbb\xbf" + rows.read_bytes())

    assert main(pack_arguments(pipeline, "--trust-pickle")) == 0
    manifest = read_archive((pipeline.parent / "m.vmodel").read_bytes()).manifest
    assert [feature.name for feature in manifest.features] == ["dose", "weight"]


def test_a_pickle_is_not_loaded_unless_it_is_trusted(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(pack_arguments(pipeline)) == 1
    assert "runs whatever code is in it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        ("hight=FP64::", "no column hight; they have dose, weight"),
        ("dose=BLOB", "BLOB is none of"),
        ("dose=::x", "'x'"),
        ("dose=FP64:0:9:round", "round is none of reject, clamp"),
    ],
)
def test_a_wrong_feature_note_names_what_is_wrong(
    pipeline: Path, feature: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(pack_arguments(pipeline, "--trust-pickle", "--feature", feature)) == 1
    assert says in capsys.readouterr().err


@pytest.fixture
def tables(pipeline: Path) -> Path:
    """A holdout with its target in the middle, and training rows, in the pipeline's folder."""
    (pipeline.parent / "holdout.csv").write_text("dose,ill,weight\n1,0,5\n2.5,0,\n4,1,1\n3,1,2\n")
    (pipeline.parent / "training.csv").write_text("ill,weight,dose\n0,5,1\n1,,3\n")
    return pipeline.parent


def report_arguments(folder: Path, *more: str) -> list[str]:
    return ["pack", str(folder / "p.joblib"), "--trust-pickle", "--name", "m", "--version", "2.0.0",
            "--out", str(folder / "m.vmodel"), "--golden", "2", "--holdout", str(folder / "holdout.csv"),
            "--target", "ill", "--training", str(folder / "training.csv"), *more]  # fmt: skip


def test_holdout_and_training_rows_become_reports(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = str(tables / "m.vmodel")

    assert main(report_arguments(tables, "--feature", "dose=::4:clamp")) == 0
    assert "on the holdout: accuracy 0.75, auc 1" in capsys.readouterr().out
    assert main(["inspect", artifact, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["quality"]["rows"] == 4
    assert [(entry["name"], entry["count"]) for entry in about["baseline"]["features"]] == [("dose", 2), ("weight", 1)]
    assert about["features"][0]["out_of_range"] == "clamp"
    assert main(["inspect", artifact]) == 0
    text = capsys.readouterr().out
    assert "to 4, clamp beyond" in text
    assert "over 4 rows it was not trained on" in text
    assert "training baseline over 2 rows" in text
    assert "50.0% missing" in text


def test_a_fallback_is_said_when_packing_and_when_inspecting(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.array([[1.0, 5.0], [2.0, 4.0], [3.0, 2.0], [4.0, 1.0]])
    model = make_pipeline(SimpleImputer(), DecisionTreeClassifier(random_state=0)).fit(values, [0, 0, 1, 1])
    joblib.dump(model, tables / "p.joblib")

    assert main(report_arguments(tables)) == 0
    assert 'format onnx: not linear, because step "decisiontreeclassifier"' in capsys.readouterr().out
    assert main(["inspect", str(tables / "m.vmodel")]) == 0
    assert "fallback     not linear, because" in capsys.readouterr().out
    assert main(report_arguments(tables, "--format", "linear")) == 1
    assert "is no linear model that folds" in capsys.readouterr().err
    assert main(report_arguments(tables, "--format", "sklearn")) == 0
    assert main(["verify", str(tables / "m.vmodel")]) == 0


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("holdout.csv", "dose,weight\n1,5\n", "no column ill"),
        ("holdout.csv", "dose,ill,weight\n1,0\n", "line 2: 2 cells for 3 columns"),
        ("training.csv", "dose\n1\n", "training.csv has no column weight"),
        ("training.csv", "dose,weight,name\n1,5,Ann\n", "has a column name that is no feature: say --unused name"),
        ("training.csv", "dose,wieght\n1,5\n", 'no column weight and has "wieght", which is none of them'),
        ("training.csv", "dose;weight\n1;5\n", "looks separated by semicolons: separate its cells by commas"),
        ("holdout.csv", "dose;ill;weight\n1,0;1;5\n", "looks separated by semicolons"),
        ("training.csv", "dose,weight\n1,high\n", "row 0 holds text, and the pipeline encodes no text"),
        ("holdout.csv", "dose,ill,weight\n1,maybe,5\n2,0,5\n", "a label that is no class of the model"),
    ],
)
def test_a_table_that_does_not_fit_says_where(
    file: str, text: str, says: str, tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tables / file).write_text(text)

    assert main(report_arguments(tables)) == 1
    assert says in capsys.readouterr().err


def test_a_column_that_is_no_feature_is_left_out_when_it_is_named(tables: Path) -> None:
    (tables / "holdout.csv").write_text("dose,ill,weight,id,by\n1,0,5,a,x\n2.5,0,,b,y\n4,1,1,c,x\n")

    assert main(report_arguments(tables, "--unused", "id", "--unused", "by")) == 0


def test_a_column_too_many_among_the_rows_alone_is_named_with_what_to_do(
    pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame({"dose": [1.0, 2.5, 4.0, 3.0], "weight": [5.0, 4.0, 1.0, 2.0]})
    joblib.dump(make_pipeline(LogisticRegression()).fit(frame, [0, 0, 1, 1]), pipeline)
    (pipeline.parent / "rows.csv").write_text("dose,weight,ill\n1,5,0\n2.5,4,0\n4,1,1\n")

    assert main(pack_arguments(pipeline, "--trust-pickle")) == 1
    told = capsys.readouterr().err
    assert 'also has "ill"; leave out what is no feature (on the command line: --unused COLUMN)' in told
    assert main(pack_arguments(pipeline, "--trust-pickle", "--unused", "ill")) == 0


def test_the_target_may_be_a_column_of_the_rows(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(report_arguments(tables, "--rows", str(tables / "holdout.csv"))) == 0
    assert "over 4 rows" in capsys.readouterr().out


def test_rows_or_a_holdout_with_its_target_are_needed(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = report_arguments(tables)

    assert main([word for word in arguments if word not in {"--target", "ill"}]) == 1
    assert "--holdout needs --target" in capsys.readouterr().err
    assert main(arguments[: arguments.index("--holdout")]) == 1
    assert "give --rows or --holdout" in capsys.readouterr().err


def test_diff_says_what_changed(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(report_arguments(tables)) == 0
    before, after = tables / "m.vmodel", tables / "n.vmodel"
    values = np.array([[1.0, 9.0], [2.0, 4.0], [3.0, np.nan], [4.0, 1.0]])
    joblib.dump(
        make_pipeline(SimpleImputer(), LogisticRegression(C=9.0)).fit(values, [0, 0, 1, 1]), tables / "p.joblib"
    )
    (tables / "training.csv").write_text("weight,dose\n9,1\n1,5\n")
    changed = report_arguments(tables, "--feature", "dose=FP64:0:", "--threshold", "0.4")
    changed[changed.index("2.0.0")] = "2.1.0"
    changed[changed.index(str(before))] = str(after)
    assert main(changed) == 0
    capsys.readouterr()

    assert main(["diff", str(before), str(after), "--json"]) == 0
    change = json.loads(capsys.readouterr().out)
    assert change["manifest"] == {"version": ["2.0.0", "2.1.0"], "threshold": [None, 0.4]}
    assert change["features"] == {"dose": {"minimum": [None, 0.0]}}
    assert set(change["weights"]) == {"(intercept)", "dose", "weight"}
    sizes = [abs(old[0] - new[0]) for old, new in change["weights"].values()]
    assert sizes == sorted(sizes, reverse=True)
    assert change["quality"]["auc"] == [1.0, 1.0]
    assert change["baseline"]["dose"] == {"mean": [2.0, 3.0], "deviations": 1.0, "missing": [0.0, 0.0]}
    assert change["baseline"]["weight"]["missing"] == [0.5, 0.0]

    assert main(["diff", str(before), str(after)]) == 0
    text = capsys.readouterr().out
    assert "threshold    none → 0.4" in text
    assert "dose: minimum none → 0" in text
    assert "mean 2 → 3 (+1.00 deviations)" in text
    assert main(["diff", str(before), str(before)]) == 0
    assert "→ 2.1.0" not in capsys.readouterr().out


def test_diff_across_formats_and_features_has_no_weights(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(report_arguments(tables, "--format", "onnx")) == 0
    write_artifact(tables / "other.vmodel")
    capsys.readouterr()

    assert main(["diff", str(tables / "m.vmodel"), str(tables / "other.vmodel"), "--json"]) == 0
    change = json.loads(capsys.readouterr().out)
    assert change["manifest"]["format"] == ["onnx", "linear"]
    assert (change["added"], change["removed"]) == (["glucose", "insulin", "age"], ["dose", "weight"])
    assert (change["weights"], change["baseline"]) == ({}, {})


def test_verify_says_why_it_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = tmp_path / "m.vmodel"
    write_artifact(artifact, wrong_golden=True)

    assert main(["verify", str(artifact), "--sha256", "0" * 64]) == 1
    assert f"expected {'0' * 64}" in capsys.readouterr().err
    assert main(["verify", str(artifact)]) == 1
    assert "golden row 0" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "says"), [(None, "cannot be read"), (b"hello", "not a readable artifact")])
def test_inspect_of_something_else_is_a_sentence(
    content: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.vmodel"
    if content is not None:
        path.write_bytes(content)

    assert main(["inspect", str(path)]) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify {}", "inspect {}", "diff {} {}", "serve {}", "predict {} rows.csv"])
@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_what_is_no_file_is_refused_at_once(
    command: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = {"device": Path("/dev/zero"), "pipe": tmp_path / "pipe", "folder": tmp_path}[kind]
    if kind == "pipe":
        os.mkfifo(path)  # whoever opens it waits until somebody writes

    assert model_command(command.format(path, path).split()) == 1

    said = capsys.readouterr().err
    assert str(path) in said
    assert "folder" in said if kind == "folder" else "it is a device, a pipe or a socket: write what it gives" in said


@pytest.mark.parametrize("command", ["verify", "serve"])
def test_a_file_that_is_too_large_is_refused_with_how_to_take_it(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_artifact(tmp_path / "m.vmodel")
    size = (tmp_path / "m.vmodel").stat().st_size
    monkeypatch.setenv("VERDIGRIS_MAX_BYTES", str(size - 1))

    assert model_command([command, str(tmp_path / "m.vmodel")]) == 1
    assert f"set VERDIGRIS_MAX_BYTES to {size} or more: in front of the command, or" in capsys.readouterr().err

    monkeypatch.setenv("VERDIGRIS_MAX_BYTES", str(size))
    assert model_command(["verify", str(tmp_path / "m.vmodel")]) == 0
    monkeypatch.setenv("VERDIGRIS_MAX_BYTES", "much")
    assert model_command(["verify", str(tmp_path / "m.vmodel")]) == 1
    assert 'VERDIGRIS_MAX_BYTES is "much"; it must be a number from' in capsys.readouterr().err
