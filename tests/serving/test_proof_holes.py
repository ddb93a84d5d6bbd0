"""Ways to another answer than the pipeline's that a proof in batches, with absolute differences, did not see."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.serving.reference import Off
from verdigris_serving.artifact import compile as compiling
from verdigris_serving.artifact.archive import read_archive
from verdigris_serving.artifact.pack import PackingRefused, pack
from verdigris_serving.artifact.proof.comparing import scales
from verdigris_serving.model import arrays
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.schema import Row

VALUES = np.random.default_rng(3).normal(size=(80, 2))
SMALL = (VALUES @ [1.0, -2.0] + 0.1) * 1e-9
LABELS = (VALUES[:, 0] > 0).astype(int)
TOWNS = pd.DataFrame({"town": pd.Series(["a", "b", None, "a"] * 20, dtype=object)})


class OffAlone(Off):
    """Right in company, wrong alone."""

    def scores(self, row: Row) -> list[float]:
        return [value + self._by for value in self._inner.scores(row)]

    def scores_many(self, rows: list[Row]) -> list[list[float]]:
        scores: list[list[float]] = self._inner.scores_many(rows)
        return scores


def wrapped(monkeypatch: pytest.MonkeyPatch, wrap: Any) -> None:
    true = compiling.predictor
    monkeypatch.setattr(compiling, "predictor", lambda *given: wrap(true(*given)))


def test_values_far_below_one_are_compared_with_their_own_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = LinearRegression().fit(VALUES, SMALL)
    path = pack(model, tmp_path / "m.vmodel", X=VALUES).path
    assert 0 < read_archive(path.read_bytes()).golden.tolerance < 1e-14

    wrapped(monkeypatch, lambda served: Off(1e-12, served))  # a thousandth of the values, and far less than 1e-6

    with pytest.raises(PackingRefused, match=r"not linear, because it differs from the pipeline by .* given rows"):
        pack(model, tmp_path / "m.vmodel", X=VALUES)


def test_the_scale_is_that_of_each_output_and_that_of_a_probability_is_one(tmp_path: Path) -> None:
    values = pack(LinearRegression().fit(VALUES, SMALL), tmp_path / "m.vmodel", X=VALUES).manifest
    classes = pack(LogisticRegression().fit(VALUES, LABELS), tmp_path / "m.vmodel", X=VALUES).manifest
    scores = np.array([[1e-9, 500.0, 0.0], [-2e-9, 0.5, 0.0]])

    assert scales(values, scores).tolist() == [2e-9, 1.0, 1.0]
    assert scales(classes, scores).tolist() == [1.0, 1.0, 1.0]


def test_a_row_is_also_asked_alone_as_most_requests_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped(monkeypatch, lambda served: OffAlone(0.1, served))

    with pytest.raises(PackingRefused, match=r"differs from the pipeline by 0\.1, .* given rows, asked one by one"):
        pack(LogisticRegression().fit(VALUES, LABELS), tmp_path / "m.vmodel", X=VALUES, format="linear")


def test_a_label_that_is_none_of_the_classes_is_not_taken_for_another(tmp_path: Path) -> None:
    model = RadiusNeighborsClassifier(radius=0.5, outlier_label=-1).fit(VALUES, LABELS)
    assert model.predict([[50.0, 50.0]]).tolist() == [-1]

    with pytest.raises(PackingRefused, match="it predicts -1, which is none of its classes: fit it so that"):
        pack(model, tmp_path / "m.vmodel", X=VALUES)
    assert pack(model.set_params(outlier_label=1).fit(VALUES, LABELS), tmp_path / "m.vmodel", X=VALUES).size


@pytest.mark.parametrize(("classes", "said"), [([0, 1], -1), ([0, 2], 1), (["a", "c"], "b"), ([0, 1], 7)])
def test_a_server_answers_no_label_that_its_model_did_not_say(classes: Any, said: Any) -> None:
    assert arrays.places(classes, classes).tolist() == [0, 1]
    with pytest.raises(NonFiniteScore, match="a label that is none of its classes"):
        arrays.positions(arrays.places(classes, [said]), 1, 2)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()),
        make_pipeline(OneHotEncoder(handle_unknown="ignore"), RandomForestClassifier(2, random_state=0)),
        make_pipeline(
            SimpleImputer(strategy="constant", fill_value="none", missing_values=None),
            OneHotEncoder(handle_unknown="ignore"),
            LogisticRegression(),
        ),
    ],
)
def test_none_is_no_missing_value_that_could_be_sent(model: Any, tmp_path: Path) -> None:
    """Sent as null it would come as NaN, and be one more unknown text to an encoder that knows None."""
    model.fit(TOWNS, LABELS)

    with pytest.raises(PackingRefused, match="takes None for a missing value, and a missing value that is sent is NaN"):
        pack(model, tmp_path / "m.vmodel", X=TOWNS)
