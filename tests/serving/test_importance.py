"""How much a packed model depends on each feature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.serving.support import contents
from verdigris_serving.artifact.archive import read_archive
from verdigris_serving.artifact.holdout import Holdout
from verdigris_serving.artifact.importance import importance as measured
from verdigris_serving.artifact.pack import pack
from verdigris_serving.model.schema import Feature, Importance, InvalidModel

CHANCE = np.random.default_rng(3)
X = CHANCE.normal(size=(400, 3))
"""The first column matters most, the last not at all."""
VALUE = 3 * X[:, 0] + X[:, 1]
LABEL = (VALUE + CHANCE.normal(size=400) > 0).astype(int)


def importance(model: Any, truth: Any, path: Path, rows: Any = X) -> Importance | None:
    pack(model, path, name="m", version="1.0.0", rows=rows, holdout=Holdout(rows, list(truth)))
    quality = read_archive(path.read_bytes()).quality
    assert quality
    return quality.importance


@pytest.mark.parametrize(
    ("model", "truth", "scoring", "metric"),
    [(LogisticRegression(), LABEL, "roc_auc", "auc"), (LinearRegression(), VALUE, "r2", "r2")],
)
def test_it_is_what_scikit_learn_says(model: Any, truth: Any, scoring: str, metric: str, tmp_path: Path) -> None:
    found = importance(model.fit(X, truth), truth, tmp_path / "m.vmodel")
    assert found is not None
    assert (found.metric, found.rows, found.repeats) == (metric, 400, 3)
    theirs = permutation_importance(model, X, truth, scoring=scoring, n_repeats=50, random_state=1)
    for loss, mean, deviation in zip(
        found.losses.values(), theirs.importances_mean, theirs.importances_std, strict=True
    ):
        assert loss == pytest.approx(mean, abs=4 * deviation / 3**0.5 + 1e-9)


def test_the_same_rows_give_the_same_artifact(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, LABEL)
    first, second = tmp_path / "a.vmodel", tmp_path / "b.vmodel"
    assert importance(model, LABEL, first) == importance(model, LABEL, second)
    assert first.read_bytes() == second.read_bytes()


def test_of_few_rows_and_of_clusters_nothing_is_said(tmp_path: Path) -> None:
    assert importance(LogisticRegression().fit(X, LABEL), LABEL[:49], tmp_path / "m.vmodel", X[:49]) is None
    assert importance(KMeans(2, random_state=0).fit(X), LABEL, tmp_path / "k.vmodel") is None


def test_a_feature_whose_exchanged_values_have_no_answer_is_left_out() -> None:
    rows = [[float(n), float(n)] for n in range(100)]
    manifest = msgspec.structs.replace(contents().manifest, features=[Feature("a"), Feature("b")])

    def metrics_of(asked: Holdout) -> dict[str, float]:
        if any(row[0] != n for n, row in enumerate(asked.rows)):
            raise InvalidModel("the model has no answer to a holdout row")
        return {"accuracy": float(np.mean([row[1] == n for n, row in enumerate(asked.rows)]))}

    found = measured(manifest, Holdout(rows, [0] * 100), metrics_of)
    assert found is not None
    assert found.losses == {"b": pytest.approx(0.99, abs=0.03)}
