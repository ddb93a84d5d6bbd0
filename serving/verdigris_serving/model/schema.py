"""The documents inside an artifact, as typed structures. Every one refuses unknown fields.

A document that decodes has the right types; ``check_*`` then proves what types cannot say, so that nothing
above this module ever meets an index out of range or a weight that is not finite.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta, Struct

#: The version of the archive's layout. A reader refuses any other.
SCHEMA_VERSION = 1
#: A request's value must lie within ±this, so that no sum of terms can overflow: see ``check_linear``.
LARGEST_VALUE = 1e30

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$")]
FeatureName = Annotated[str, Meta(min_length=1, max_length=253)]
MetricName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
_IDENTIFIERS = r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*"
_NUMBER = r"(0|[1-9][0-9]{0,8})"
#: Semantic Versioning 2.0.0, with numbers bounded to nine digits.
SEMANTIC_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_IDENTIFIERS})?(\+{_IDENTIFIERS})?")

Datatype = Literal["FP64", "FP32", "INT64", "INT32"]
ElementwiseFunction = Literal["identity", "log", "log1p", "sqrt"]
Label = int | str | bool
Row = list[float | None]


class InvalidModel(ValueError):
    """A document contradicts itself; the message names the field."""


class Feature(Struct, frozen=True, forbid_unknown_fields=True):
    """One input: its name, its datatype in the Open Inference Protocol, and what a caller may send for it.

    ``minimum`` and ``maximum`` are inclusive; ``nullable`` says that a missing value (JSON null) is imputed.
    ``out_of_range`` says what happens beyond them: ``reject`` refuses the request, ``clamp`` shows the model the
    nearest allowed value and flags it in the answer.
    """

    name: FeatureName
    datatype: Datatype = "FP64"
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    out_of_range: Literal["reject", "clamp"] = "reject"


class Equivalence(Struct, frozen=True, forbid_unknown_fields=True):
    """What packing proved: the largest absolute difference of any output over ``rows`` rows."""

    rows: int
    largest_difference: float


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who the model is and what it expects. ``classes`` is empty for a regression.

    ``fallback`` is the sentence that says why packing took this format and not one that serves faster.
    """

    schema: int
    name: Name
    version: Annotated[str, Meta(max_length=128)]
    format: str
    task: Literal["classification", "regression"]
    features: Annotated[list[Feature], Meta(min_length=1, max_length=10_000)]
    classes: Annotated[list[Label], Meta(max_length=1_000)]
    threshold: float | None
    equivalence: Equivalence
    libraries: dict[str, str]
    fallback: Annotated[str, Meta(max_length=4_000)] | None = None


class Term(Struct, frozen=True, forbid_unknown_fields=True):
    """``weights[k] * function(row[feature])`` added to output ``k``; ``missing`` replaces the function's result
    for a missing input, and None means that a missing input is not allowed.

    ``center`` is the mean of the function's result over the training rows, None when packing was given none. With it
    ``weights[k] * (function(row[feature]) - center)`` is what this term adds to output ``k`` beyond the average.
    """

    feature: int
    function: ElementwiseFunction
    weights: list[float]
    missing: float | None
    center: float | None = None


class LinearSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A generalised linear model. Outputs before the link are ``intercepts[k]`` plus the sum of the terms.

    Link ``logistic``: one sum, two probabilities. ``softmax``: a sum a class. ``identity``: one sum, the value.
    """

    link: Literal["logistic", "softmax", "identity"]
    intercepts: Annotated[list[float], Meta(min_length=1, max_length=1_000)]
    terms: Annotated[list[Term], Meta(max_length=100_000)]


class GoldenRows(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows with the outputs that the original pipeline gave for them: probabilities by class, or the value."""

    rows: Annotated[list[Row], Meta(min_length=1, max_length=10_000)]
    expected: list[list[float]]
    tolerance: Annotated[float, Meta(gt=0, le=1e-3)]


