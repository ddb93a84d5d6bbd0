"""Train and pack three versions of the diabetes classifier: ``python -m examples.diabetes.train --out DIRECTORY``.

* **1.0.0** is sound: missing values imputed, insulin by ``log1p``, scaled, logistic regression.
* **1.1.0** is a sound successor: it also takes the logarithm of the pedigree and regularises less.
* **1.2.0** is an honest mistake. Somebody dropped the patients without an insulin test to get "clean" data and took
  ``log`` instead of ``log1p``. Its metrics look fine, its golden rows (from the same clean data) pass, every probe
  is green; but a record says 0 where the test was not done, log(0) is not finite, and about half of all real
  requests fail with a 500.

Each artifact carries the baseline of its training rows and its quality on the patients it has not seen.

Beside the artifacts it writes ``models.json`` (file, checksum and AUC of each version) and ``requests.json`` (rows
that no version was trained on, for load clients; see ``request_bodies.py``) and ``holdout.csv`` (such patients with
their label and age band, for the gates of a rollout).
"""

import argparse
import csv
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from examples.diabetes.patients import FEATURES, HOLDOUT, TARGET, Patient, generate
from verdigris_serving.artifact.pack import Holdout, pack
from verdigris_serving.model.schema import Feature

TRAIN_ROWS = 768
#: Rows written for load clients.
REQUEST_ROWS = 2_000
HOLDOUT_ROWS = 2_000
_INTEGERS = {"pregnancies", "age"}
DESCRIBED = [
    Feature(name, datatype="INT64" if name in _INTEGERS else "FP64", minimum=0.0, maximum=2_000.0) for name in FEATURES
]
INSULIN, PEDIGREE = FEATURES.index("insulin"), FEATURES.index("pedigree")


@dataclass(frozen=True)
class Trained:
    """One packed version. ``auc`` is over ``evaluated`` patients that it was not trained on."""

    version: str
    file: str
    sha256: str
    auc: float
    evaluated: int


def pipeline(functions: dict[int, Callable[..., Any]], c: float) -> Pipeline:
    """Impute, apply each function to its column, scale, classify."""
    parts = [(FEATURES[column], FunctionTransformer(function), [column]) for column, function in functions.items()]
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median")),
            ("functions", ColumnTransformer(parts, remainder="passthrough")),
            ("scale", StandardScaler()),
            ("classify", LogisticRegression(C=c, max_iter=1_000)),
        ]
    )


def split(patients: Sequence[Patient]) -> tuple[list[Patient], list[Patient]]:
    """TRAIN_ROWS patients to learn from, and all the others."""
    order = list(patients)
    random.Random(768).shuffle(order)
    return order[:TRAIN_ROWS], order[TRAIN_ROWS:]


def measured(patients: Sequence[Patient]) -> list[Patient]:
    """The patients whose insulin was tested: what the author of 1.2.0 took for clean data."""
    return [patient for patient in patients if patient.row[INSULIN]]


def table(patients: Sequence[Patient]) -> tuple[Any, Any]:
    """Rows and labels as arrays, NaN for a missing value."""
    rows = np.array([patient.row for patient in patients], dtype=float)
    return rows, np.array([patient.label for patient in patients])


def train(out: Path, patients: Sequence[Patient] | None = None) -> list[Trained]:
    """Train, evaluate and pack every version into ``out``; write models.json and requests.json."""
    out.mkdir(parents=True, exist_ok=True)
    known, unseen = split(patients or generate())
    results = [
        _one(out, "1.0.0", pipeline({INSULIN: np.log1p}, c=1.0), known, unseen),
        _one(out, "1.1.0", pipeline({INSULIN: np.log1p, PEDIGREE: np.log1p}, c=3.0), known, unseen),
        _one(out, "1.2.0", pipeline({INSULIN: np.log, PEDIGREE: np.log1p}, c=3.0), measured(known), measured(unseen)),
    ]
    (out / "models.json").write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    requests = {"features": FEATURES, "rows": [patient.row for patient in unseen[:REQUEST_ROWS]]}
    (out / "requests.json").write_text(json.dumps(requests) + "\n")
    write_holdout(out / HOLDOUT, unseen[:HOLDOUT_ROWS])
    return results


def write_holdout(path: Path, patients: Sequence[Patient]) -> None:
    """A CSV file for the gates of a rollout: features by name, what is true, and a protected attribute beside them."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*FEATURES, "age_band", TARGET])
        writer.writerows([*patient.row, patient.age_band, patient.label] for patient in patients)


def _one(out: Path, version: str, model: Pipeline, known: Sequence[Patient], unseen: Sequence[Patient]) -> Trained:
    model.fit(*table(known))
    packed = pack(
        model,
        out / f"diabetes-{version}.vmodel",
        name="diabetes",
        version=version,
        features=DESCRIBED,
        training=[list(patient.row) for patient in known],
        holdout=Holdout([list(patient.row) for patient in unseen], [patient.label for patient in unseen]),
    )
    return Trained(version, packed.path.name, packed.sha256, round(packed.quality["auc"], 4), len(unseen))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Train and pack the example model from synthetic patients.")
    parser.add_argument("--out", type=Path, required=True, help="directory for the artifacts")
    options = parser.parse_args()
    for result in train(options.out):
        print(f"{result.file}  AUC {result.auc:.3f} over {result.evaluated:,} unseen patients  sha256 {result.sha256}")


if __name__ == "__main__":
    main()
