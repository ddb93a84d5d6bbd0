"""What an artifact carries beside the model: the training baseline and the quality report."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving.support import FEATURES, contents
from tests.serving.test_archive import altered, merged
from verdigris_serving.artifact.archive import InvalidArchive, read_archive, write_archive
from verdigris_serving.artifact.baseline import baseline, centered
from verdigris_serving.artifact.verify import Expectation, verify_bytes
from verdigris_serving.model.checks import check_baseline, check_quality
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.schema import Baseline, Importance, InvalidModel, LinearSpec, Quality, Row, Term

NAMES = [feature.name for feature in FEATURES]
ROWS: list[Row] = [[100.0, 0.0, 30.0], [None, 0.0, 40.0], [120.0, 50.0, 50.0], [140.0, 0.5, 40.0]]
WHOLE = replace(contents(), baseline=baseline(NAMES, ROWS), quality=Quality(200, {"auc": 0.875, "accuracy": 0.8}))


def test_a_baseline_counts_values_and_missing_ones() -> None:
    glucose, insulin, age = baseline(NAMES, ROWS).features

    assert (glucose.name, glucose.count, glucose.missing, glucose.mean) == ("glucose", 3, 1, 120.0)
    assert glucose.deviation == pytest.approx(math.sqrt(800 / 3))
    assert (age.edges, age.counts) == ([35.0, 45.0], [1, 2, 1])  # few whole values: a bin for each
    assert insulin.edges == [0.0, 0.5, 50.0]  # deciles, without repetition
    assert insulin.counts == [2, 1, 1, 0]  # a value on an edge is in the bin below it


def test_a_feature_without_any_value_has_a_baseline_too() -> None:
    (entry,) = baseline(["a"], [[None], [None]]).features

    assert (entry.count, entry.missing, entry.mean, entry.deviation) == (0, 2, 0.0, 0.0)
    assert (entry.edges, entry.counts) == ([], [0])


@given(st.lists(st.tuples(*[st.none() | st.floats(-1e9, 1e9) | st.integers(0, 9).map(float)] * 3), min_size=1))
def test_every_baseline_that_is_made_is_one_that_is_accepted(rows: list[tuple[float | None, ...]]) -> None:
    check_baseline(baseline(NAMES, [list(row) for row in rows]), contents().manifest)


def test_the_center_of_a_term_is_the_mean_of_its_function_with_missing_values_imputed() -> None:
    spec = contents().model
    assert isinstance(spec, LinearSpec)

    glucose, insulin, age = centered(spec, ROWS).terms

    assert glucose.center == pytest.approx((100 + 115 + 120 + 140) / 4)
    assert insulin.center == pytest.approx((math.log1p(50) + math.log1p(0.5)) / 4)
    assert age.center == 40.0


def test_a_training_row_without_a_score_has_no_center() -> None:
    with pytest.raises(NonFiniteScore, match="log"):
        centered(LinearSpec("identity", [0.0], [Term(1, "log", [1.0], None)]), ROWS)


def test_reports_reach_whoever_serves_and_are_the_same_bytes_every_time() -> None:
    data = write_archive(WHOLE)
    model = verify_bytes(data, Expectation(), where="test")

    assert data == write_archive(read_archive(data))
    assert model.baseline == WHOLE.baseline
    assert model.quality == {"auc": 0.875, "accuracy": 0.8}


def test_an_artifact_without_reports_has_none() -> None:
    model = verify_bytes(write_archive(contents()), Expectation(), where="test")

    assert (model.baseline, model.quality) == (None, {})


def test_a_policy_and_a_center_are_written_only_when_they_say_something() -> None:
    old = contents()
    assert isinstance(old.model, LinearSpec)
    clamped = [msgspec.structs.replace(feature, out_of_range="clamp") for feature in FEATURES]
    told = replace(
        old,
        manifest=msgspec.structs.replace(old.manifest, features=clamped, fallback="because"),
        model=centered(old.model, ROWS),
    )

    assert b"out_of_range" not in write_archive(old)
    assert b"center" not in write_archive(old)
    assert read_archive(write_archive(told)) == told


def changed_baseline(**fields: Any) -> Callable[[Any], Any]:
    """Change the first feature's baseline."""
    return lambda document: {**document, "features": [{**document["features"][0], **fields}, *document["features"][1:]]}


@pytest.mark.parametrize(
    ("member", "change", "says"),
    [
        ("baseline.json", merged(features=[]), "baseline.json.*features"),
        ("baseline.json", merged(rows=5), '"glucose" has 3 values and 1 missing ones in 5 rows'),
        ("baseline.json", merged(patients=[1]), "unknown field `patients`"),
        ("baseline.json", changed_baseline(name="sugar"), "not those of the manifest"),
        ("baseline.json", changed_baseline(missing=-1), "negative count"),
        ("baseline.json", changed_baseline(edges=[1.0, 1.0], counts=[1, 1, 1]), "do not ascend"),
        ("baseline.json", changed_baseline(edges=[2.0, 1.0], counts=[1, 1, 1]), "do not ascend"),
        ("baseline.json", changed_baseline(edges=[1.0], counts=[3]), "1 bins for 1 edges; one more is needed"),
        ("baseline.json", changed_baseline(edges=[1.0], counts=[1, 1]), "3 values, yet its bins hold 2"),
        ("baseline.json", changed_baseline(edges=[1.0], counts=[4, -1]), "negative count"),
        ("baseline.json", changed_baseline(deviation=-1.0), "cannot be one"),
        ("baseline.json", changed_baseline(mean="high"), "baseline.json"),
        ("baseline.json", changed_baseline(edges=[0.0] * 1001, counts=[3]), "baseline.json.*length <= 1000"),
        ("quality.json", merged(rows=0), "over no row"),
        ("quality.json", merged(metrics={}), "quality.json"),
        ("quality.json", merged(metrics={"A U C": 1.0}), "quality.json"),
        ("quality.json", merged(metrics={"auc": "good"}), "quality.json"),
    ],
)
def test_a_hostile_report_is_refused_with_a_sentence(member: str, change: Callable[[Any], Any], says: str) -> None:
    with pytest.raises(InvalidArchive, match=says):
        read_archive(altered(write_archive(WHOLE), member, change))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_is_no_report(value: float) -> None:
    good = baseline(NAMES, ROWS)
    entry = msgspec.structs.replace(good.features[0], mean=value)

    with pytest.raises(InvalidModel, match="cannot be one"):
        check_baseline(Baseline(good.rows, [entry, *good.features[1:]]), contents().manifest)
    with pytest.raises(InvalidModel, match="auc is not finite"):
        check_quality(Quality(1, {"auc": value}))
    with pytest.raises(InvalidModel, match="importance of a is not finite"):
        check_quality(Quality(1, {"auc": 0.5}, Importance("auc", 60, 3, {"a": value})))


def test_what_a_later_version_says_of_quality_stops_no_server() -> None:
    data = altered(write_archive(WHOLE), "quality.json", merged(calibration={"bins": 10}))
    assert read_archive(data).quality == WHOLE.quality
