"""What every server gets: the same pipeline in the form it can load, the same rows, and the right answers to them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.serving.errors import BenchError
from examples.diabetes.patients import generate
from examples.diabetes.train import DESCRIBED, INSULIN, pipeline, split, table
from verdigris_serving.artifact.pack import Packed, PackingRefused, pack

Row = list[float]
Probabilities = list[list[float]]

NAME, VERSION = "diabetes", "1.0.0"
ROWS = 1_000
TOLERANCE = 1e-6
"""How far any probability of any server may be from the pipeline's own."""

MODELS: Mapping[str, Callable[[], Pipeline]] = {
    "diabetes": lambda: pipeline({INSULIN: np.log1p}, c=1.0),
    "plain": lambda: Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression())]),
    "forest": lambda: Pipeline([("classify", RandomForestClassifier(random_state=0))]),
}
"""The example's pipeline, the cheapest that there is for those who call scikit-learn (scale and classify), and a forest
of a hundred trees, which we serve as `onnx`."""


@dataclass(frozen=True)
class Material:
    """`expected` holds the pipeline's own probabilities for each of the ROWS rows."""

    joblib: Path
    ours: Packed
    """In the fastest format that computes the same."""
    sklearn: Packed | None
    """None while this version of the tools packs no `sklearn`; `why_no_sklearn` then says so."""
    why_no_sklearn: str
    rows: list[Row]
    expected: Probabilities


def prepare(folder: Path, model_name: str = "diabetes") -> Material:
    """Train one of MODELS once and write it in every form into the folder."""
    known, unseen = split(generate())
    model = MODELS[model_name]()
    whole = [patient for patient in known if None not in patient.row]
    model.fit(*table(known if model_name == "diabetes" else whole))
    rows = whole_rows([patient.row for patient in unseen])
    path = folder / "model.joblib"
    joblib.dump(model, path)
    ours = _pack(model, folder / "ours.vmodel", rows)
    folded, why = _pack_sklearn(model, folder / "sklearn.vmodel", rows)
    expected: Probabilities = model.predict_proba(np.array(rows)).tolist()
    return Material(path, ours, folded, why, rows, expected)


def whole_rows(rows: Sequence[Sequence[float | None]]) -> list[Row]:
    """ROWS of them, drawn from those without a missing value: not every peer's protocol can spell one."""
    whole = [[float(value) for value in row if value is not None] for row in rows if None not in row]
    if len(whole) < ROWS:
        raise BenchError(f"The example has {len(whole)} patients without a missing value; {ROWS} are needed.")
    return random.Random(12).sample(whole, ROWS)


def _pack(model: Any, out: Path, rows: Sequence[Row], **options: Any) -> Packed:
    return pack(model, out, name=NAME, version=VERSION, features=DESCRIBED, rows=[list(row) for row in rows], **options)


def _pack_sklearn(model: Any, out: Path, rows: Sequence[Row]) -> tuple[Packed | None, str]:
    try:
        return _pack(model, out, rows, format="sklearn"), ""
    except TypeError:
        return None, "Not measured with format sklearn: this version of the tools does not pack it."
    except PackingRefused as refusal:
        return None, f"Not measured with format sklearn: {refusal}"
