"""Texts and truths as features: from a frame to an answer over the protocol, in every format."""

from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier

from verdigris_serving.artifact.cli import main
from verdigris_serving.artifact.pack import Packed, PackingRefused, pack
from verdigris_serving.artifact.texts import encoded
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.protocol.service import InferenceService

COLOURS, TOWNS = ("blue", "green", "red"), ("Bonn", "Köln", "Ulm", "none, really")


def people(missing: bool = False) -> tuple[pd.DataFrame, Any]:
    """Sixty people, and a class that depends on all that is known of them."""
    source = np.random.default_rng(11)
    table = pd.DataFrame(
        {
            "town": source.choice(TOWNS, 60),
            "age": source.integers(20, 80, 60),
            "colour": source.choice(COLOURS, 60),
            "smokes": source.random(60) < 0.4,
            "dose": source.gamma(2.0, size=60),
        }
    )
    target = (
        (table["colour"] == "red") + table["smokes"] + table["age"] / 50 + source.normal(size=60) * 0.3 > 2
    ).astype(int)
    if missing:
        table.loc[::9, "colour"] = np.nan
        table.loc[::11, "dose"] = np.nan
    return table, target


def pipeline(encoder: Any, last: Any) -> Any:
    """Columns by name, as one writes it."""
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "dose"]),
            ("texts", encoder, ["colour", "town"]),
        ],
        remainder="passthrough",
    )
    return make_pipeline(columns, last)


def packed(fitted: Any, table: Any, out: Path) -> tuple[Packed, InferenceService]:
    result = pack(fitted, out / "m.vmodel", X=table)
    return result, InferenceService(load_verified(result.path, Expectation(result.sha256), max_bytes=10**7))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """As JSON has them."""
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()} for row in table.to_dict("records")
    ]


def asked(service: InferenceService, body: dict[str, Any]) -> Any:
    answer = service.infer(msgspec.json.encode(body), "id")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body)["outputs"]


IMPUTED = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
CASES = [
    (OneHotEncoder(handle_unknown="ignore"), LogisticRegression(), "linear", False),
    (OneHotEncoder(drop="if_binary", sparse_output=False), LogisticRegression(), "linear", False),
    (IMPUTED, LogisticRegression(), "linear", True),
    (OneHotEncoder(handle_unknown="ignore"), LogisticRegression(), "linear", True),
    (OneHotEncoder(), RandomForestClassifier(10, random_state=0), "onnx", False),
    (IMPUTED, RandomForestClassifier(10, random_state=0), "onnx", True),
    (
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        RandomForestClassifier(10, random_state=0),
        "onnx",
        True,
    ),
    (TargetEncoder(random_state=0), LogisticRegression(), "onnx", False),
    (OneHotEncoder(handle_unknown="ignore"), KNeighborsClassifier(3), "sklearn", False),
]


@pytest.mark.filterwarnings("ignore:Found unknown categories")
@pytest.mark.parametrize(("encoder", "last", "form", "missing"), CASES)
def test_texts_are_packed_and_answered_as_scikit_learn_does(
    encoder: Any, last: Any, form: str, missing: bool, tmp_path: Path
) -> None:
    table, target = people(missing)
    fitted = pipeline(encoder, last).fit(table, target)

    result, service = packed(fitted, table, tmp_path)

    features = {feature.name: feature for feature in result.manifest.features}
    assert result.manifest.format == form
    assert (features["colour"].datatype, features["colour"].categories) == ("BYTES", list(COLOURS))
    assert (features["age"].datatype, features["smokes"].datatype) == ("INT64", "BOOL")
    label, probabilities = asked(service, {"rows": records(table)})
    assert label["data"] == fitted.predict(table).tolist()
    assert probabilities["data"] == pytest.approx(fitted.predict_proba(table).ravel())


def test_a_search_over_columns_by_name_with_texts_is_a_linear_model(tmp_path: Path) -> None:
    table, target = people()
    search = GridSearchCV(
        pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}
    ).fit(table, target)

    result, service = packed(search, table, tmp_path)

    assert result.manifest.format == "linear"
    assert asked(service, {"rows": records(table)})[0]["data"] == search.predict(table).tolist()


def column(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data}


def test_texts_are_sent_as_tensors_too(tmp_path: Path) -> None:
    table, target = people()
    fitted = pipeline(OneHotEncoder(), LogisticRegression()).fit(table, target)
    _, service = packed(fitted, table, tmp_path)
    kinds = {"town": "BYTES", "age": "INT64", "colour": "BYTES", "smokes": "BOOL", "dose": "FP64"}

    outputs = asked(service, {"inputs": [column(name, kind, table[name].tolist()) for name, kind in kinds.items()]})

    assert outputs[0]["data"] == fitted.predict(table).tolist()


