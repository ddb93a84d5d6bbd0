"""The documents inside an artifact, as typed structures. Every one refuses unknown fields, but for the quality report:
no answer depends on what that says, so what a later version adds to it stops no older server.

A document that decodes has the right types; ``model/checks.py`` then proves what types cannot say, so that nothing
above ever meets an index out of range or a weight that is not finite.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Annotated, Literal, TypeVar, cast

from msgspec import Meta, Struct

#: The version of the archive's layout. A reader refuses any other.
SCHEMA_VERSION = 1
#: A request's value must lie within ±this, so that no sum of terms can overflow (``model/checks.py``).
LARGEST_VALUE = 1e30

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$")]
FeatureName = Annotated[str, Meta(min_length=1, max_length=253)]
MetricName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
_IDENTIFIERS = r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*"
_NUMBER = r"(0|[1-9][0-9]{0,8})"
#: Semantic Versioning 2.0.0, with numbers bounded to nine digits.
SEMANTIC_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_IDENTIFIERS})?(\+{_IDENTIFIERS})?")

Datatype = Literal["FP64", "FP32", "INT64", "INT32", "BOOL", "BYTES"]
ElementwiseFunction = Literal["identity", "log", "log1p", "sqrt", "equals"]
#: ``outliers`` has the classes -1 (one) and 1 (none), ``clusters`` a class a cluster, ``multilabel`` a class a label.
Task = Literal["classification", "regression", "outliers", "clusters", "multilabel"]
Label = int | str | bool
#: What a row's label is: its position among the classes, or, of several labels a row, for each 1 (it is there) or 0.
Said = int | list[int]
#: A number, a text of a feature that has no categories, or None for a missing value.
Value = float | str | None
Row = list[Value]
_Label = TypeVar("_Label")


class InvalidModel(ValueError):
    """A document contradicts itself; the message names the field."""


class Feature(Struct, frozen=True, forbid_unknown_fields=True):
    """One input: its name, its datatype in the Open Inference Protocol, and what a caller may send for it.

    ``minimum`` and ``maximum`` are inclusive; ``nullable`` says that a missing value (JSON null) is imputed.
    ``out_of_range`` says what happens beyond them: ``reject`` refuses the request, ``clamp`` shows the model the
    nearest allowed value and flags it in the answer. ``categories`` are the only values that the pipeline takes, where
    it refuses all others; None: it takes any. A feature of datatype BYTES is a text, and in a row the position of that
    among its categories; ``unknown`` says what another text is: refused, or (``ignore``) none of them, position -1. A
    text without categories is any text, of which the model takes the words; in a row it is that text itself.
    """

    name: FeatureName
    datatype: Datatype = "FP64"
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    out_of_range: Literal["reject", "clamp"] = "reject"
    categories: Annotated[list[float | str], Meta(min_length=1, max_length=10_000)] | None = None
    unknown: Literal["reject", "ignore"] = "reject"


class Equivalence(Struct, frozen=True, forbid_unknown_fields=True):
    """What packing proved over ``rows`` given rows and ``made`` ones that were built to differ.

    ``largest_difference`` is that of any output from the pipeline's, divided by the output where that is beyond 1, or,
    of a value or a decision, beyond the largest of the given rows if this is less. No label differed.
    """

    rows: int
    largest_difference: float
    made: int = 0


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who the model is and what it expects. ``classes`` is empty for a regression; of several labels a row
    (``multilabel``) they are these, each there or not, with a probability or a decision of its own.

    ``threshold`` is the least probability of the second of two classes that makes it the label. Without one the label
    is the class with the largest score, the first of equal ones, or, with ``label_from`` ``model``, what the model
    itself says beside its scores (a vector machine, for one, does not decide by its probabilities).
    ``scores`` says what a row's scores are where there are classes: probabilities, the estimator's own decision (of one
    number for two classes, and for an outlier, where it is called its score), or none at all; without probabilities,
    and of several labels a row, the label is always the model's own. ``outputs`` is how many scores a row has where
    that is not one a class, or one value.
    ``fallback`` is the sentence that says why packing took this format and not one that serves faster. ``partial``:
    the pipeline itself has no answer to some combinations of allowed values, so that a row without one is refused and
    is no fault of the model's.
    """

    schema: int
    name: Name
    version: Annotated[str, Meta(max_length=128)]
    format: str
    task: Task
    features: Annotated[list[Feature], Meta(min_length=1, max_length=10_000)]
    classes: Annotated[list[Label], Meta(max_length=1_000)]
    threshold: float | None
    equivalence: Equivalence
    libraries: dict[str, str]
    fallback: Annotated[str, Meta(max_length=4_000)] | None = None
    label_from: Literal["scores", "model"] = "scores"
    partial: bool = False
    scores: Literal["probabilities", "decision", "none"] = "probabilities"
    outputs: Annotated[int, Meta(ge=0, le=500_000)] | None = None


class Term(Struct, frozen=True, forbid_unknown_fields=True):
    """``weights[k] * function(row[feature])`` added to output ``k``; ``missing`` replaces the function's result
    for a missing input, and None means that a missing input is not allowed. ``equals`` is 1 where the input is
    ``argument``, else 0.

    ``center`` is the mean of the function's result over the training rows, None when packing was given none. With it
    ``weights[k] * (function(row[feature]) - center)`` is what this term adds to output ``k`` beyond the average.
    """

    feature: int
    function: ElementwiseFunction
    weights: list[float]
    missing: float | None
    center: float | None = None
    argument: float | None = None


class LinearSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A generalised linear model. Outputs before the link are ``intercepts[k]`` plus the sum of the terms.

    Link ``logistic``: one sum, two probabilities. ``softmax``: a sum a class. ``identity``: a sum a value.
    """

    link: Literal["logistic", "softmax", "identity"]
    intercepts: Annotated[list[float], Meta(min_length=1, max_length=1_000)]
    terms: Annotated[list[Term], Meta(max_length=100_000)]


class GoldenRows(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows with the outputs that the original pipeline gave for them: the scores, or the values.

    ``tolerance`` is per output, and times the output where that is beyond 1. ``labels`` are there where the label is
    the model's own.
    """

    rows: Annotated[list[Row], Meta(min_length=1, max_length=10_000)]
    expected: list[list[float]]
    tolerance: Annotated[float, Meta(gt=0, le=1e-3)]
    labels: list[Said] | None = None


class FeatureBaseline(Struct, frozen=True, forbid_unknown_fields=True):
    """How one feature was distributed over the training rows: counts only, never a row.

    ``count`` rows had a value and ``missing`` had none. ``mean`` and ``deviation`` (of the population) are those of
    the values, 0 without any. ``edges`` ascend; ``counts`` has one bin more: at most the first edge, above an edge
    and at most the next, above the last. (So they are the buckets of a Prometheus histogram.) Of a text without
    categories it is the length that is counted, in characters.
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


class Importance(Struct, frozen=True):
    """What ``metric`` loses, in its own unit, when the values of one feature are exchanged among ``rows`` rows.

    The mean of ``repeats`` exchanges. A feature that is not in ``losses`` has none: some exchanged row had no answer.
    """

    metric: MetricName
    rows: int
    repeats: int
    losses: dict[FeatureName, float]


class Quality(Struct, frozen=True):
    """How good the packed model is on ``rows`` rows that it was not trained on.

    ``metrics`` has auc, accuracy, brier and log_loss for two classes, accuracy and log_loss for more, r2 and mae for
    a regression (of several values their means), accuracy and, of two classes, auc where there are no probabilities,
    adjusted_rand for clusters, accuracy (of rows with every label right), hamming_loss, f1 and, where there are
    probabilities, auc for several labels a row (the last two as means over the labels). ``importance`` is by
    permutation of these rows.
    """

    rows: int
    metrics: Annotated[dict[MetricName, float], Meta(min_length=1, max_length=100)]
    importance: Importance | None = None


def measured(column: Iterable[Value]) -> list[float]:
    """The numbers that a baseline counts: each value that is not missing, and the length of each text."""
    present = [value for value in column if value is not None]
    if present and isinstance(present[0], str):  # then they all are
        return [float(len(cast(str, value))) for value in present]
    return cast(list[float], present)


def bins_of(edges: Sequence[float], values: Iterable[float]) -> Iterator[int]:
    """The bin of each value, as ``FeatureBaseline.counts`` numbers them: packing and serving count alike."""
    return map(partial(bisect_left, edges), values)


def bounds(feature: Feature) -> tuple[float, float]:
    """The least and the greatest value that a row may have, both inclusive and finite."""
    if feature.datatype == "BOOL":
        return 0.0, 1.0
    if feature.datatype == "BYTES" and feature.categories is not None:
        return (-1.0 if feature.unknown == "ignore" else 0.0), float(len(feature.categories) - 1)
    low = -LARGEST_VALUE if feature.minimum is None else max(feature.minimum, -LARGEST_VALUE)
    high = LARGEST_VALUE if feature.maximum is None else min(feature.maximum, LARGEST_VALUE)
    return low, high


def is_free_text(feature: Feature) -> bool:
    """Whether the feature is a text without categories: any text, which stands in a row as itself."""
    return feature.datatype == "BYTES" and feature.categories is None


def allows(feature: Feature, value: Value) -> bool:
    """Whether a caller may send ``value`` for ``feature``."""
    if value is None:
        return feature.nullable
    if isinstance(value, str) or is_free_text(feature):
        return isinstance(value, str) and is_free_text(feature)
    low, high = bounds(feature)
    if feature.datatype != "BYTES" and feature.categories is not None and value not in feature.categories:
        return False
    return low <= value <= high and (not is_integral(feature) or value.is_integer())


def is_integral(feature: Feature) -> bool:
    """Whether only whole numbers stand for the feature in a row."""
    return not feature.datatype.startswith("FP")


def chosen(manifest: Manifest, scores: Sequence[Sequence[float]], of: Sequence[_Label]) -> list[_Label]:
    """The label of each row where its scores decide: one of ``of``, which has one entry a class."""
    threshold = manifest.threshold
    if threshold is not None:
        no, yes = of
        return [yes if row[1] >= threshold else no for row in scores]
    if len(of) == 2:
        no, yes = of
        return [yes if row[1] > row[0] else no for row in scores]
    return [of[max(range(len(row)), key=row.__getitem__)] for row in scores]


def has_several_labels(manifest: Manifest) -> bool:
    """Whether a row has a label for each of the classes, there or not, instead of one of them."""
    return manifest.task == "multilabel"


def score_count(manifest: Manifest) -> int:
    """How many scores a row has."""
    return (len(manifest.classes) or 1) if manifest.outputs is None else manifest.outputs


def score_name(manifest: Manifest) -> str:
    """What a row's scores are called where they are answered; empty where there are none."""
    if manifest.task == "regression":
        return "value"
    if manifest.scores == "decision" and manifest.task == "outliers":
        return "score"
    return "" if manifest.scores == "none" else manifest.scores


def label_positions(manifest: Manifest, scores: Sequence[Sequence[float]]) -> list[int]:
    """The same as positions among the classes."""
    return chosen(manifest, scores, range(len(manifest.classes)))
