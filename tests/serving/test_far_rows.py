"""Rows that are far from every class: each class against the rest is next to nothing, and their shares are not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from verdigris_serving.artifact.pack import pack
from verdigris_serving.artifact.verify import Expectation, load_verified

SOURCE = np.random.default_rng(7)
CENTERS = np.array([[0.0, 4.0], [-4.0, -3.0], [4.0, -3.0]])
LABELS = np.repeat([0, 1, 2], 60)
VALUES = CENTERS[LABELS] + SOURCE.normal(size=(180, 2))
FAR = np.concatenate([SOURCE.normal(size=(500, 2)) * scale for scale in (1.0, 10.0, 100.0)])


@pytest.mark.parametrize(
    "model",
    [
        SGDClassifier(loss="log_loss", random_state=0),
        OneVsRestClassifier(LogisticRegression(C=100.0)),
        CalibratedClassifierCV(LinearSVC(random_state=0), method="sigmoid", cv=3),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_their_shares_are_scikit_learns(model: Any, tmp_path: Path) -> None:
    model.fit(VALUES, LABELS)
    packed = pack(model, tmp_path / "m.vmodel", X=VALUES, y=LABELS, format="onnx")
    loaded = load_verified(packed.path, Expectation(packed.sha256), max_bytes=2**24)
    answered = np.asarray(loaded.predictor.scores_many(FAR.tolist()))
    assert np.abs(answered - model.predict_proba(FAR)).max() < 1e-12