class FeatureBaseline(Struct, frozen=True, forbid_unknown_fields=True):
    """How one feature was distributed over the training rows: counts only, never a row.

    ``count`` rows had a value and ``missing`` had none. ``mean`` and ``deviation`` (of the population) are those of
    the values, 0 without any. ``edges`` ascend; ``counts`` has one bin more: at most the first edge, above an edge
    and at most the next, above the last. (So they are the buckets of a Prometheus histogram.)
    """

    name: FeatureName
    count: int
    missing: int
    mean: float
    deviation: float
    edges: Annotated[list[float], Meta(max_length=1_000)]
    counts: Annotated[list[int], Meta(max_length=1_001)]


class Baseline(Struct, frozen=True, forbid_unknown_fields=True):
    """The training data as drift is measured against: one entry a feature, in the manifest's order."""

    rows: int
    features: Annotated[list[FeatureBaseline], Meta(min_length=1, max_length=10_000)]


class Quality(Struct, frozen=True, forbid_unknown_fields=True):
    """How good the packed model is on ``rows`` rows that it was not trained on.

    ``metrics`` has auc, accuracy, brier and log_loss for two classes, accuracy and log_loss for more, r2 and mae for
    a regression.
    """

    rows: int
    metrics: Annotated[dict[MetricName, float], Meta(min_length=1, max_length=100)]


def bins_of(edges: Sequence[float], values: Iterable[float]) -> Iterator[int]:
    """The bin of each value, as ``FeatureBaseline.counts`` numbers them: packing and serving count alike."""
    return map(partial(bisect_left, edges), values)


def check_manifest(manifest: Manifest) -> None:
    """Raise InvalidModel when the manifest contradicts itself."""
    if not SEMANTIC_VERSION.fullmatch(manifest.version):
        raise InvalidModel(f'version "{manifest.version}" is not a semantic version such as 1.2.0')
    names = [feature.name for feature in manifest.features]
    if len(set(names)) != len(names):
        raise InvalidModel("two features have the same name")
    for feature in manifest.features:
        low, high = bounds(feature)
        if not low <= high:
            raise InvalidModel(f'feature "{feature.name}": minimum and maximum leave no allowed value')
    _check_classes(manifest)


def _check_classes(manifest: Manifest) -> None:
    if manifest.task == "regression":
        if manifest.classes or manifest.threshold is not None:
            raise InvalidModel("a regression has neither classes nor a threshold")
        return
    if len({(type(label), label) for label in manifest.classes}) != len(manifest.classes):
        raise InvalidModel("two classes are equal")
    if len({type(label) for label in manifest.classes}) != 1 or len(manifest.classes) < 2:
        raise InvalidModel("a classification needs two or more classes of one type")
    binary = len(manifest.classes) == 2
    if binary != (manifest.threshold is not None):
        raise InvalidModel("a threshold belongs to two classes, and only to two")
    if manifest.threshold is not None and not 0 < manifest.threshold < 1:
        raise InvalidModel(f"threshold {manifest.threshold} is not between 0 and 1")


def bounds(feature: Feature) -> tuple[float, float]:
    """The least and the greatest value that a caller may send, both inclusive and finite."""
    low = -LARGEST_VALUE if feature.minimum is None else max(feature.minimum, -LARGEST_VALUE)
    high = LARGEST_VALUE if feature.maximum is None else min(feature.maximum, LARGEST_VALUE)
    return low, high


def allows(feature: Feature, value: float | None) -> bool:
    """Whether a caller may send ``value`` for ``feature``."""
    if value is None:
        return feature.nullable
    low, high = bounds(feature)
    return low <= value <= high and (not feature.datatype.startswith("INT") or value.is_integer())