def test_texts_are_sent_in_binary_too(tmp_path: Path) -> None:
    table, target = people()
    fitted = pipeline(OneHotEncoder(), LogisticRegression()).fit(table, target)
    _, service = packed(fitted, table, tmp_path)
    packed_texts = b"".join(len(t.encode()).to_bytes(4, "little") + t.encode() for t in table["town"])
    tensors = [column(name, "FP64", table[name].astype(float).tolist()) for name in ("age", "smokes", "dose")]
    town = {**column("town", "BYTES", []), "shape": [60], "parameters": {"binary_data_size": len(packed_texts)}}
    del town["data"]
    head = msgspec.json.encode({"inputs": [town, *tensors, column("colour", "BYTES", table["colour"].tolist())]})

    answer = service.infer(head + packed_texts, "id", len(head))

    assert answer.status == 200, answer.body
    assert msgspec.json.decode(answer.body)["outputs"][0]["data"] == fitted.predict(table).tolist()


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"colour": "pink"}, 'feature "colour", row 0: none of the values that the model knows: blue, green, red'),
        ({"colour": 2}, 'feature "colour", row 0: a text is needed'),
        ({"colour": None}, 'feature "colour", row 0: a value is needed'),
        ({"smokes": 2}, 'feature "smokes", row 0: '),
        ({"smokes": "yes"}, 'feature "smokes", row 0: true or false is needed, not a string'),
        ({"age": "old"}, 'feature "age", row 0: a number or null is needed, not a string'),
    ],
)
def test_what_a_text_may_not_be_is_refused_by_name(row: dict[str, Any], says: str, tmp_path: Path) -> None:
    table, target = people()
    _, service = packed(pipeline(OneHotEncoder(), LogisticRegression()).fit(table, target), table, tmp_path)

    answer = service.infer(msgspec.json.encode({"rows": [{**records(table)[0], **row}]}), "id")

    assert answer.status == 400
    assert says in msgspec.json.decode(answer.body)["error"]


def test_an_unknown_text_is_none_of_them_where_the_encoder_says_so(tmp_path: Path) -> None:
    table, target = people()
    fitted = pipeline(OneHotEncoder(handle_unknown="ignore"), RandomForestClassifier(5, random_state=0)).fit(
        table, target
    )
    _, service = packed(fitted, table, tmp_path)
    other = table.assign(colour="pink")

    assert asked(service, {"rows": records(other)})[1]["data"] == fitted.predict_proba(other).ravel().tolist()


def test_a_text_has_no_mean_where_artifacts_are_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, target = people(missing=True)
    fitted = pipeline(IMPUTED, LogisticRegression()).fit(table, target)
    for name, rows in (("a", table), ("b", table[:30])):
        pack(fitted, tmp_path / f"{name}.vmodel", X=table, training=rows)

    assert main(["inspect", str(tmp_path / "a.vmodel")]) == 0
    inspected = capsys.readouterr().out.partition("training baseline")[2].splitlines()
    assert main(["diff", str(tmp_path / "a.vmodel"), str(tmp_path / "b.vmodel")]) == 0
    compared = capsys.readouterr().out.partition("training data")[2].splitlines()

    for lines in (inspected, compared):
        said = {line.split()[0]: line for line in lines if line.startswith("  ")}
        assert "mean" in said["dose"]
        assert "mean" not in said["colour"]
        assert "missing" in said["colour"]
        assert "mean" not in said.get("town", "")


def test_a_csv_with_texts_is_packed_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, target = people()
    joblib.dump(pipeline(OneHotEncoder(), LogisticRegression()).fit(table, target), tmp_path / "p.joblib")
    table.assign(smokes=table["smokes"].astype(int), ill=target).to_csv(
        tmp_path / "rows.csv", index=False, encoding="utf-8-sig"
    )
    arguments = ["pack", str(tmp_path / "p.joblib"), "--trust-pickle", "--name", "m", "--version", "1.0.0"]
    tables = ["--holdout", str(tmp_path / "rows.csv"), "--target", "ill", "--out", str(tmp_path / "m.vmodel")]

    assert main([*arguments, *tables]) == 0

    assert main(["inspect", str(tmp_path / "m.vmodel")]) == 0
    said = capsys.readouterr().out
    assert "accuracy" in said
    assert "BYTES" in said


def test_a_text_that_no_encoder_takes_is_refused(tmp_path: Path) -> None:
    table, target = people()
    fitted = LogisticRegression().fit(table[["age", "dose"]], target)

    with pytest.raises(PackingRefused, match='column "dose", row 0 holds text, and the pipeline encodes no text there'):
        pack(fitted, tmp_path / "m.vmodel", X=table[["age", "dose"]].assign(dose="much"))


@pytest.mark.filterwarnings("ignore:Skipping features")
def test_categories_are_those_of_their_column_behind_an_imputer_that_drops_and_adds_some() -> None:
    colours, towns = ["red", "blue", np.nan, "red"] * 10, ["Bonn", "Ulm"] * 20
    table = pd.DataFrame({"nothing": [np.nan] * 40, "colour": colours, "town": towns}, dtype=object)
    model = make_pipeline(
        SimpleImputer(strategy="most_frequent", add_indicator=True), OneHotEncoder(handle_unknown="ignore")
    )
    assert encoded(model.fit(table), 3) == {1: ["blue", "red"], 2: ["Bonn", "Ulm"]}


def test_a_bag_over_columns_that_an_imputer_has_added_is_packed(tmp_path: Path) -> None:
    source = np.random.default_rng(3)
    rows = source.normal(size=(80, 4))
    labels = (rows[:, 0] > 0).astype(int)
    rows[::5, 1:] = np.nan
    bag = BaggingClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=6, max_features=0.7, random_state=0)
    model = make_pipeline(SimpleImputer(add_indicator=True), bag).fit(rows, labels)
    assert any(index >= 4 for own in bag_of(model).estimators_features_ for index in own)
    assert pack(model, tmp_path / "bag.vmodel", name="bag", version="1.0.0", X=rows, y=labels).manifest.format == "onnx"


def bag_of(model: Any) -> Any:
    """The last step."""
    return model.steps[-1][1]
