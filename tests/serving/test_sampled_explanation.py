"""Explanations by sampling: Shapley's definition over every order is what they are held against."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from tests.serving.support import FEATURES, contents
from verdigris_serving.artifact.baseline import baseline
from verdigris_serving.artifact.pack import pack
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Feature, Row
from verdigris_serving.protocol.explaining import TYPICAL, SampledExplanation, explanation
from verdigris_serving.protocol.service import InferenceService

CHANCE = np.random.default_rng(11)
X = CHANCE.normal(size=(300, 4))
X[::7, 2] = np.nan
NAMES = ["a", "b", "c", "d"]
LABEL = (X[:, 0] * X[:, 1] + np.nan_to_num(X[:, 2]) > 0).astype(int)
VALUES = np.column_stack([X[:, 0] * X[:, 1], X[:, 3]])


class Formula:
    """A predictor of one output by a function of a row."""

    blocking = False

    def __init__(self, function: Callable[..., float]) -> None:
        self._function = function

    def scores(self, row: Row) -> list[float]:
        return [self._function(*row)]

    def scores_many(self, rows: Sequence[Row]) -> list[list[float]]:
        return [self.scores(row) for row in rows]


def explained_by(function: Callable[..., float], features: int = 3, **described: Any) -> SampledExplanation:
    names = [f"f{n}" for n in range(features)]
    rows: list[Row] = [[float(n * (place + 1) % 17) for place in range(features)] for n in range(60)]
    return SampledExplanation(
        [Feature(name, **described) for name in names], baseline(names, rows), Formula(function), [0]
    )


def shapley(explaining: SampledExplanation, scores: Callable[[Row], float], row: Row) -> list[float]:
    """By definition, with the same typical rows: what each adds, over every order."""
    added: list[list[float]] = [[] for _ in row]
    for typical in explaining.typical:
        for order in itertools.permutations(range(len(row))):
            mixed = list(typical)
            before = scores(mixed)
            for place in order:
                mixed[place] = row[place]
                added[place].append(scores(mixed) - before)
                before += added[place][-1]
    return list(map(fmean, added))


def test_what_is_a_sum_is_explained_without_error() -> None:
    explaining = explained_by(lambda a, b, c: 2 * a - b + c)
    explained = explaining.explained([5.0, 6.0, 7.0])
    means = [fmean(row[place] for row in explaining.typical) for place in range(3)]  # type: ignore[type-var]
    assert explained.contributions[0] == pytest.approx([2 * (5 - means[0]), -(6 - means[1]), 7 - means[2]])
    # What is left is how typical rows differ, which is what the mean is of.
    assert sum(explained.contributions[0]) + explaining.base[0] == pytest.approx(11)


def test_what_is_no_sum_is_explained_within_its_errors() -> None:
    def function(a: float, b: float, c: float) -> float:
        return a * b + math.sin(c) * a

    explaining = explained_by(function)
    for row in ([5.0, 6.0, 7.0], [0.0, 16.0, 3.0], [12.0, 1.0, 9.0]):
        found = explaining.explained(list(row))
        exact = shapley(explaining, lambda mixed: function(*mixed), list(row))  # type: ignore[arg-type]
        for value, error, wanted in zip(found.contributions[0], found.errors[0], exact, strict=True):
            assert abs(value - wanted) <= 4 * error + 1e-9
        assert sum(found.contributions[0]) + explaining.base[0] == pytest.approx(function(*row))


def test_typical_rows_are_rows_that_a_caller_may_send() -> None:
    features = [
        Feature("glucose", minimum=3.0, maximum=9.0),
        Feature("count", datatype="INT64", minimum=0.5),
        Feature("sex", datatype="BYTES", categories=["f", "m"]),
        Feature("grade", categories=[1.0, 4.0]),
        Feature("dose", nullable=True),
        Feature("seen", datatype="BOOL"),
    ]
    rows: list[Row] = [[n % 12, n % 5, n % 2, 1.0, None if n % 2 else 3.0, 1.0] for n in range(80)]
    known = baseline([feature.name for feature in features], rows)
    typical = SampledExplanation(features, known, Formula(lambda *_: 1.0), [0]).typical
    assert len(typical) == TYPICAL
    columns = list(zip(*typical, strict=True))
    assert all(3 <= value <= 9 for value in columns[0])  # type: ignore[operator]
    assert {float(value).is_integer() and value >= 1 for value in columns[1]} == {True}  # type: ignore[arg-type,operator]
    assert set(columns[2]) == {0.0, 1.0}
    assert set(columns[3]) <= {1.0, 4.0}
    assert None in columns[4]
    assert set(columns[5]) <= {0.0, 1.0}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any, Any, str], LoadedModel]:
    def load(model: Any, truth: Any, form: str, training: Any = X) -> LoadedModel:
        path = tmp_path_factory.mktemp("m") / "m.vmodel"
        features = [Feature(name, nullable=name == "c") for name in NAMES]
        fitted = model.fit(np.nan_to_num(X) if isinstance(model, KMeans) else X, truth)
        rows = np.nan_to_num(X) if isinstance(model, KMeans) else X
        pack(fitted, path, name="m", version="1.0.0", features=features, rows=rows, training=training, format=form)  # type: ignore[arg-type]
        return load_verified(path, Expectation(), max_bytes=2**30)

    return load


def asking(rows: list[Row], *names: str) -> bytes:
    return json.dumps({"rows": rows, "outputs": [{"name": name} for name in names]}).encode()


def ask(model: LoadedModel, rows: list[Row], *names: str) -> dict[str, Any]:
    answer = InferenceService(model).infer(asking(rows, *names), "x")
    outputs = json.loads(answer.body)
    assert answer.status == 200, outputs
    return {output["name"]: output for output in outputs["outputs"]}


@pytest.mark.parametrize("form", ["onnx", "sklearn"])
def test_a_forest_says_what_each_feature_added_and_how_sure_that_is(served: Any, form: str) -> None:
    model = served(RandomForestClassifier(12, random_state=1), LABEL, form)
    rows: list[Row] = [[1.5, 2.0, 0.3, 0.0], [-1.5, 2.0, None, 0.5]]
    outputs = ask(model, rows, "probabilities", "explanation", "base_value", "explanation_error")
    assert [outputs[name]["shape"] for name in ("explanation", "base_value", "explanation_error")] == [
        [2, 4],
        [1],
        [2, 4],
    ]
    explaining = explanation(model)
    assert isinstance(explaining, SampledExplanation)
    for number, row in enumerate(rows):
        part = slice(4 * number, 4 * number + 4)
        found, errors = outputs["explanation"]["data"][part], outputs["explanation_error"]["data"][part]
        yes = outputs["probabilities"]["data"][2 * number + 1]
        assert outputs["base_value"]["data"][0] + sum(found) == pytest.approx(yes)
        exact = shapley(explaining, lambda mixed: model.predictor.scores(mixed)[1], row)
        for value, error, wanted in zip(found, errors, exact, strict=True):
            assert abs(value - wanted) <= 4 * error + 1e-9
        assert 0 < max(errors) < 0.1
    # Of the same row always the same is said, also beside others.
    assert ask(model, rows[1:], "explanation")["explanation"]["data"] == outputs["explanation"]["data"][4:]


def test_each_of_several_values_is_explained(served: Any) -> None:
    model = served(RandomForestRegressor(5, random_state=1), VALUES, "sklearn")
    outputs = ask(model, [[1.5, 2.0, 0.3, 1.0]], "value", "explanation", "base_value")
    assert outputs["explanation"]["shape"] == [1, 2, 4]
    for place in range(2):
        added = sum(outputs["explanation"]["data"][4 * place : 4 * place + 4])
        assert outputs["base_value"]["data"][place] + added == pytest.approx(outputs["value"]["data"][place])


def test_the_metadata_names_what_can_be_asked_for(served: Any) -> None:
    model = served(RandomForestClassifier(3, random_state=1), LABEL, "onnx")
    outputs = json.loads(InferenceService(model).model_metadata())["outputs"]
    assert outputs[2:] == [
        {"name": "explanation", "datatype": "FP64", "shape": [-1, 4]},
        {"name": "base_value", "datatype": "FP64", "shape": [1]},
        {"name": "explanation_error", "datatype": "FP64", "shape": [-1, 4]},
    ]


def test_too_many_rows_at_once_are_refused_before_anything_is_computed(served: Any) -> None:
    model = served(RandomForestClassifier(3, random_state=1), LABEL, "onnx")
    rows: list[Row] = [[0.0, 0.0, 0.0, 0.0]] * 157
    answer = InferenceService(model).infer(asking(rows, "explanation_error"), "x")
    assert (answer.status, b"at most 156 rows can be explained" in answer.body) == (400, True)


def test_a_row_between_which_and_a_typical_one_there_is_no_answer_is_no_fault_of_the_model() -> None:
    def function(a: float, b: float, _: float) -> float:
        if a > b + 20:
            raise NonFiniteScore("no answer")
        return a

    model = made(predictor=Formula(function), baseline=_known())
    answer = InferenceService(model).infer(asking([[70.0, 60.0, 1.0]], "explanation"), "x")
    assert (answer.status, b"without its explanation" in answer.body) == (400, True)


def made(**more: Any) -> LoadedModel:
    """A regression that is said to be an ONNX graph."""
    fields = {"format": "onnx", "task": "regression", "classes": [], "threshold": None, **more.pop("manifest", {})}
    manifest = msgspec.structs.replace(contents().manifest, **fields)
    return LoadedModel(manifest, sha256="", golden_rows=1, **more)


def _known() -> Any:
    return baseline([feature.name for feature in FEATURES], [[float(n % 7), 1.0, 30.0] for n in range(20)])


FREE = [Feature("words", datatype="BYTES"), *FEATURES[1:]]
WIDE = [Feature(f"f{n}") for n in range(200)]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ({}, "nothing of its training rows; pack the model again"),
        ({"baseline": True, "manifest": {"features": FREE}}, "free texts"),
        ({"baseline": True, "manifest": {"features": WIDE}}, "200 features, which are too many"),
        (
            {"baseline": True, "manifest": {"task": "clusters", "scores": "none", "outputs": 0, "classes": [0, 1]}},
            "alone",
        ),
    ],
)
def test_why_there_is_no_explanation_is_said(model: dict[str, Any], why: str) -> None:
    if model.get("baseline"):
        model = {**model, "baseline": _known()}
    found = explanation(made(predictor=Formula(lambda *_: 1.0), **model))
    assert isinstance(found, str)
    assert why in found


def test_who_asks_for_what_is_not_there_is_told_why() -> None:
    service = InferenceService(made(predictor=Formula(lambda *_: 1.0)))
    for name in ("explanation", "base_value", "explanation_error"):
        answer = service.infer(asking([[1.0, 2.0, 3.0]], name), "x")
        assert answer.status == 400
        assert "pack the model again with them (--training)" in json.loads(answer.body)["error"]
    assert "explanation" not in service.model_metadata().decode()
