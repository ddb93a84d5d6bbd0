"""The command line that makes and checks artifacts."""

import json
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tests.serving.support import write_artifact
from verdigris_serving.artifact.cli import main


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
    sha256 = capsys.readouterr().out.split("sha256 ")[1].split()[0]

    assert main(["inspect", artifact, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["sha256"] == sha256
    allowed = {"nullable": True, "minimum": 0, "maximum": 10, "out_of_range": "reject"}
    assert about["features"][0] == {"name": "dose", "datatype": "FP64", **allowed}

    assert main(["inspect", artifact]) == 0
    assert "may be missing" in capsys.readouterr().out
    assert main(["verify", artifact, "--sha256", sha256, "--name", "m", "--version", "2.0.0"]) == 0
    assert "the checksum holds, 2 golden rows pass" in capsys.readouterr().out


def test_a_pickle_is_not_loaded_unless_it_is_trusted(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(pack_arguments(pipeline)) == 1
    assert "runs whatever code is in it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        ("hight=FP64::", "no column hight; they have dose, weight"),
        ("dose=BLOB", "BLOB is none of"),
        ("dose=::x", "'x'"),
    ],
)
def test_a_wrong_feature_note_names_what_is_wrong(
    pipeline: Path, feature: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(pack_arguments(pipeline, "--trust-pickle", "--feature", feature)) == 1
    assert says in capsys.readouterr().err


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
