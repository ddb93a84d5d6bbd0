"""Models that are really trained, on the example's patients: sound, of AUC 0.83, and unfair to an age band."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.diabetes.patients import FEATURES, Patient, generate
from examples.diabetes.train import DESCRIBED
from tests.serving.gates.asking import ask, file, table
from verdigris_serving.artifact.pack import pack

#: Held-out patients: enough to tell 0.83 from 0.85 and a ratio of 0.8 from one of 0.87.
HELD_OUT = 12_000
TRAINED_ON = 3_000


def trained(path: Path, patients: Sequence[Patient], version: str, *, noise: float = 0.0, by_age: float = 0.0) -> None:
    """A model of the patients. ``noise`` is added to what it learns glucose from, in standard deviations; ``by_age`` is
    the share of ill young ones whose record says that they are well."""
    source = np.random.default_rng(7)
    rows = np.array([patient.row for patient in patients], dtype=float)
    rows[:, FEATURES.index("glucose")] += noise * 30 * source.normal(size=len(rows))
    young = np.array([patient.age_band == "21-30" for patient in patients])
    labels = np.array([patient.label for patient in patients])
    labels = np.where(young & (source.random(len(rows)) < by_age), 0, labels)
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=1_000))
    model.fit(rows, labels)
    proven = [list(patient.row) for patient in patients[:200]]
    pack(model, path, name="diabetes", version=version, features=DESCRIBED, rows=proven)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models and the held-out patients."""
    folder = tmp_path_factory.mktemp("clinic")
    patients = generate(TRAINED_ON + HELD_OUT, seed=5)
    known, unseen = patients[:TRAINED_ON], patients[TRAINED_ON:]
    trained(folder / "sound.vmodel", known, "2.0.0")
    trained(folder / "weak.vmodel", known, "2.1.0", noise=1.45)
    trained(folder / "unfair.vmodel", known, "2.2.0", by_age=0.5)
    rows = [["" if v is None else v for v in p.row] + [p.age_band, p.label] for p in unseen]
    table(folder / "patients.csv", [*FEATURES, "age_band", "outcome"], rows)
    return folder


def quality(folder: Path, model: str) -> dict[str, Any]:
    """The users' gate, against the sound version."""
    return {
        "model": file(folder / f"{model}.vmodel"),
        "data": {**file(folder / "patients.csv"), "target": "outcome"},
        "thresholds": {"auc": {"min": 0.85}, "accuracy": {"min": 0.75}},
        "versusActive": {"metric": "auc", "margin": 0.01, "active": file(folder / "sound.vmodel")},
    }


def fairness(folder: Path, model: str) -> dict[str, Any]:
    """The rule of four fifths, by age band."""
    return {
        "model": file(folder / f"{model}.vmodel"),
        "data": {**file(folder / "patients.csv"), "target": "outcome"},
        "attributes": [{"name": "age_band"}],
        "disparateImpact": {"min": 0.8},
    }


def test_the_sound_model_passes_both(clinic: Path) -> None:
    for gate, document in (("quality", quality(clinic, "sound")), ("fairness", fairness(clinic, "sound"))):
        answer = ask(gate, document)
        assert answer.told == ("Pass", "Passed", 0), answer.result.message


def test_a_model_of_auc_083_is_refused_for_its_quality(clinic: Path) -> None:
    answer = ask("quality", quality(clinic, "weak"))
    assert answer.told == ("Fail", "ThresholdMissed", 10)
    auc, _, versus = answer.result.checks
    assert auc.value == pytest.approx(0.83, abs=0.01)
    assert (auc.verdict, versus.verdict) == ("Fail", "Fail")


def test_a_model_that_is_unfair_to_an_age_band_is_refused_for_that_alone(clinic: Path) -> None:
    answer = ask("fairness", fairness(clinic, "unfair"))
    assert answer.told == ("Fail", "ThresholdMissed", 10)
    assert "21-30 to 46+" in answer.result.message
    auc, accuracy, _ = ask("quality", quality(clinic, "unfair")).result.checks
    assert (auc.verdict, accuracy.verdict) == ("Pass", "Pass"), "its thresholds alone would have let it pass"
