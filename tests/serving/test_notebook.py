"""Packing what a notebook holds: frames, arrays and lists, a path as text, one call."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from verdigris_serving.artifact.archive import read_archive
from verdigris_serving.artifact.pack import PackingRefused, pack
from verdigris_serving.artifact.verify import Expectation, load_verified

COLUMNS = ("glucose", "age", "dose")


def data(missing: bool = True) -> tuple[Any, Any]:
    """Forty rows with a column of whole numbers, some of the last missing."""
    source = np.random.default_rng(3)
    values = np.column_stack([source.normal(120, 20, 40), source.integers(20, 80, 40), source.gamma(2.0, size=40)])
    if missing:
        values[::7, 2] = np.nan
    return values, (values[:, 0] > 120).astype(int)


def fitted(table: Any, target: Any) -> Any:
    return make_pipeline(SimpleImputer(), LogisticRegression(max_iter=1_000)).fit(table, target)


def as_pandas(values: Any) -> pd.DataFrame:
    return pd.DataFrame(values, columns=list(COLUMNS)).astype({"age": "int64"})


FORMS = [
    pytest.param(as_pandas, id="pandas"),
    pytest.param(lambda values: as_pandas(values).convert_dtypes(), id="pandas with NA"),
    pytest.param(lambda values: pl.DataFrame(as_pandas(values).to_dict("list")), id="polars"),
    pytest.param(lambda values: as_pandas(values)[["dose", "glucose", "age"]], id="pandas in another order"),
    pytest.param(lambda values: as_pandas(values).to_dict("records"), id="records"),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_frame_is_packed_in_one_call(form: Any, tmp_path: Path) -> None:
    values, target = data()
    pipeline = fitted(as_pandas(values), target)

    result = pack(pipeline, str(tmp_path / "my model.vmodel"), X=form(values), y=target)

    manifest = result.manifest
    assert (manifest.name, manifest.version, manifest.format) == ("my-model", "0.0.0", "linear")
    assert [(f.name, f.datatype, f.nullable) for f in manifest.features] == [
        ("glucose", "FP64", True),
        ("age", "INT64", True),
        ("dose", "FP64", True),
    ]
    assert result.quality["accuracy"] == pytest.approx(pipeline.score(as_pandas(values), target))
    golden = read_archive(result.path.read_bytes()).golden
    assert golden.rows[0] == [values[0, 0], values[0, 1], None]


@pytest.mark.parametrize("form", [lambda v: v, lambda v: v.tolist(), lambda v: [tuple(row) for row in v]])
def test_what_has_no_names_gets_them(form: Any, tmp_path: Path) -> None:
    values, target = data()

    manifest = pack(fitted(values, target), tmp_path / "m.vmodel", X=form(values)).manifest

    assert [feature.name for feature in manifest.features] == ["x0", "x1", "x2"]


@pytest.mark.parametrize(
    "form",
    [list, np.array, pd.Series, pl.Series, lambda t: np.array(t).reshape(-1, 1), lambda t: pd.DataFrame({"t": t})],
)
def test_targets_of_any_form_make_the_quality_report(form: Any, tmp_path: Path) -> None:
    values, target = data(missing=False)
    pipeline = LinearRegression().fit(values, target * 2.0)

    assert pack(pipeline, tmp_path / "m.vmodel", X=values, y=form((target * 2.0).tolist())).quality["r2"] < 1


def test_training_rows_may_be_a_frame(tmp_path: Path) -> None:
    values, target = data()
    table = as_pandas(values)

    result = pack(fitted(table, target), tmp_path / "m.vmodel", X=table, training=table[["age", "dose", "glucose"]])

    baseline = read_archive(result.path.read_bytes()).baseline
    assert baseline is not None
    assert [entry.name for entry in baseline.features] == list(COLUMNS)
    assert baseline.features[1].mean == pytest.approx(values[:, 1].mean())


def test_the_result_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    values, target = data()

    packed = pack(fitted(values, target), tmp_path / "<m>.vmodel", X=values, y=target)
    shown = packed._repr_html_()

    for text in ("linear", "of the pipeline over 40 rows and", "accuracy", "bytes", "sha256", "&lt;m&gt;.vmodel"):
        assert text in shown
    for whole in (repr(packed), shown.replace("&quot;", '"')):
        assert "format: linear\n    uri: https://HOST/PATH.vmodel" in whole
        assert f'sha256: "{packed.sha256}"' in whole


def by_name(*, frames: bool, last: Any) -> Any:
    """What a data scientist writes: columns by name and by kind, maybe with frames between the steps."""
    split = ColumnTransformer(
        [
            ("scaled", make_pipeline(SimpleImputer(), StandardScaler()), ["dose", "glucose"]),
            ("whole", MinMaxScaler(), make_column_selector(dtype_include="int")),
        ],
        verbose_feature_names_out=False,
    )
    pipeline = make_pipeline(split, last)
    return pipeline.set_output(transform="pandas") if frames else pipeline


@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize(
    ("last", "form"),
    [
        (LogisticRegression(), "linear"),
        (RandomForestClassifier(5, random_state=0), "onnx"),
        (KNeighborsClassifier(3), "sklearn"),
    ],
)
def test_columns_picked_by_name_are_picked_where_there_are_none(
    frames: bool, last: Any, form: str, tmp_path: Path
) -> None:
    values, target = data()
    table = as_pandas(values)
    pipeline = by_name(frames=frames, last=last).fit(table, target)

    result = pack(pipeline, tmp_path / "m.vmodel", X=table[["age", "dose", "glucose"]])

    model = load_verified(result.path, Expectation(), max_bytes=10**7)
    rows = [[None if np.isnan(value) else float(value) for value in row] for row in values]
    assert result.manifest.format == form
    assert np.array(model.predictor.scores_many(rows)) == pytest.approx(pipeline.predict_proba(table))


def test_a_transformed_target_of_a_frame_is_packed(tmp_path: Path) -> None:
    values, target = data(missing=False)
    table = as_pandas(values)
    model = TransformedTargetRegressor(by_name(frames=True, last=Ridge()), transformer=StandardScaler())

    result = pack(model.fit(table, target * 3.0), tmp_path / "m.vmodel", X=table)

    assert (result.manifest.task, result.manifest.format) == ("regression", "onnx")


def test_no_rows_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackingRefused, match=r"no rows were given, .* give X="):
        pack(fitted(*data()), tmp_path / "m.vmodel")
