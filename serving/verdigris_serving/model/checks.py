"""What types cannot say of the documents inside an artifact: each check raises InvalidModel, naming the field."""

import math
from itertools import pairwise

from verdigris_serving.model.schema import (
    LARGEST_VALUE,
    SEMANTIC_VERSION,
    Baseline,
    Feature,
    FeatureBaseline,
    GoldenRows,
    InvalidModel,
    LinearSpec,
    Manifest,
    Quality,
    Said,
    allows,
    bounds,
    has_several_labels,
    is_free_text,
    score_count,
)


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
        _check_categories(feature, low, high)
        if is_free_text(feature) and manifest.format != "sklearn":
            raise InvalidModel(
                f'feature "{feature.name}" is a text without categories, which format {manifest.format} does not take'
            )
    _check_classes(manifest)


def _check_categories(feature: Feature, low: float, high: float) -> None:
    known = feature.categories
    is_text = feature.datatype == "BYTES"
    if is_text and (feature.minimum is not None or feature.maximum is not None):
        raise InvalidModel(f'feature "{feature.name}": a text has neither minimum nor maximum')
    if known is None:
        return
    if any(isinstance(value, str) != is_text for value in known) or len(set(known)) != len(known):
        raise InvalidModel(f'feature "{feature.name}": its categories are not different values of its datatype')
    if not is_text and not all(low <= value <= high for value in known if not isinstance(value, str)):
        raise InvalidModel(f'feature "{feature.name}": a category is beyond its minimum or maximum')


def _check_classes(manifest: Manifest) -> None:
    if manifest.task == "regression":
        if manifest.classes or manifest.threshold is not None or manifest.label_from != "scores":
            raise InvalidModel("a regression has neither classes nor a threshold nor a label")
        if manifest.scores != "probabilities" or manifest.outputs == 0:
            raise InvalidModel("a regression has values, and no other scores")
        return
    if len({(type(label), label) for label in manifest.classes}) != len(manifest.classes):
        raise InvalidModel("two classes are equal")
    least = 1 if has_several_labels(manifest) else 2
    if len({type(label) for label in manifest.classes}) != 1 or len(manifest.classes) < least:
        raise InvalidModel("a classification needs two or more classes of one type")
    _check_scores(manifest)
    if manifest.threshold is not None:
        _check_threshold(manifest, manifest.threshold)
    elif has_several_labels(manifest) and manifest.label_from != "model":
        raise InvalidModel("several labels a row are the model's own")


def _check_threshold(manifest: Manifest, threshold: float) -> None:
    if has_several_labels(manifest):
        raise InvalidModel("a threshold decides between two classes, and here a row has several labels; leave it out")
    if len(manifest.classes) != 2:
        raise InvalidModel("a threshold belongs to two classes, and only to two")
    if manifest.label_from != "scores":
        raise InvalidModel("a threshold decides by the scores, not by the model's own label")
    if not 0 < threshold < 1:
        raise InvalidModel(f"threshold {threshold} is not between 0 and 1")


def _check_scores(manifest: Manifest) -> None:
    """What is said of the scores fits together."""
    if manifest.scores == "probabilities":
        if manifest.outputs is not None:
            raise InvalidModel("probabilities are one a class, and have no other number of outputs")
        return
    if manifest.threshold is not None:
        raise InvalidModel("a threshold is one of probabilities, and this model gives none; leave it out")
    if (manifest.outputs == 0) != (manifest.scores == "none"):
        raise InvalidModel("a model without scores has no outputs, and every other has some")
    if manifest.label_from != "model":
        raise InvalidModel("without probabilities the label is the model's own")


def check_linear(spec: LinearSpec, manifest: Manifest) -> None:
    """Raise InvalidModel unless the sums are well defined and finite for every row within ±LARGEST_VALUE."""
    if manifest.label_from != "scores" or (manifest.classes and manifest.outputs is not None):
        raise InvalidModel("format linear has probabilities or values, and no label of its own beside them")
    sums = len(spec.intercepts)
    classes, needed = {"logistic": (2, 1), "softmax": (sums, sums), "identity": (0, score_count(manifest))}[spec.link]
    if len(manifest.classes) != classes or sums != needed:
        raise InvalidModel(
            f'link "{spec.link}" with {sums} intercepts does not give {len(manifest.classes)} classes, or '
            f"{score_count(manifest)} values"
        )
    largest = [abs(intercept) for intercept in spec.intercepts]
    for number, term in enumerate(spec.terms):
        if not 0 <= term.feature < len(manifest.features):
            raise InvalidModel(f"terms[{number}].feature {term.feature} is no index into the features")
        if len(term.weights) != sums:
            raise InvalidModel(f"terms[{number}] has {len(term.weights)} weights for {sums} intercepts")
        if manifest.features[term.feature].nullable and term.missing is None:
            raise InvalidModel(f"terms[{number}] has no value for a missing input, yet its feature is nullable")
        if not math.isfinite(term.center or 0.0) or not math.isfinite(term.argument or 0.0):
            raise InvalidModel(f"terms[{number}].center or argument is not finite")
        if (term.function == "equals") != (term.argument is not None):
            raise InvalidModel(f"terms[{number}]: an argument belongs to the function equals, and only to that")
        reach = max(LARGEST_VALUE, abs(term.missing or 0.0))
        largest = [total + abs(weight) * reach for total, weight in zip(largest, term.weights, strict=True)]
    if not all(map(math.isfinite, largest)):
        raise InvalidModel("the weights are so large that a sum could overflow")


def check_golden(golden: GoldenRows, manifest: Manifest) -> None:
    """Raise InvalidModel unless every golden row has the right length and one list of expected outputs."""
    outputs = score_count(manifest)
    if len(golden.rows) != len(golden.expected):
        raise InvalidModel(f"{len(golden.rows)} golden rows have {len(golden.expected)} expected outputs")
    for number, (row, expected) in enumerate(zip(golden.rows, golden.expected, strict=True)):
        if len(row) != len(manifest.features) or len(expected) != outputs:
            raise InvalidModel(f"golden row {number} needs {len(manifest.features)} values and {outputs} outputs")
        for value, feature in zip(row, manifest.features, strict=True):
            if not allows(feature, value):
                raise InvalidModel(f'golden row {number}: feature "{feature.name}" is not a value a caller may send')
    _check_golden_labels(golden, manifest)


def _check_golden_labels(golden: GoldenRows, manifest: Manifest) -> None:
    labels = golden.labels
    if (labels is not None) != (manifest.label_from == "model"):
        raise InvalidModel("golden rows have labels where the label is the model's own, and only there")
    if labels is None:
        return
    if len(labels) != len(golden.rows) or not all(_is_said(label, manifest) for label in labels):
        raise InvalidModel("the golden rows' labels are not one position among the classes a row, or a 0 or 1 for each")


def _is_said(label: Said, manifest: Manifest) -> bool:
    if isinstance(label, list):
        return has_several_labels(manifest) and len(label) == len(manifest.classes) and set(label) <= {0, 1}
    return not has_several_labels(manifest) and 0 <= label < len(manifest.classes)


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
    for name, loss in (quality.importance.losses if quality.importance else {}).items():
        if not math.isfinite(loss):
            raise InvalidModel(f"the quality report's importance of {name} is not finite")
