"""10,000 synthetic patients from one seed. No real person is in here, and nothing was taken from a data set.

The marginals are chosen to look plausible for adults in a diabetes clinic. The label is drawn from a logistic
function of the true values, so that logistic regression is the right model and its AUC of about 0.89 is what the
noise of that draw leaves. Three properties make the table as awkward as
real ones: values are missing, insulin is written 0 where the test was not done (about half the patients), and
the risk rises with age, which makes the age band the protected attribute. It rises less than in life, so that a
sound model can pass the four-fifths rule and an unsound one can be told from it.
"""

import math
import random
from dataclasses import dataclass

SEED = 20_260_101
COUNT = 10_000

#: The file of held-out patients for gates, and its column of labels.
HOLDOUT, TARGET = "holdout.csv", "diabetes"
#: The model's inputs, in its order.
FEATURES = (
    "pregnancies",
    "glucose",
    "blood_pressure",
    "skin_thickness",
    "insulin",
    "bmi",
    "pedigree",
    "age",
)
#: How often a value is missing altogether.
MISSING = {"glucose": 0.01, "blood_pressure": 0.05, "skin_thickness": 0.25, "bmi": 0.02}
#: How often the insulin test was not done, which the record writes as 0.
INSULIN_NOT_DONE = 0.49
#: Log-odds added by one standard deviation of each feature; the rest of the features add nothing.
RISK = {"glucose": 1.8, "bmi": 1.0, "pedigree": 0.55, "pregnancies": 0.3, "insulin": 0.35, "age": 0.05}
#: Log-odds of the average patient: about one patient in three is ill.
BASE = -1.05


@dataclass(frozen=True)
class Patient:
    """``row`` has one value a feature, None where it is missing; ``label`` is 1 for diabetes."""

    row: tuple[float | None, ...]
    age_band: str
    label: int


def generate(count: int = COUNT, seed: int = SEED) -> list[Patient]:
    """``count`` patients; the same seed gives the same patients on every machine."""
    source = random.Random(seed)
    return [_patient(source) for _ in range(count)]


def _patient(source: random.Random) -> Patient:
    # Standard normal scores; heavier patients have somewhat higher glucose, and older ones more pregnancies.
    weight, sugar, years = (source.gauss(0, 1) for _ in range(3))
    scores = {
        "bmi": weight,
        "glucose": _mix(0.25, weight, sugar),
        "age": years,
        "pregnancies": _mix(0.2, years, source.gauss(0, 1)),
        "pedigree": source.gauss(0, 1),
        "blood_pressure": _mix(0.3, years, source.gauss(0, 1)),
        "skin_thickness": _mix(0.6, weight, source.gauss(0, 1)),
    }
    scores["insulin"] = _mix(0.5, scores["glucose"], source.gauss(0, 1))
    odds = BASE + sum(weight * scores[name] for name, weight in RISK.items())
    label = int(source.random() < 1 / (1 + math.exp(-odds)))
    values = _values(scores)
    if source.random() < INSULIN_NOT_DONE:
        values["insulin"] = 0.0
    recorded = {name: None if source.random() < MISSING.get(name, 0) else value for name, value in values.items()}
    return Patient(tuple(recorded[name] for name in FEATURES), _age_band(values["age"]), label)


def _mix(correlation: float, shared: float, own: float) -> float:
    """A standard normal score with the given correlation to ``shared``."""
    return correlation * shared + math.sqrt(1 - correlation**2) * own


def _values(scores: dict[str, float]) -> dict[str, float]:
    """Scores turned into what a clinic would write, in its units."""
    return {
        "pregnancies": float(max(0, min(15, round(3.4 + 2.6 * scores["pregnancies"])))),
        "glucose": float(max(45, min(250, round(121 + 30 * scores["glucose"])))),  # mg/dl
        "blood_pressure": float(max(40, min(130, round(72 + 12 * scores["blood_pressure"])))),  # mm Hg
        "skin_thickness": float(max(7, min(70, round(28 + 9.5 * scores["skin_thickness"])))),  # mm
        "insulin": float(max(14, min(850, round(math.exp(4.75 + 0.65 * scores["insulin"]))))),  # mU/ml
        "bmi": round(max(17.0, min(62.0, 32.2 + 6.6 * scores["bmi"])), 1),  # kg/m2
        "pedigree": round(max(0.08, min(2.5, math.exp(-0.95 + 0.62 * scores["pedigree"]))), 3),
        "age": float(max(21, min(85, round(21 + math.exp(2.2 + 0.8 * scores["age"]))))),  # years
    }


def _age_band(age: float) -> str:
    for limit, band in ((30, "21-30"), (45, "31-45")):
        if age <= limit:
            return band
    return "46+"
