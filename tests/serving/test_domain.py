"""Where a pipeline has no answer: beyond a feature's range that packing finds, or to a combination of values. Both are
the caller's fault and answered by a sentence; only what was promised and is not kept is the model's."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.neighbors import RadiusNeighborsClassifier, RadiusNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer

from verdigris_serving.artifact.pack import Packed, pack
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.model.schema import Feature
from verdigris_serving.protocol.service import InferenceService, ModelFault

_SOURCE = np.random.default_rng(4)
ONE = np.sort(_SOURCE.uniform(2.0, 9.0, size=(60, 1)), axis=0)
TWO = _SOURCE.uniform(1.0, 5.0, size=(80, 2))
RISING = ONE[:, 0] * 2 + _SOURCE.normal(size=60)
CLASSES = (TWO[:, 0] > TWO[:, 1]).astype(int)


def served(model: Any, values: Any, out: Path, **options: Any) -> tuple[Packed, InferenceService]:
    result = pack(model, out / "m.vmodel", X=values, **options)
    return result, InferenceService(load_verified(result.path, Expectation(result.sha256), max_bytes=10**7))


def asked(service: InferenceService, *rows: list[float]) -> tuple[int, Any]:
    answer = service.infer(msgspec.json.encode({"rows": list(rows)}), "id")
    return answer.status, msgspec.json.decode(answer.body)


@pytest.mark.parametrize("beyond", ["nan", "raise"])
def test_an_isotonic_regression_asked_beyond_its_rows_names_the_feature_and_the_range(
    beyond: Any, tmp_path: Path
) -> None:
    model = IsotonicRegression(out_of_bounds=beyond).fit(ONE, RISING)

    result, service = served(model, ONE, tmp_path)

    (feature,) = result.manifest.features
    assert (feature.minimum, feature.maximum) == (ONE.min(), ONE.max())
    assert asked(service, [float(ONE.max())])[0] == 200
    status, body = asked(service, [float(np.nextafter(ONE.max(), 99))])
    assert (status, body["error"]) == (
        400,
        f'feature "x0", row 0: above {float(ONE.max())!r}, the most that is allowed',
    )
    assert asked(service, [-1e30])[0] == asked(service, [1e30])[0] == 400


def test_an_isotonic_regression_that_clips_answers_everything(tmp_path: Path) -> None:
    model = IsotonicRegression(out_of_bounds="clip").fit(ONE, RISING)

    result, service = served(model, ONE, tmp_path)

    assert (result.manifest.features[0].minimum, result.manifest.features[0].maximum) == (None, None)
    assert asked(service, [1e30])[1]["outputs"][0]["data"] == model.predict([1e30]).tolist()


ENDS = [
    (np.log, 5e-324, "4.94066e-324"),
    (np.log1p, float(np.nextafter(-1.0, 0.0)), "-0.9999999999999999"),
    (np.sqrt, 0.0, "0"),
]


@pytest.mark.parametrize(("function", "least", "spelt"), ENDS)
@pytest.mark.parametrize("form", ["linear", "sklearn"])
def test_a_function_has_no_value_beyond_the_range_that_is_found(
    function: Any, least: float, spelt: str, form: Any, tmp_path: Path
) -> None:
    model = make_pipeline(FunctionTransformer(function), LogisticRegression()).fit(TWO, CLASSES)

    result, service = served(model, TWO, tmp_path, format=form)

    assert [(f.minimum, f.maximum) for f in result.manifest.features] == [(least, None)] * 2
    assert asked(service, [1.0, least])[0] == 200
    error = f'feature "x1", row 1: below {spelt}, the least that is allowed'
    assert asked(service, [1.0, 2.0], [1.0, -1.0]) == (400, {"error": error})


def test_the_end_of_a_power_is_found(tmp_path: Path) -> None:
    power = make_pipeline(PowerTransformer("box-cox"), LinearRegression()).fit(TWO, TWO[:, 0])

    _, service = served(power, TWO, tmp_path)

    assert [asked(service, [1.0, value])[0] for value in (-2.0, 0.0, 2.0)] == [400, 400, 200]


def test_whole_numbers_have_whole_ends(tmp_path: Path) -> None:
    values = np.arange(1, 41).reshape(-1, 1)
    model = make_pipeline(FunctionTransformer(np.log), LinearRegression()).fit(values, np.arange(40.0))

    result, service = served(model, [[int(v)] for v in values[:, 0]], tmp_path, features=[Feature("n", "INT64")])

    assert result.manifest.features[0].minimum == 1.0
    assert asked(service, [0]) == (400, {"error": 'feature "n", row 0: below 1, the least that is allowed'})


@pytest.mark.parametrize(
    "model",
    [RadiusNeighborsClassifier(radius=0.5), RadiusNeighborsRegressor(radius=0.5)],
    ids=lambda model: type(model).__name__,
)
def test_neighbours_of_a_row_that_has_none_are_no_fault_of_the_models(model: Any, tmp_path: Path) -> None:
    result, service = served(model.fit(TWO, CLASSES * 1.0), TWO, tmp_path)

    assert result.manifest.partial
    status, body = asked(service, *TWO[:5].tolist(), [80.0, -80.0], *TWO[5:9].tolist())
    assert status == 400
    assert "row 5: the model has no answer to this combination of values" in body["error"]


def test_an_answer_too_large_for_a_number_is_the_callers_to_avoid(tmp_path: Path) -> None:
    model = PoissonRegressor().fit(TWO, CLASSES + 1)

    result, service = served(model, TWO, tmp_path)

    assert result.manifest.partial
    found = [asked(service, row)[0] for row in ([1e30, 1.0], [1.0, 1e30], [-1e30, 1.0], [1.0, -1e30], [2.0, 3.0])]
    assert set(found) == {200, 400}
    assert found[-1] == 200


def test_a_model_that_answers_everything_is_not_partial_and_has_no_new_range(tmp_path: Path) -> None:
    result, _ = served(LogisticRegression().fit(TWO, CLASSES), TWO, tmp_path)

    assert not result.manifest.partial
    assert all(feature.minimum is None is feature.maximum for feature in result.manifest.features)


def test_a_range_that_was_described_is_a_promise_and_what_breaks_it_is_the_models_fault(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(np.log), LogisticRegression()).fit(TWO, CLASSES)
    described = [Feature("a", minimum=0.0, maximum=9.0), Feature("b", minimum=0.0, maximum=9.0)]

    result, service = served(model, TWO, tmp_path, features=described)

    assert [feature.minimum for feature in result.manifest.features] == [0.0, 0.0]
    with pytest.raises(ModelFault):
        asked(service, [0.0, 1.0])
