"""Where a pipeline decides: the thresholds of its trees and bins, found in whatever it is nested, and the values of the
features that lie on either side of each.

What is in front of a threshold (scalers, imputers, selections) is not inverted but asked: a value is moved along one
feature until the result crosses the threshold, by halving the floats between two ends. So it works for whatever the
steps in front compute, and ends on two neighbouring floats.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.multioutput import ClassifierChain, RegressorChain
from sklearn.pipeline import FeatureUnion, Pipeline

from verdigris_serving.artifact.graph import lightgbm_trees, xgboost_trees
from verdigris_serving.artifact.graph.compose import columns_of
from verdigris_serving.model.sklearn_parts import members

#: Most thresholds that are followed back through the steps in front, and most features that are tried for it.
_FOLLOWED = 2_000
_FEATURES = 200

Through = Callable[[Any], Any]


@dataclass(frozen=True)
class Site:
    """Thresholds on the columns of what ``through`` makes of the input; ``single``: they are compared in float32."""

    through: Through
    direct: bool
    columns: Any
    thresholds: Any
    single: bool


def sites(model: Any, through: Through = lambda table: table, direct: bool = True) -> Iterator[Site]:
    """Every place where ``model`` compares a column with a threshold."""
    if isinstance(model, Pipeline):
        for _, step in model.steps[:-1]:
            yield from _in_step(step, through, direct)
            if step not in (None, "passthrough"):
                through, direct = _after(step.transform, through), False
        model = model.steps[-1][1]
    if getattr(model, "_preprocessor", None) is not None:
        through, direct = _after(model._preprocessor.transform, through), False
    yield from _own(model, through, direct)
    if isinstance(model, ClassifierChain | RegressorChain):
        yield from _in_chain(model, through, direct)
        return
    for part, columns in members(model):
        if columns is None:
            yield from sites(part, through, direct)
        else:
            yield from sites(part, _after(_taker(columns), through), False)


def _in_chain(model: Any, through: Through, direct: bool) -> Iterator[Site]:
    """Each estimator of a chain sees what those before it say, behind the columns that all of them see."""
    for part in model.estimators_:
        yield from sites(part, through, direct)
        said = getattr(part, getattr(model, "chain_method_", "predict"))
        through, direct = _with_said(said, through), False


def _with_said(said: Through, before: Through) -> Through:
    def through(table: Any) -> Any:
        seen = before(table)
        told = said(seen)
        return np.column_stack([seen, told if told.ndim == 1 else told[:, 1]])

    return through


def _after(step: Through, before: Through) -> Through:
    return lambda table: _dense(step(before(table)))


def _dense(table: Any) -> Any:
    made = np.asarray(table.toarray() if hasattr(table, "toarray") else table)
    return made if made.dtype == object else made.astype(np.float64)


def _taker(columns: Any) -> Through:
    return lambda table: table[:, columns]


def _in_step(step: Any, through: Through, direct: bool) -> Iterator[Site]:
    if isinstance(step, Pipeline):
        for _, part in step.steps:
            yield from _in_step(part, through, direct)
            if part not in (None, "passthrough"):
                through, direct = _after(part.transform, through), False
    elif isinstance(step, ColumnTransformer):
        for _, part, columns in columns_of(step):
            yield from _in_step(part, _after(_taker(columns), through), False)
    elif isinstance(step, FeatureUnion):
        for _, part in step.transformer_list:
            yield from _in_step(part, through, direct)
    elif hasattr(step, "bin_edges_"):
        edges = [np.asarray(each, dtype=np.float64) for each in step.bin_edges_]
        numbers = np.concatenate([np.full(len(each), number) for number, each in enumerate(edges)])
        yield Site(through, direct, numbers, np.concatenate(edges), False)
    elif type(step).__name__ == "Binarizer":
        width = step.n_features_in_
        yield Site(through, direct, np.arange(width), np.full(width, float(step.threshold)), False)


def _own(model: Any, through: Through, direct: bool) -> Iterator[Site]:
    """The thresholds of the model itself, not of its parts."""
    if hasattr(model, "tree_"):
        inner = model.tree_.children_left >= 0
        yield Site(through, direct, model.tree_.feature[inner], model.tree_.threshold[inner], True)
    stages = getattr(model, "_predictors", None)
    if stages:
        nodes = np.concatenate([predictor.nodes for stage in stages for predictor in stage])
        inner = (nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)
        yield Site(through, direct, nodes["feature_idx"][inner].astype(int), nodes["num_threshold"][inner], False)
    for found, single in ((xgboost_trees.thresholds(model), True), (lightgbm_trees.thresholds(model), False)):
        if found:
            yield Site(through, direct, *found, single)


def merged(found: Iterable[Site]) -> list[Site]:
    """The sites with those of the same columns put together: a forest has one for each of its trees."""
    groups: dict[tuple[int, bool], list[Site]] = {}
    for site in found:
        groups.setdefault((id(site.through), site.single), []).append(site)
    return [
        replace(
            group[0],
            columns=np.concatenate([site.columns for site in group]),
            thresholds=np.concatenate([site.thresholds for site in group]),
        )
        for group in groups.values()
    ]


def around(site: Site, start: Any, low: Any, high: Any, source: Any) -> list[tuple[int, float]]:
    """(feature, value) on both sides of the site's thresholds, one ulp apart, in float32 too where that is compared.

    ``start`` is the row to start from; ``low`` and ``high`` bound each feature; ``source`` is a generator of random
    numbers.
    """
    chosen = np.flatnonzero(np.isfinite(site.thresholds))
    if len(chosen) > _FOLLOWED:
        chosen = np.sort(source.choice(chosen, _FOLLOWED, replace=False))
    if not len(chosen):
        return []
    site = replace(site, columns=site.columns[chosen], thresholds=site.thresholds[chosen].astype(np.float64))
    if site.direct:
        pairs = zip(site.columns, site.thresholds, strict=True)
        return [pair for column, threshold in pairs for pair in _beside(int(column), threshold, site.single)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return _followed(site, start, low, high)
        except Exception:  # a step in front refuses what lies between: then its thresholds are met by chance only
            return []


def _beside(feature: int, threshold: float, single: bool) -> Iterator[tuple[int, float]]:
    near = [threshold, np.nextafter(threshold, -np.inf), np.nextafter(threshold, np.inf)]
    if single:
        with np.errstate(over="ignore"):
            rounded = np.float32(threshold)
        ends = [rounded, np.nextafter(rounded, np.float32(-np.inf)), np.nextafter(rounded, np.float32(np.inf))]
        near += [float(value) for value in ends]
        # Half-way between two float32: where the cast goes one way or the other.
        near += [(float(ends[0]) + float(ends[1])) / 2, (float(ends[0]) + float(ends[2])) / 2]
    yield from ((feature, float(value)) for value in near if np.isfinite(value))


def _followed(site: Site, start: Any, low: Any, high: Any) -> list[tuple[int, float]]:
    moves = _moves(site.through, start.reshape(1, -1), low, high)
    features = np.array([moves.get(int(column), -1) for column in site.columns])
    known = features >= 0
    features, columns, thresholds = features[known], site.columns[known], site.thresholds[known]
    if not len(features):
        return []
    place = np.arange(len(features))

    def below(values: Any) -> Any:
        table = np.repeat(start.reshape(1, -1), len(features), axis=0)
        table[place, features] = values
        made = np.asarray(site.through(table)[place, columns], dtype=np.float64)
        if site.single:
            made = made.astype(np.float32).astype(np.float64)
        return made <= thresholds

    left, right = ordered(low[features]), ordered(high[features])
    at_left = below(floats(left))
    crossed = at_left != below(floats(right))
    for _ in range(64):
        middle = (left & right) + ((left ^ right) >> 1)  # their sum could overflow
        same = below(floats(middle)) == at_left
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    pairs = []
    for feature, a, b, is_crossed in zip(features, floats(left), floats(right), crossed, strict=True):
        if is_crossed:
            pairs += [(int(feature), float(a)), (int(feature), float(b))]
    return pairs


def _moves(through: Through, start: Any, low: Any, high: Any) -> dict[int, int]:
    """For each column of the result a feature that it depends on."""
    usual = through(start)
    found: dict[int, int] = {}
    for feature in range(min(start.shape[1], _FEATURES)):
        for value in (low[feature], high[feature]):
            moved = start.copy()
            moved[0, feature] = value
            for column in np.flatnonzero(through(moved)[0] != usual[0]):
                found.setdefault(int(column), feature)
    return found


def ordered(values: Any) -> Any:
    """Floats as whole numbers in the same order, neighbours one apart."""
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    return np.where(bits >= 0, bits, np.int64(-(2**63)) - bits)


def floats(numbers: Any) -> Any:
    """The floats that ``ordered`` numbered."""
    bits = np.where(numbers >= 0, numbers, np.int64(-(2**63)) - numbers)
    return np.ascontiguousarray(bits, dtype=np.int64).view(np.float64)
