"""The arithmetic of format ``linear``."""

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving.support import contents
from verdigris_serving.model.checks import check_linear
from verdigris_serving.model.linear import LinearModel, NonFiniteScore
from verdigris_serving.model.schema import LARGEST_VALUE, InvalidModel, LinearSpec, Term


def logistic(*terms: Term, intercept: float = 0.0) -> LinearModel:
    return LinearModel(LinearSpec("logistic", [intercept], list(terms)))


@pytest.mark.parametrize(
    ("total", "probability"),
    [(0.0, 0.5), (math.log(3), 0.75), (-math.log(3), 0.25), (800.0, 1.0), (-800.0, 0.0)],
)
def test_a_sum_becomes_the_probability_of_the_second_class(total: float, probability: float) -> None:
    scores = logistic(intercept=total).scores([])

    assert scores == pytest.approx([1 - probability, probability], abs=1e-12)


def test_softmax_gives_a_probability_for_each_class() -> None:
    model = LinearModel(LinearSpec("softmax", [0.0, math.log(2), math.log(5)], []))

    assert model.scores([]) == pytest.approx([1 / 8, 2 / 8, 5 / 8])


def test_a_regression_gives_the_sum_itself() -> None:
    model = LinearModel(LinearSpec("identity", [1.5], [Term(0, "identity", [2.0], None)]))

    assert model.scores([3.0]) == [7.5]


@pytest.mark.parametrize(
    ("function", "value", "result"), [("log", math.e, 1.0), ("log1p", 0.0, 0.0), ("sqrt", 9.0, 3.0)]
)
def test_a_function_is_applied_before_the_weight(function: str, value: float, result: float) -> None:
    model = LinearModel(LinearSpec("identity", [0.0], [Term(0, function, [10.0], None)]))  # type: ignore[arg-type]

    assert model.scores([value]) == pytest.approx([10 * result])


def test_a_missing_input_takes_the_imputed_value_of_its_term() -> None:
    model = LinearModel(LinearSpec("identity", [0.0], [Term(0, "log1p", [2.0], missing=4.0)]))

    assert model.scores([None]) == [8.0]


@pytest.mark.parametrize(("function", "value"), [("log", 0.0), ("log", -1.0), ("log1p", -1.0), ("sqrt", -4.0)])
def test_a_value_outside_a_functions_domain_has_no_score(function: str, value: float) -> None:
    model = logistic(Term(0, function, [1.0], None))  # type: ignore[arg-type]

    with pytest.raises(NonFiniteScore, match=function):
        model.scores([value])


def test_a_missing_input_without_an_imputed_value_has_no_score() -> None:
    with pytest.raises(NonFiniteScore, match="cannot impute"):
        logistic(Term(0, "identity", [1.0], None)).scores([None])


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_score_that_is_not_finite_is_never_given(value: float) -> None:
    with pytest.raises(NonFiniteScore, match="not finite"):
        logistic(Term(0, "identity", [1.0], None)).scores([value])


def test_weights_that_could_overflow_a_sum_are_refused_at_load() -> None:
    good = contents()
    huge = LinearSpec("logistic", [0.0], [Term(0, "identity", [1e290], 0.0)])

    with pytest.raises(InvalidModel, match="overflow"):
        check_linear(huge, good.manifest)


@given(st.lists(st.floats(-LARGEST_VALUE, LARGEST_VALUE), min_size=3, max_size=3), st.floats(-1e200, 1e200))
def test_whatever_a_caller_may_send_the_probabilities_are_two_and_add_up_to_one(
    row: list[float], weight: float
) -> None:
    scores = logistic(*(Term(n, "identity", [weight], None) for n in range(3))).scores(list(row))

    assert all(0 <= score <= 1 for score in scores)
    assert sum(scores) == pytest.approx(1.0)


TERMS = st.lists(
    st.builds(
        Term,
        feature=st.integers(0, 3),
        function=st.sampled_from(["identity", "identity", "log1p", "sqrt"]),
        weights=st.lists(st.floats(-10, 10), min_size=3, max_size=3),
        missing=st.floats(-5, 5),
    ),
    max_size=11,
)
ROWS = st.lists(st.lists(st.none() | st.floats(0, 100), min_size=4, max_size=4), min_size=1, max_size=5)


@given(TERMS, ROWS, st.sampled_from(["logistic", "softmax", "identity"]))
def test_an_answer_does_not_depend_on_the_batch_it_is_in(
    terms: list[Term], rows: list[list[float | None]], link: Literal["logistic", "softmax", "identity"]
) -> None:
    model = LinearModel(LinearSpec(link, [0.5, -0.5, 0.0] if link == "softmax" else [0.5], terms))

    assert model.scores_many(rows) == [model.scores(row) for row in rows]


@given(TERMS, ROWS)
def test_a_score_is_the_weighted_sum_of_the_documents_formula(
    terms: list[Term], rows: list[list[float | None]]
) -> None:
    functions = {"identity": float, "log1p": math.log1p, "sqrt": math.sqrt}
    model = LinearModel(LinearSpec("identity", [0.5], terms))
    for row in rows:
        values = [(row[term.feature], term) for term in terms]
        total = 0.5
        for value, term in values:
            total += term.weights[0] * (term.missing if value is None else functions[term.function](value))  # type: ignore[operator]
        assert model.scores(row) == [total]


@pytest.mark.parametrize(("function", "value"), [("log", 0.0), ("sqrt", -4.0), ("identity", math.inf)])
def test_one_row_without_a_score_leaves_its_batch_without(function: str, value: float) -> None:
    model = logistic(Term(0, function, [1.0], None))  # type: ignore[arg-type]

    with pytest.raises(NonFiniteScore):
        model.scores_many([[1.0], [value]])
