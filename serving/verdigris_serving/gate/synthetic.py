"""Rows that a client may send, made from what the artifact says of its training rows: common, rare and at the edges.

No row of anybody's is in an artifact's baseline: these are drawn from its counts.
"""

import math
import random
from collections.abc import Sequence
from typing import Any

from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Feature, FeatureBaseline, Value, bounds, is_free_text, is_integral
from verdigris_serving.protocol.example import as_sent

Sent = dict[str, Any]
_TEXTS = ("a text", "", "Zwei Wörter, 三つ", "x" * 2_000)
UNSEEN = "a category that nobody has seen"
#: How far beyond its outer edges a feature without limits is drawn, and where nothing is known of it.
_WIDE = 1_000.0


def rows(model: LoadedModel, count: int, source: random.Random) -> list[Sent]:
    """``count`` rows by feature name. The first have special values of one feature each, among drawn ones."""
    known = {entry.name: entry for entry in model.baseline.features} if model.baseline else {}
    features = [_Values(feature, known.get(feature.name)) for feature in model.manifest.features]
    special = [(place, value) for place, each in enumerate(features) for value in each.special]
    # Of many features the first ones alone would have theirs.
    source.shuffle(special)
    made = []
    for number in range(count):
        row = {each.name: each.drawn(source) for each in features}
        if number < len(special):
            place, value = special[number]
            row[features[place].name] = value
        made.append(row)
    return made


class _Values:
    """What may be sent for one feature: ``special`` values, and others ``drawn`` as the training rows had them."""

    def __init__(self, feature: Feature, baseline: FeatureBaseline | None) -> None:
        self.name = feature.name
        self._feature = feature
        self._baseline = baseline
        self._choices = _choices(feature)
        self._low, self._high = _span(feature, baseline)
        self._edges = sorted(baseline.edges) if baseline else []
        self._missing = baseline.missing / max(1, baseline.missing + baseline.count) if baseline else 0.0
        self.special = [*(self._choices or self._ends())]
        if feature.nullable:
            self.special.append(None)

    def drawn(self, source: random.Random) -> Any:
        """One value."""
        if self._feature.nullable and source.random() < self._missing:
            return None
        if self._choices:
            return source.choice(self._choices)
        edges = [self._low, *self._edges, self._high]
        counts = self._baseline.counts if self._baseline and sum(self._baseline.counts) else [1] * (len(edges) - 1)
        ((place, _),) = source.choices(list(enumerate(counts)), counts)
        return self._sent(source.uniform(edges[place], edges[place + 1]))

    def _ends(self) -> list[Any]:
        values: Sequence[float] = [self._low, self._high, *self._edges]
        feature = self._feature
        beyond = []
        if feature.out_of_range == "clamp":
            beyond = [limit for limit in (_below(feature), _above(feature)) if limit is not None]
        return [*map(self._sent, values), *(as_sent(feature, value) for value in beyond)]

    def _sent(self, value: float) -> Any:
        feature = self._feature
        low, high = bounds(feature)
        if is_integral(feature):
            low, high = math.ceil(low), math.floor(high)
            value = round(value)
        return as_sent(feature, float(min(max(value, low), high)))


def _choices(feature: Feature) -> list[Any]:
    """All values of a feature that has few; empty for a range of numbers."""
    if is_free_text(feature):
        return list(_TEXTS)
    if feature.datatype == "BOOL":
        return [False, True]
    if feature.categories is None:
        return []
    if feature.datatype == "BYTES":
        return [*feature.categories, *([UNSEEN] if feature.unknown == "ignore" else [])]
    values: list[Value] = list(feature.categories)
    return [as_sent(feature, value) for value in values]


def _span(feature: Feature, baseline: FeatureBaseline | None) -> tuple[float, float]:
    """From where to where a number is drawn: within its limits, and about as far as training went."""
    low, high = bounds(feature)
    if baseline and baseline.count:
        inner = [baseline.mean, *baseline.edges]
        spread = baseline.deviation or 1.0
        return max(low, min(inner) - 2 * spread), min(high, max(inner) + 2 * spread)
    return max(low, min(-_WIDE, high)), min(high, max(_WIDE, low))


def _below(feature: Feature) -> float | None:
    return None if feature.minimum is None else feature.minimum - 1


def _above(feature: Feature) -> float | None:
    return None if feature.maximum is None else feature.maximum + 1
