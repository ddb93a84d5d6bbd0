"""The model as a BentoML service, for `bentoml serve` in BentoML's own environment; MODEL_PATH is the joblib file."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service
class Diabetes:
    """Answers the probabilities of both classes."""

    def __init__(self) -> None:
        self._pipeline = joblib.load(os.environ["MODEL_PATH"])

    @bentoml.api
    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """`{"rows": [[...], ...]}` in, `[[p0, p1], ...]` out."""
        return self._pipeline.predict_proba(rows)
