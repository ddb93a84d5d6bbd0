"""Who explains a model's answers, and how: a linear model by its terms, exactly; any other by sampling, with errors.

Sampled are Shapley values: the value of some of a row's features is what the model says, on average, when they are the
row's and the others are those of a typical row. What a feature adds to that is averaged over orders of the features
(Štrumbelj and Kononenko, "Explaining prediction models and individual predictions with feature contributions", 2014,
algorithm 1), each order taken with its reverse, which makes the average steadier. No row of anybody's is in an
artifact: typical rows are drawn from its training counts, each feature by itself.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import fmean, stdev
from typing import Protocol, cast

from verdigris_serving.model.linear import LinearExplanation, NonFiniteScore
from verdigris_serving.model.loaded import LoadedModel, Predictor
from verdigris_serving.model.schema import (
    Baseline,
    Feature,
    FeatureBaseline,
    Manifest,
    Row,
    Value,
    bounds,
    has_several_labels,
    is_free_text,
    is_integral,
    score_count,
)
from verdigris_serving.protocol.messages import CallerFault

#: Most numbers in the explanation of one request.
MAX_EXPLANATION = 2_000_000
#: Rows that the model is asked to explain one request, at most, and the most numbers in those of one explained row.
MOST_ASKED, MOST_NUMBERS = 50_000, 2_000_000
#: Typical rows, each with an order of its own and the reverse of that.
TYPICAL = 32
_SEED = 20_261_128


@dataclass(frozen=True)
class Explained:
    """Of one row, a list an output, a number a feature. ``errors`` are the standard errors; none of what is exact."""

    contributions: list[list[float]]
    errors: list[list[float]] = field(default_factory=list)


class Explanation(Protocol):
    """What each feature added to each output. With ``base``, one number an output, the contributions add up to it."""

    @property
    def sampled(self) -> bool:
        """Whether what it says has errors."""

    @property
    def most_rows(self) -> int:
        """How many rows it explains for one request."""

    @property
    def base(self) -> list[float]:
        """What the contributions are counted from. Raises CallerFault."""

    def explained(self, row: Row) -> Explained:
        """Raises CallerFault where this row cannot be explained, and NonFiniteScore."""


def explanation(model: LoadedModel) -> Explanation | str:
    """Who explains the model's answers; a sentence where nobody can: why, and what to do."""
    manifest, width = model.manifest, len(model.manifest.features)
    if manifest.format == "linear":
        exact: LinearExplanation | None = getattr(model.predictor, "explanation", None)
        if exact is None:
            return "the artifact carries no training means; pack the model again with its training rows (--training)"
        return _Exact(exact, max(1, MAX_EXPLANATION // (width * len(exact.base))))
    why_not = _why_not_sampled(model)
    if why_not or model.baseline is None:
        return why_not
    return SampledExplanation(
        manifest.features, model.baseline, model.predictor, explained_outputs(manifest), MOST_ASKED // _asked_for(width)
    )


def _why_not_sampled(model: LoadedModel) -> str:
    """Why, and what to do; empty where it can be."""
    features = model.manifest.features
    if model.manifest.scores == "none":
        return "this model gives labels alone, and scores are what is explained"
    if any(map(is_free_text, features)):
        return "this model takes free texts, of which nothing typical is known"
    if _asked_for(len(features)) * len(features) > MOST_NUMBERS:
        return f"this model has {len(features)} features, which are too many for an explanation by sampling"
    if model.baseline is None:
        return "the artifact says nothing of its training rows; pack the model again with them (--training)"
    return ""


def explained_outputs(manifest: Manifest) -> list[int]:
    """The places of the scores that are explained: of two classes the second, which says all, else each."""
    count = score_count(manifest)
    of_two = manifest.classes and not has_several_labels(manifest)
    return list(range(count)) if count > (2 if of_two else 1) else [count - 1]


def _asked_for(width: int) -> int:
    """Rows that the model is asked to explain one of so many features."""
    return 2 * TYPICAL * (width + 1)


@dataclass(frozen=True)
class _Exact:
    """As the model's own terms say, on the scale of its sums."""

    of: LinearExplanation
    most_rows: int
    sampled: bool = False

    @property
    def base(self) -> list[float]:
        return self.of.base

    def explained(self, row: Row) -> Explained:
        # What is linear has no texts without categories.
        return Explained(self.of.contributions(cast(list[float | None], row)))


class SampledExplanation:
    """What each feature added to each score, on the score's own scale. The same for the same row.

    ``base`` is the average score of the typical rows, one an output; with the contributions of a row it adds up to the
    row's score. ``outputs`` are the places of the scores that are explained.
    """

    sampled = True

    def __init__(
        self,
        features: Sequence[Feature],
        baseline: Baseline,
        predictor: Predictor,
        outputs: Sequence[int],
        most_rows: int = 1,
    ) -> None:
        self.most_rows = most_rows
        source = random.Random(_SEED)
        places = list(range(len(features)))
        pairs = list(zip(features, baseline.features, strict=True))
        self.typical = [[_drawn(*pair, source) for pair in pairs] for _ in range(TYPICAL)]
        self._orders = [source.sample(places, len(places)) for _ in range(TYPICAL)]
        self._outputs = outputs
        self._scores_many = predictor.scores_many
        self._base: list[float] | None = None

    @property
    def base(self) -> list[float]:
        """Computed when it is first asked for: most pods are never asked. Raises CallerFault."""
        if self._base is None:
            scores = self._asked(self.typical)
            self._base = [fmean(row[output] for row in scores) for output in self._outputs]
        return self._base

    def explained(self, row: Row) -> Explained:
        """Raises CallerFault where a mixture of this row and a typical one has no answer."""
        ways = [
            (typical, way)
            for typical, order in zip(self.typical, self._orders, strict=True)
            for way in (order, order[::-1])
        ]
        scores = self._asked([mixed for typical, way in ways for mixed in _walk(typical, row, way)])
        width = len(row) + 1
        whole = Explained([])
        for output in self._outputs:
            line = [score[output] for score in scores]
            added = [_added(line[n * width : (n + 1) * width], way) for n, (_, way) in enumerate(ways)]
            # An order and its reverse go with each other: it is their mean that is independent of the others.
            pairs = [list(map(fmean, zip(*pair, strict=True))) for pair in zip(added[::2], added[1::2], strict=True)]
            by_feature = list(zip(*pairs, strict=True))
            whole.contributions.append(list(map(fmean, by_feature)))
            whole.errors.append([stdev(values) / math.sqrt(TYPICAL) for values in by_feature])
        return whole

    def _asked(self, rows: list[Row]) -> list[list[float]]:
        try:
            return self._scores_many(rows)
        except NonFiniteScore:
            raise CallerFault(
                "this cannot be explained: the model has no answer to some row between it and a typical one; ask for "
                "the answer without its explanation"
            ) from None


def _walk(typical: Row, row: Row, order: Sequence[int]) -> list[Row]:
    """From the typical row to the row, one feature after the other."""

    def taken(before: Row, place: int) -> Row:
        return [*before[:place], row[place], *before[place + 1 :]]

    return list(accumulate(order, taken, initial=typical))


def _added(line: Sequence[float], order: Sequence[int]) -> list[float]:
    """What each feature, in their own order, added on the way."""
    added = [0.0] * len(order)
    for step, place in enumerate(order):
        added[place] = line[step + 1] - line[step]
    return added


def _drawn(feature: Feature, known: FeatureBaseline, source: random.Random) -> Value:
    """One value as the training rows had them, in the form of a row."""
    if feature.nullable and source.random() * (known.missing + known.count) < known.missing:
        return None
    low, high = bounds(feature)
    spread = known.deviation or 1.0
    inner = known.edges or [known.mean]
    edges = [inner[0] - spread, *known.edges, inner[-1] + spread]
    (place,) = source.choices(range(len(known.counts)), known.counts if sum(known.counts) else None)
    value = min(max(source.uniform(edges[place], edges[place + 1]), low), high)
    if feature.datatype != "BYTES" and feature.categories:
        return min((float(one) for one in feature.categories), key=lambda one: abs(one - value))
    return float(min(max(round(value), math.ceil(low)), math.floor(high))) if is_integral(feature) else value