def check_linear(spec: LinearSpec, manifest: Manifest) -> None:
    """Raise InvalidModel unless the sums are well defined and finite for every row within ±LARGEST_VALUE."""
    sums = len(spec.intercepts)
    expected = {"logistic": 2, "softmax": sums, "identity": 0}[spec.link]
    if len(manifest.classes) != expected or (spec.link != "softmax" and sums != 1):
        raise InvalidModel(f'link "{spec.link}" with {sums} intercepts does not give {len(manifest.classes)} classes')
    largest = [abs(intercept) for intercept in spec.intercepts]
    for number, term in enumerate(spec.terms):
        if not 0 <= term.feature < len(manifest.features):
            raise InvalidModel(f"terms[{number}].feature {term.feature} is no index into the features")
        if len(term.weights) != sums:
            raise InvalidModel(f"terms[{number}] has {len(term.weights)} weights for {sums} intercepts")
        if manifest.features[term.feature].nullable and term.missing is None:
            raise InvalidModel(f"terms[{number}] has no value for a missing input, yet its feature is nullable")
        if not math.isfinite(term.center or 0.0):
            raise InvalidModel(f"terms[{number}].center is not finite")
        reach = max(LARGEST_VALUE, abs(term.missing or 0.0))
        largest = [total + abs(weight) * reach for total, weight in zip(largest, term.weights, strict=True)]
    if not all(map(math.isfinite, largest)):
        raise InvalidModel("the weights are so large that a sum could overflow")


def check_golden(golden: GoldenRows, manifest: Manifest) -> None:
    """Raise InvalidModel unless every golden row has the right length and one list of expected outputs."""
    outputs = len(manifest.classes) or 1
    if len(golden.rows) != len(golden.expected):
        raise InvalidModel(f"{len(golden.rows)} golden rows have {len(golden.expected)} expected outputs")
    for number, (row, expected) in enumerate(zip(golden.rows, golden.expected, strict=True)):
        if len(row) != len(manifest.features) or len(expected) != outputs:
            raise InvalidModel(f"golden row {number} needs {len(manifest.features)} values and {outputs} outputs")
        for value, feature in zip(row, manifest.features, strict=True):
            if not allows(feature, value):
                raise InvalidModel(f'golden row {number}: feature "{feature.name}" is not a value a caller may send')


def check_baseline(baseline: Baseline, manifest: Manifest) -> None:
    """Raise InvalidModel unless the baseline is of the manifest's features and its counts add up."""
    if [entry.name for entry in baseline.features] != [feature.name for feature in manifest.features]:
        raise InvalidModel("the baseline's features are not those of the manifest, in its order")
    for entry in baseline.features:
        _check_counts(entry, baseline.rows)
        numbers = (entry.mean, entry.deviation, *entry.edges)
        if not all(map(math.isfinite, numbers)) or entry.deviation < 0:
            raise InvalidModel(f"{_of(entry)} has a mean, a deviation or an edge that cannot be one")
        if any(low >= high for low, high in pairwise(entry.edges)):
            raise InvalidModel(f"{_of(entry)} has edges that do not ascend")


def _of(entry: FeatureBaseline) -> str:
    return f'the baseline of feature "{entry.name}"'


def _check_counts(entry: FeatureBaseline, rows: int) -> None:
    if min(entry.count, entry.missing, *entry.counts, 0) < 0:
        raise InvalidModel(f"{_of(entry)} has a negative count")
    if entry.count + entry.missing != rows:
        raise InvalidModel(f"{_of(entry)} has {entry.count} values and {entry.missing} missing ones in {rows} rows")
    if len(entry.counts) != len(entry.edges) + 1:
        raise InvalidModel(
            f"{_of(entry)} has {len(entry.counts)} bins for {len(entry.edges)} edges; one more is needed"
        )
    if sum(entry.counts) != entry.count:
        raise InvalidModel(f"{_of(entry)} has {entry.count} values, yet its bins hold {sum(entry.counts)}")


def check_quality(quality: Quality) -> None:
    """Raise InvalidModel unless the report is over at least one row and every metric is finite."""
    if quality.rows < 1:
        raise InvalidModel("the quality report is over no row")
    for name, value in quality.metrics.items():
        if not math.isfinite(value):
            raise InvalidModel(f"the quality report's {name} is not finite")
