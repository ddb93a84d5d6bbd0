"""Histogram gradient boosting that splits by categories: in a graph, as scikit-learn routes them."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, PowerTransformer

from verdigris_serving.artifact.pack import PackingRefused, pack
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.protocol.service import InferenceService

TOWNS = [f"town {number}" for number in range(40)]


def people(seed: int, count: int, *, missing: bool) -> tuple[pd.DataFrame, Any]:
    """Categories of many and of few values between numbers, and a target that sets of them decide."""
    source = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "dose": source.normal(size=count),
            "town": pd.Categorical(source.choice(TOWNS, count), categories=TOWNS),
            "ward": pd.Categorical(source.choice([3, 5, 8, 9], count), categories=[3, 5, 8, 9]),
            "age": source.integers(20, 90, count).astype(float),
        }
    )
    odd = table["town"].cat.codes % 3 == 1
    target = odd * 2 + table["ward"].isin([3, 9]) * 1.5 + (table["dose"] > 0.3) + table["age"] / 60
    if missing:
        table.loc[source.random(count) < 0.15, ["town"]] = np.nan
        table.loc[source.random(count) < 0.15, ["ward"]] = np.nan
        table.loc[source.random(count) < 0.15, ["dose"]] = np.nan
    return table, target


def encoded() -> Any:
    """Codes that an encoder in front makes, which the model then takes for categories."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer([("codes", encoder, ["town", "ward"])], remainder="passthrough")
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=8, categorical_features=[0, 1]))


BY_TYPE = HistGradientBoostingClassifier(max_iter=8, categorical_features="from_dtype")
CASES = [
    ("by type, two classes", BY_TYPE, lambda t: t > 3, False),
    ("by type, missing values", BY_TYPE, lambda t: t > 3, True),
    ("by type, three classes", BY_TYPE, lambda t: np.digitize(t, [2.5, 4]), True),
    ("by name", HistGradientBoostingClassifier(max_iter=8, categorical_features=["town"]), lambda t: t > 3, False),
    ("codes", encoded(), lambda t: t > 3, True),
    ("regression", HistGradientBoostingRegressor(max_iter=8), lambda t: t * 100, True),
    ("logarithmic", HistGradientBoostingRegressor(max_iter=8, loss="poisson"), np.round, False),
]


def test_categories_behind_numbers_that_no_graph_has_are_refused_with_what_to_do(tmp_path: Path) -> None:
    source = np.random.default_rng(1)
    values = np.column_stack([source.normal(size=(60, 2)), source.integers(0, 3, 60)])
    columns = ColumnTransformer([("numbers", PowerTransformer(), [0, 1]), ("codes", "passthrough", [2])])
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=2, categorical_features=[2]))
    model.fit(values, values[:, 0] > 0)

    with pytest.raises(PackingRefused, match=r"Leave such a step out, .* or give it an OrdinalEncoder and no categ"):
        pack(model, tmp_path / "m.vmodel", X=values)


@pytest.mark.parametrize(("model", "target", "missing"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_fresh_rows_are_answered_as_scikit_learn_does(model: Any, target: Any, missing: bool, tmp_path: Path) -> None:
    table, number = people(4, 240, missing=missing)
    fitted = model.fit(table, target(number))
    fresh, _ = people(5, 300, missing=missing)
    fresh["town"] = fresh["town"].astype(object)
    fresh.loc[::10, "town"] = "elsewhere"

    result = pack(fitted, tmp_path / "m.vmodel", X=table)

    assert result.manifest.format == "onnx"
    service = InferenceService(load_verified(result.path, Expectation(result.sha256), max_bytes=10**8))
    rows = [
        {name: None if pd.isna(value) else value for name, value in row.items()} for row in fresh.to_dict("records")
    ]
    answer = service.infer(msgspec.json.encode({"rows": rows}), "id")
    assert answer.status == 200, answer.body
    first, *scores = msgspec.json.decode(answer.body)["outputs"]
    if not scores:
        assert first["data"] == pytest.approx(fitted.predict(fresh), rel=1e-9)
        return
    assert first["data"] == fitted.predict(fresh).tolist()
    assert scores[0]["data"] == pytest.approx(fitted.predict_proba(fresh).ravel(), abs=1e-12)
