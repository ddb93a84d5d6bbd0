"""Where a pipeline has an answer at all: the range of each feature beyond which it refuses, or answers no number.

A logarithm has none below zero, an isotonic regression none beyond the rows it was fitted on. Such an end is asked of
the pipeline, by halving the floats between a value that it answers and one that it does not, and becomes the feature's
range: then the server refuses what is beyond it, and names the feature. An end that depends on the row's other values
is none of one feature's; it is left alone here.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from verdigris_serving.artifact.proof.boundaries import floats, ordered
from verdigris_serving.artifact.proof.reference import Reference
from verdigris_serving.model.schema import Feature, Row, Value, allows, bounds, is_integral

#: Rows that must agree on an end, and seconds of processor time that looking for all of them may take.
_ROWS, _SECONDS = 4, 10.0
#: Features asked about at once: of most none has an end.
_CHUNK = 64


@dataclass(frozen=True)
class Ends:
    """The least and the greatest value of one feature that the pipeline answers, infinite where it answers any."""

    least: float = -math.inf
    greatest: float = math.inf

    def hold(self, value: Value) -> bool:
        """Whether a value is between them; a missing one and a text are no matter of ranges."""
        return value is None or isinstance(value, str) or self.least <= value <= self.greatest


def ends(
    reference: Reference,
    features: Sequence[Feature],
    rows: Sequence[Row],
    clock: Callable[[], float] = time.process_time,
) -> list[Ends]:
    """The ends of each feature, within what a caller may send; ``rows`` are such as the pipeline answers."""
    until = clock() + _SECONDS
    found = [Ends()] * len(features)
    for start in range(0, len(features), _CHUNK):
        places = [
            place
            for place, feature in enumerate(features[start : start + _CHUNK], start)
            if feature.datatype not in {"BOOL", "BYTES"} and feature.categories is None
        ]
        outmost = [_with(rows[0], place, value) for place in places for value in bounds(features[place])]
        if not outmost or reference.takes(*outmost):
            continue
        for place in places:
            if clock() < until:
                found[place] = _Search(reference, features[place], place, rows).ends()
    return found


def _with(row: Row, place: int, value: float) -> Row:
    return [value if n == place else v for n, v in enumerate(row)]


def narrowed(features: Sequence[Feature], found: Sequence[Ends]) -> list[Feature]:
    """The features with what was found as range, but for a side that is described: that is a promise, and is kept."""
    return [_narrowed(feature, own) for feature, own in zip(features, found, strict=True)]


def _narrowed(feature: Feature, own: Ends) -> Feature:
    least, greatest = own.least, own.greatest
    if is_integral(feature):
        least, greatest = float(_up(least)), float(_down(greatest))
    return msgspec.structs.replace(
        feature,
        minimum=least if feature.minimum is None and math.isfinite(least) else feature.minimum,
        maximum=greatest if feature.maximum is None and math.isfinite(greatest) else feature.maximum,
    )


def _up(value: float) -> float:
    return math.ceil(value) if math.isfinite(value) else value


def _down(value: float) -> float:
    return math.floor(value) if math.isfinite(value) else value


def _float(number: int) -> float:
    return float(floats(np.array([number]))[0])


class _Search:
    """The search for one feature's ends."""

    def __init__(self, reference: Reference, feature: Feature, place: int, rows: Sequence[Row]) -> None:
        self._reference = reference
        self._place = place
        step = max(1, len(rows) // _ROWS)
        self._rows = [row for row in rows[::step] if row[place] is not None][:_ROWS]
        self._own = [value for row in rows if isinstance(value := row[place], int | float) and allows(feature, value)]
        self._low, self._high = bounds(feature)

    def ends(self) -> Ends:
        """Both ends."""
        if not self._rows or not self._own:
            return Ends()
        least = self._end(min(self._own), self._low)
        greatest = self._end(max(self._own), self._high)
        return Ends(-math.inf if least is None else least, math.inf if greatest is None else greatest)

    def _end(self, inside: float, outside: float) -> float | None:
        """The last value from ``inside`` towards ``outside`` that is answered; None: there is no such end."""
        row, *others = self._rows
        if self._takes(row, outside) or not self._takes(row, inside):
            return None
        good, bad = ordered([inside, outside]).tolist()
        while abs(bad - good) > 1:
            middle = (good + bad) // 2
            if self._takes(row, _float(middle)):
                good = middle
            else:
                bad = middle
        last, next_one = _float(good) + 0.0, _float(bad)  # plus zero: no minus zero
        shared = all(self._takes(other, last) and not self._takes(other, next_one) for other in others)
        return last if shared else None

    def _takes(self, row: Row, value: float) -> bool:
        return self._reference.takes(_with(row, self._place, value))
