"""One random pipeline: fitted, packed, loaded as the server does, and asked about fresh rows beside scikit-learn."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.pack.data import Data, drawn, fresh
from benchmarks.pack.pipelines import pipeline
from verdigris_serving.artifact.pack import PackingRefused, pack
from verdigris_serving.artifact.proof.comparing import answered, scales, wrong_rows
from verdigris_serving.artifact.proof.reference import Reference
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Feature, Row, allows, has_several_labels

TOLERANCE = 1e-6
_CHUNK = 2_000
#: Share of the pipelines that have several targets.
_SEVERAL = 0.15


@dataclass(frozen=True)
class Trial:
    """``rows`` were asked; ``worst`` is the largest difference of a score, as the proof measures it.

    ``format`` is empty when the pipeline was not packed, and ``sentence`` says why.
    """

    seed: int
    name: str
    format: str
    sentence: str
    rows: int
    wrong_labels: int
    beyond_tolerance: int
    worst: float


def rows_of(values: Any) -> list[Row]:
    """Plain rows, None for a missing value."""
    return [[None if value != value else value for value in row] for row in values.tolist()]  # noqa: PLR0124 - NaN


def run(seed: int, folder: Path, count: int) -> Trial:
    """The trial of this seed with ``count`` fresh rows. What cannot be fitted is drawn anew."""
    source = np.random.default_rng(seed)
    with warnings.catch_warnings(), np.errstate(all="ignore"), threadpool_limits(limits=1):
        warnings.simplefilter("ignore")
        while True:
            positive, missing = bool(source.random() < 0.3), bool(source.random() < 0.4)
            classes, targets = int(source.choice([0, 2, 2, 3, 4])), 1
            if source.random() < _SEVERAL:
                classes, targets = min(classes, 2), int(source.integers(2, 5))
            data = drawn(source, positive=positive, missing=missing, classes=classes, targets=targets)
            made = pipeline(
                source,
                classes=classes,
                targets=targets,
                width=data.values.shape[1],
                missing=missing,
                positive=positive,
            )
            try:
                made.fit(data.values, data.target)
                made.predict(data.values[:2])
                break
            except (IndexError, TypeError, ValueError):  # of discriminants with no variance left the first
                continue
        return _packed(seed, data, made, folder / "trial.vmodel", count)


def _packed(seed: int, data: Data, made: Any, path: Path, count: int) -> Trial:
    source = np.random.default_rng([seed, 1])
    name = " ".join(str(made).split())
    features = [Feature(f"f{number}") for number in range(data.values.shape[1])]
    rows = rows_of(data.values)
    try:
        result = pack(made, path, name="trial", version="1.0.0", features=features, rows=rows)
    except PackingRefused as refusal:
        return Trial(seed, name, "", str(refusal), 0, 0, 0, 0.0)
    model = load_verified(result.path, Expectation(result.sha256), max_bytes=2**31)
    asked = _askable(source, model, fresh(source, data, count), data.missing)
    wrong, beyond, worst = compare(made, model, asked)
    return Trial(seed, name, model.manifest.format, "", len(asked), wrong, beyond, worst)


def _askable(source: np.random.Generator, model: LoadedModel, values: Any, missing: bool) -> Any:
    """With values missing where they may be; without the rows that the manifest refuses."""
    may = np.array([feature.nullable for feature in model.manifest.features])
    if may.any() and (missing or source.random() < 0.3):
        values = np.where((source.random(values.shape) < 0.15) & may, np.nan, values)
    rows = rows_of(values)
    good = [all(allows(f, v) for f, v in zip(model.manifest.features, row, strict=True)) for row in rows]
    return values[np.array(good, dtype=bool)]


def compare(made: Any, model: LoadedModel, values: Any) -> tuple[int, int, float]:
    """Rows whose label differs, scores beyond the tolerance, the largest difference, measured as by the proof.

    Rows to which scikit-learn itself has no finite answer are left out.
    """
    wrong = beyond = 0
    worst = 0.0
    manifest = model.manifest
    several = has_several_labels(manifest)
    # Names of several labels are whatever they were called; the pipeline itself says 1 and 0.
    reference = Reference(made, classes=manifest.classes, scores=manifest.scores, several=several)
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        answers, _ = reference.kept(rows_of(part), seconds=math.inf)
        if not len(answers):
            continue
        scores, labels = answered(model.predictor, manifest, answers.rows)
        expected = answers.scores
        if manifest.classes:
            wrong += wrong_rows(labels, answers.labels)
        least = np.maximum(scales(manifest, expected), np.abs(expected))
        found = np.abs(np.asarray(scores).reshape(expected.shape) - expected) / least
        beyond += int((~(found <= TOLERANCE)).any(axis=1).sum())
        worst = max(worst, float(found.max(initial=0.0)))
    return wrong, beyond, worst
