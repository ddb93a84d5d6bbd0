"""``verdigris-model serve`` and ``predict``: a model on one's own machine."""

import argparse
import csv
import io
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from tests.serving.support import FEATURES, PATIENCE, write_artifact
from verdigris_serving.cli import main
from verdigris_serving.laptop.model import add_options, load
from verdigris_serving.model.schema import Feature

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, once it has said how it is asked; and what it has said."""
    command = [sys.executable, "-m", "verdigris_serving.cli", "serve", *arguments, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if line.startswith("Ctrl-C"):
                break
        else:
            assert process.stderr is not None
            raise AssertionError(process.stderr.read())
        yield process, said
    finally:
        process.kill()
        process.communicate()


def asked(said: str) -> Any:
    """What the printed command gets, run as it stands."""
    (line,) = re.findall(r"^\s+(curl .*)$", said, re.MULTILINE)
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, timeout=PATIENCE)
    return json.loads(done.stdout)


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    write_artifact(tmp_path / "demo.vmodel")
    return tmp_path / "demo.vmodel"


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    values = np.array([[1.0, 5.0], [2.0, 4.0], [3.0, 2.0], [4.0, 1.0]])
    joblib.dump(LogisticRegression().fit(values, ["no", "no", "yes", "yes"]), tmp_path / "my model (2).joblib")
    return tmp_path / "my model (2).joblib"


@needs_curl
def test_a_model_is_served_says_how_it_is_asked_and_stops_at_ctrl_c(artifact: Path) -> None:
    with serving(str(artifact)) as (process, said):
        answer = asked(said)
        base = re.findall(r"(http://127.0.0.1:\d+)/$", said, re.MULTILINE)[0]
        with urllib.request.urlopen(base, timeout=PATIENCE) as response:
            assert b"<title>" in response.read()

        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert [output["name"] for output in answer["outputs"]] == ["label", "probabilities"]


@needs_curl
def test_a_pipeline_by_joblib_is_packed_on_the_way(pipeline: Path) -> None:
    with serving(str(pipeline), "--trust-pickle", "--no-page") as (_, said):
        answer = asked(said)
        base = re.findall(r"(http://127.0.0.1:\d+)/", said)[0]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(base, timeout=PATIENCE)

    assert "proven on 64 that were made up" in said
    assert (answer["model_name"], answer["model_version"]) == ("my-model-2", "0.0.0")
    assert answer["outputs"][0]["data"][0] in {"no", "yes"}


@needs_curl
def test_the_two_commands_of_the_readme_lead_from_a_notebook_to_an_answer(tmp_path: Path) -> None:
    readme = (REPOSITORY / "README.md").read_text()
    (block,) = re.findall(r"```sh\n(pip install '\.\[pack\]'.*?)```", readme, re.DOTALL)
    install, serve, curl = block.splitlines()
    assert install.partition("#")[0].strip() == "pip install '.[pack]'"
    fitted = LogisticRegression().fit([[90.0, 22.0], [180.0, 35.0]], [0, 1])
    fitted.feature_names_in_ = np.array(["glucose", "bmi"], dtype=object)
    joblib.dump(fitted, tmp_path / "model.joblib")

    program, command, path, *options = shlex.split(serve)
    assert (program, command) == ("verdigris-model", "serve")
    with serving(str(tmp_path / path), *options) as (process, said):
        (port,) = set(re.findall(r"127.0.0.1:(\d+)", said))
        answer = asked("    " + curl.replace("8080", port))
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert re.fullmatch(r"packing \S+, and proving that .+\n", process.stderr.read())
    assert answer["outputs"][0] == {"name": "label", "datatype": "INT64", "shape": [1], "data": [1]}


def test_a_port_that_is_taken_is_a_sentence(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(str(artifact)) as (_, said):
        port = re.findall(r"127.0.0.1:(\d+)/", said)[0]
        assert main(["serve", str(artifact), "--port", port]) == 1
    assert f"port {port} of 127.0.0.1 cannot be listened on" in capsys.readouterr().err


def not_fitted(folder: Path) -> Path:
    joblib.dump(LogisticRegression(), folder / "m.joblib")
    return folder / "m.joblib"


def no_pickle(folder: Path) -> Path:
    (folder / "m.joblib").write_text("hello")
    return folder / "m.joblib"


def only_years(values: Any) -> Any:
    """A step that refuses whatever is made up."""
    if (np.asarray(values) < 1_900).any():
        raise ValueError("a year is needed")
    return values


def answers_nothing(folder: Path) -> Path:
    model = make_pipeline(FunctionTransformer(only_years), LogisticRegression()).fit([[1950.0], [1980.0]], [0, 1])
    joblib.dump(model, folder / "m.joblib")
    return folder / "m.joblib"


@pytest.mark.parametrize(
    ("make", "more", "says"),
    [
        (lambda folder: folder / "none.vmodel", [], "none.vmodel cannot be read: No such file"),
        (no_pickle, [], "is no .vmodel. If it is a pipeline by joblib, it is a pickle"),
        (no_pickle, ["--trust-pickle"], "cannot be loaded by joblib"),
        (not_fitted, ["--trust-pickle"], "does not say how many features it has: give --rows"),
        (answers_nothing, ["--trust-pickle"], "To the first that was made it says: a year is needed"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(
    make: Any, more: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(make(tmp_path)), *more]) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("size", ["0", "1025"])
def test_a_body_limit_has_bounds(size: str, artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(artifact), "--max-body-mib", size]) == 1
    assert "from 1 to 1024" in capsys.readouterr().err


TABLE = "id,age,glucose,insulin\na,40,120,80\n\nb,50,,90\n"


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_file_is_answered_without_a_server(
    artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(TABLE)

    assert main(["predict", str(artifact), str(tmp_path / "rows.csv"), "--keep", "id"]) == 0
    out = capsys.readouterr().out
    assert [line["id"] for line in lines(out)] == ["a", "b"]
    assert list(lines(out)[0]) == ["id", "label", "probability_0", "probability_1"]
    assert main(["predict", str(artifact), str(tmp_path / "rows.csv"), "--keep", "id", "--keep", "age"]) == 0
    assert [(line["id"], line["age"]) for line in lines(capsys.readouterr().out)] == [("a", "40"), ("b", "50")]
    path = tmp_path / "answers.csv"
    assert main(["predict", str(artifact), str(tmp_path / "rows.csv"), "--keep", "id", "--out", str(path)]) == 0
    assert path.read_text() == out


def test_more_rows_than_a_request_may_have_are_answered(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("glucose,insulin,age\n" + "120,80,40\n" * 250_001)

    assert main(["predict", str(artifact), str(tmp_path / "rows.csv"), "--out", str(tmp_path / "o.csv")]) == 0
    assert (tmp_path / "o.csv").read_text().count("\n") == 250_002


@pytest.mark.parametrize(
    ("table", "more", "says"),
    [
        (
            TABLE,
            [],
            '"id", which is no feature of this model: copy it to the answers with --keep id, or leave it out\n',
        ),
        (TABLE.replace(",", ";"), [], "the header looks separated by semicolons; commas are needed\n"),
        (
            TABLE.replace("age", "years"),
            ["--keep", "id"],
            'the header lacks "age" and has "id", "years", no feature of this model; its first line must name every '
            "feature\n",
        ),
        (TABLE, ["--keep", "hight"], 'no column "hight" to keep; the header has id, age, glucose, insulin'),
        (
            TABLE.replace("90", "much"),
            ["--keep", "id"],
            'feature "insulin", row 1: a number is needed',
        ),
        (TABLE.replace("90", ""), ["--keep", "id"], 'feature "insulin", row 1: a value is needed'),
        (TABLE.replace("80", "0"), ["--keep", "id"], "log has no finite value"),
        ("", [], "the header lacks"),
        (TABLE + "c,1,2,3,4\n", ["--keep", "id"], "row 2: 5 cells; the header has 4"),
        (TABLE + "\n\nc,50,120", ["--keep", "id", "--keep", "insulin"], "row 2: 3 cells; the header has 4"),
    ],
)
def test_a_file_that_cannot_be_answered_is_refused_and_nothing_is_written(
    table: str, more: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_artifact(tmp_path / "demo.vmodel", function="log")
    (tmp_path / "rows.csv").write_text(table)
    out = tmp_path / "out.csv"

    assert main(["predict", str(tmp_path / "demo.vmodel"), str(tmp_path / "rows.csv"), "--out", str(out), *more]) == 1
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_a_table_on_standard_input_is_answered(artifact: Path) -> None:
    command = [sys.executable, "-m", "verdigris_serving.cli", "predict", str(artifact), "-"]
    done = subprocess.run(command, input=b"glucose,insulin,age\n120,80,40\n", capture_output=True, check=True)

    assert lines(done.stdout.decode())[0]["label"] == "1"


def test_a_pipelines_own_answers_are_given_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.array([[1.0, 5.0], [2.0, 4.0], [3.0, 2.0], [4.0, 1.0]])
    forest = RandomForestRegressor(5, random_state=0).fit(values, [1.0, 2.0, 3.0, 4.5])
    joblib.dump(forest, tmp_path / "forest.joblib")
    (tmp_path / "rows.csv").write_text("\n".join(["x1,x0", *(f"{b},{a}" for a, b in values)]))

    assert main(["predict", str(tmp_path / "forest.joblib"), str(tmp_path / "rows.csv"), "--trust-pickle"]) == 0
    out, err = capsys.readouterr()
    assert [float(line["value"]) for line in lines(out)] == pytest.approx(list(forest.predict(values)), abs=1e-6)
    assert err.startswith("packing ")
    assert "packed: within " in err


def test_a_curl_command_survives_any_feature_name(tmp_path: Path) -> None:
    from verdigris_serving.laptop.model import _verified  # noqa: PLC0415
    from verdigris_serving.laptop.serving import curl  # noqa: PLC0415

    names = ["patient's age", '"$(reboot)"', "größe\n"]
    features = [Feature(name, "FP64", nullable=True) for name in names[:1]] + [Feature(name) for name in names[1:]]
    write_artifact(tmp_path / "m.vmodel", features=features)
    words = shlex.split(curl("http://127.0.0.1:1", _verified(tmp_path / "m.vmodel")))
    assert set(json.loads(words[-1])["rows"][0]) == set(names)
    assert len(FEATURES) == len(names)


SHOP = pd.DataFrame(
    {
        "income": [10.0, 20.0, 30.0, 45.0],
        "city": ["Bonn", "Ulm", "Bonn", "Köln"],
        "member": [True, False, False, True],
        "zone": [3, 7, 3, 7],
    }
)


def by_name(**steps: tuple[Any, list[str]]) -> Any:
    columns = ColumnTransformer([(name, step, names) for name, (step, names) in steps.items()])
    return make_pipeline(columns, LogisticRegression())


NUMBERS, TEXTS = (StandardScaler(), ["income"]), (OneHotEncoder(), ["city"])
BOUGHT = ["no", "no", "yes", "yes"]


@pytest.mark.parametrize(
    ("model", "names", "datatypes"),
    [
        (by_name(numbers=(StandardScaler(), ["income", "zone"])), ["income", "zone"], ["FP64", "FP64"]),
        (by_name(numbers=NUMBERS, texts=TEXTS), ["income", "city"], ["FP64", "BYTES"]),
        (by_name(texts=(OneHotEncoder(), ["city", "member"])), ["city", "member"], ["BYTES", "BOOL"]),
        (by_name(numbers=NUMBERS, truths=(OneHotEncoder(), ["member"])), ["income", "member"], ["FP64", "BOOL"]),
        (by_name(numbers=NUMBERS, truths=("passthrough", ["member"])), ["income", "member"], ["FP64", "FP64"]),
        (
            by_name(
                texts=(make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder()), ["city"]),
                zones=(OneHotEncoder(), ["zone"]),
            ),
            ["city", "zone"],
            ["BYTES", "FP64"],
        ),
        (make_pipeline(OneHotEncoder(), LogisticRegression()), ["city"], ["BYTES"]),
        (make_pipeline(OneHotEncoder(), LogisticRegression()), ["member"], ["BOOL"]),
    ],
    ids=["numbers", "text", "text and truth", "truth", "truth as number", "strict numbers", "bare", "bare truth"],
)
def test_rows_are_made_up_for_what_takes_columns_by_name_texts_and_truths(
    model: Any, names: list[str], datatypes: list[str], tmp_path: Path
) -> None:
    joblib.dump(clone(model).fit(SHOP[names], BOUGHT), tmp_path / "shop.joblib")

    loaded, told = load(laptop_options(tmp_path / "shop.joblib"))

    assert [(f.name, f.datatype) for f in loaded.manifest.features] == list(zip(names, datatypes, strict=True))
    assert "that were made up" in told[0]


def test_rows_are_made_up_for_texts_without_names(tmp_path: Path) -> None:
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit([["a"], ["b"]], [0, 1])
    joblib.dump(model, tmp_path / "words.joblib")

    loaded, _ = load(laptop_options(tmp_path / "words.joblib"))

    (feature,) = loaded.manifest.features
    assert (feature.name, feature.datatype, feature.categories) == ("x0", "BYTES", ["a", "b"])


def laptop_options(path: Path, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args([str(path), "--trust-pickle", *more])


@pytest.mark.parametrize("member", [("passthrough", ["member"]), (OneHotEncoder(), ["member"])], ids=["plain", "coded"])
@pytest.mark.parametrize("write", [str, str.lower, str.upper])
def test_a_column_of_true_and_false_in_a_file_is_of_truths(
    member: Any, write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = by_name(numbers=NUMBERS, member=member).fit(SHOP[["income", "member"]], BOUGHT)
    joblib.dump(model, tmp_path / "shop.joblib")
    table, path = SHOP[["income", "member"]].assign(member=SHOP["member"].map(lambda value: write(str(value)))), {}
    for name in ("rows", "training", "holdout"):
        path[name] = str(tmp_path / f"{name}.csv")
        (table.assign(bought=BOUGHT) if name == "holdout" else table).to_csv(path[name], index=False)
    artifact = str(tmp_path / "shop.vmodel")
    pack = ["pack", str(tmp_path / "shop.joblib"), "--trust-pickle", "--name", "shop", "--version", "1.0.0"]
    pack += ["--out", artifact, "--holdout", path["holdout"], "--target", "bought", "--training", path["training"]]

    loaded, _ = load(laptop_options(tmp_path / "shop.joblib", "--rows", path["rows"]))
    assert [feature.datatype for feature in loaded.manifest.features] == ["FP64", "BOOL"]
    assert main([*pack, "--rows", path["rows"]]) == 0
    assert main(pack) == 0
    capsys.readouterr()
    for asked in ([artifact], [str(tmp_path / "shop.joblib"), "--trust-pickle"]):
        assert main(["predict", asked[0], path["rows"], *asked[1:]]) == 0
        assert [line["label"] for line in lines(capsys.readouterr().out)] == list(model.predict(SHOP))


def test_texts_that_look_like_truths_and_numbers_are_texts_where_the_pipeline_encodes_texts(tmp_path: Path) -> None:
    table = pd.DataFrame({"member": ["True", "False", "True", "False"], "zip": ["01", "02", "01", "02"]})
    joblib.dump(by_name(texts=(OneHotEncoder(), ["member", "zip"])).fit(table, BOUGHT), tmp_path / "shop.joblib")
    table.to_csv(tmp_path / "rows.csv", index=False)

    loaded, _ = load(laptop_options(tmp_path / "shop.joblib", "--rows", str(tmp_path / "rows.csv")))

    assert [f.categories for f in loaded.manifest.features] == [["False", "True"], ["01", "02"]]


def test_a_text_where_an_encoder_knows_truths_is_refused_by_what_it_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    joblib.dump(by_name(truths=(OneHotEncoder(), ["member"])).fit(SHOP[["member"]], BOUGHT), tmp_path / "shop.joblib")
    (tmp_path / "rows.csv").write_text("member\nyes\nno\n")

    command = ["serve", str(tmp_path / "shop.joblib"), "--trust-pickle", "--rows", str(tmp_path / "rows.csv")]
    assert main(command) == 1
    assert 'column "member", row 0 holds text, and the pipeline\'s encoder knows true and false there' in (
        capsys.readouterr().err
    )
