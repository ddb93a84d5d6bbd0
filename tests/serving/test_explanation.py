"""The explanation of a linear model, against Shapley's own definition over every coalition."""

import itertools
import json
import math
import random
from typing import Any

import pytest

from tests.serving.support import request_body, service
from verdigris_serving.model.linear import LinearModel
from verdigris_serving.model.schema import LinearSpec, Row, Term

FUNCTIONS: Any = {"identity": float, "log1p": math.log1p, "sqrt": math.sqrt}
FEATURES = 5


def spec(source: random.Random, background: list[list[float]]) -> LinearSpec:
    """Three outputs over five features; two terms share a feature, one feature has none."""
    terms = []
    for feature, function in [(0, "identity"), (1, "log1p"), (2, "sqrt"), (3, "identity"), (3, "sqrt")]:
        center = math.fsum(FUNCTIONS[function](row[feature]) for row in background) / len(background)
        weights = [source.uniform(-2, 2) for _ in range(3)]
        terms.append(Term(feature, function, weights, missing=None, center=center))  # type: ignore[arg-type]
    return LinearSpec("softmax", [0.3, -0.2, 0.1], terms)


def total(model: LinearSpec, row: list[float], output: int) -> float:
    return model.intercepts[output] + math.fsum(
        term.weights[output] * FUNCTIONS[term.function](row[term.feature]) for term in model.terms
    )


def shapley(model: LinearSpec, row: list[float], background: list[list[float]], output: int) -> list[float]:
    """By definition: what a feature adds to a coalition, weighted over all coalitions without it. A coalition is worth
    the average sum when its features are the row's and all the others are those of a background row."""

    def worth(coalition: frozenset[int]) -> float:
        mixed = [[row[n] if n in coalition else other[n] for n in range(FEATURES)] for other in background]
        return math.fsum(total(model, values, output) for values in mixed) / len(background)

    values = []
    for feature in range(FEATURES):
        others = [n for n in range(FEATURES) if n != feature]
        value = 0.0
        for size in range(FEATURES):
            share = math.factorial(size) * math.factorial(FEATURES - size - 1) / math.factorial(FEATURES)
            for members in itertools.combinations(others, size):
                coalition = frozenset(members)
                value += share * (worth(coalition | {feature}) - worth(coalition))
        values.append(value)
    return values


@pytest.mark.parametrize("seed", range(3))
def test_the_contributions_are_the_shapley_values(seed: int) -> None:
    source = random.Random(seed)
    background, rows = ([[source.uniform(0, 9) for _ in range(FEATURES)] for _ in range(7)] for _ in range(2))
    model = spec(source, background)
    explanation = LinearModel(model).explanation

    assert explanation is not None
    for row in rows[:3]:
        contributions = explanation.contributions(row)
        for output in range(3):
            assert contributions[output] == pytest.approx(shapley(model, row, background, output), abs=1e-12)
            assert explanation.base[output] + math.fsum(contributions[output]) == pytest.approx(
                total(model, row, output), abs=1e-12
            )


CENTERS = (115.0, 4.0, 35.0)


def ask(rows: list[Row], *names: str) -> dict[str, Any]:
    body = request_body(rows, outputs=[{"name": name} for name in names])
    answer = service(centers=CENTERS).infer(body, "x")
    assert answer.status == 200
    return {output["name"]: output for output in json.loads(answer.body)["outputs"]}


def test_the_base_and_the_contributions_add_up_to_the_log_odds() -> None:
    rows: list[Row] = [[120.0, 80.0, 40.0], [None, 0.0, 20.0]]
    outputs = ask(rows, "probabilities", "explanation", "base_value")

    assert outputs["explanation"]["shape"] == [2, 3]
    base = outputs["base_value"]["data"]
    assert (outputs["base_value"]["shape"], len(base)) == ([1], 1)
    for number in range(2):
        contributions = outputs["explanation"]["data"][3 * number : 3 * number + 3]
        no, yes = outputs["probabilities"]["data"][2 * number : 2 * number + 2]
        assert base[0] + sum(contributions) == pytest.approx(math.log(yes / no))


def test_a_missing_value_contributes_what_its_imputed_one_does() -> None:
    missing, imputed = (ask([[glucose, 80.0, 40.0]], "explanation")["explanation"] for glucose in (None, 115.0))
    assert missing == imputed


def test_the_metadata_says_that_there_is_an_explanation_only_when_there_is() -> None:
    with_means = json.loads(service(centers=CENTERS).model_metadata())["outputs"]
    without = json.loads(service(centers=(*CENTERS[:2], None)).model_metadata())["outputs"]

    assert with_means[2:] == [
        {"name": "explanation", "datatype": "FP64", "shape": [-1, 3]},
        {"name": "base_value", "datatype": "FP64", "shape": [1]},
    ]
    assert [output["name"] for output in without] == ["label", "probabilities"]


def test_an_explanation_is_not_given_unasked() -> None:
    outputs = json.loads(service(centers=CENTERS).infer(request_body(), "x").body)["outputs"]
    assert [output["name"] for output in outputs] == ["label", "probabilities"]
