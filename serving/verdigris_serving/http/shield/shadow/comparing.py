"""Whether two answers to one request agree, row by row. Pure.

A row agrees where both say the same label. Where there are no labels but values (a regression), it agrees where no
value is further from the other than what is tolerated. What has neither is not judged: nobody knows at which score
its caller decides.
"""

import enum
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verdigris_serving.http.shield.shadow.answers import Told

#: Of the active version's own mean error on its holdout: who can live with that error cannot tell this much.
OF_THE_MEAN_ERROR = 0.1
#: Of the larger of two values, where an artifact says nothing of its errors.
OF_THE_VALUE = 0.01


class Likeness(enum.StrEnum):
    """How it went with one copy of a request."""

    AGREED = "agreed"
    """Every row of its answer agrees with the active version's."""
    DIFFERED = "differed"
    """At least one does not."""
    FAILED = "failed"
    """The version on trial had no answer to it, or not in time, or one that is none; or turned it away."""
    INCOMPARABLE = "incomparable"
    """There are two answers, and nothing in them that both have: neither labels nor values of a regression. (Or it was
    turned away by a version that is meant to take other requests.)"""
    DROPPED = "dropped"
    """It was not sent, or not compared: there was no room or time for it, or it is too large."""


@dataclass(frozen=True)
class Tolerance:
    """How far apart two values may be and still agree: ``mean_error`` is the active version's, None if unknown."""

    mean_error: float | None = None

    @classmethod
    def of(cls, quality: Mapping[str, float]) -> "Tolerance":
        """By what an artifact says about its holdout."""
        return cls(quality.get("mae"))

    def allows(self, one: float, other: float) -> bool:
        """Whether the two agree."""
        if self.mean_error:
            return abs(one - other) <= OF_THE_MEAN_ERROR * self.mean_error
        return abs(one - other) <= OF_THE_VALUE * max(abs(one), abs(other))


@dataclass(frozen=True)
class Compared:
    """``agreed`` and ``differed`` in rows; ``differences`` a number a row where both have the same kind of scores:
    the largest difference of any of its scores.
    """

    likeness: Likeness
    agreed: int = 0
    differed: int = 0
    differences: tuple[float, ...] = ()


def compare(active: Told, other: Told, tolerance: Tolerance) -> Compared:
    """The version on trial's answer beside the active one's."""
    if active.rows != other.rows:
        return Compared(Likeness.FAILED)
    same_kind = active.kind == other.kind
    differences = list(map(_difference, active.scores, other.scores)) if same_kind else []
    known = tuple(each for each in differences if each is not None)
    if active.labels is not None and other.labels is not None:
        alike = [one == two for one, two in zip(active.labels, other.labels, strict=True)]
    elif same_kind and active.kind[:1] == ("value",):
        alike = [_agree(one, two, tolerance) for one, two in zip(active.scores, other.scores, strict=True)]
    else:
        return Compared(Likeness.INCOMPARABLE, differences=known)
    agreed = sum(alike)
    likeness = Likeness.AGREED if agreed == len(alike) else Likeness.DIFFERED
    return Compared(likeness, agreed, len(alike) - agreed, known)


def _agree(one: Sequence[Any], two: Sequence[Any], tolerance: Tolerance) -> bool:
    return len(one) == len(two) and all(
        a == b or (_is_number(a) and _is_number(b) and tolerance.allows(a, b)) for a, b in zip(one, two, strict=True)
    )


def _difference(one: Sequence[Any], two: Sequence[Any]) -> float | None:
    """The largest of the row; None where something in it is no number."""
    if len(one) != len(two) or not all(map(_is_number, (*one, *two))):
        return None
    return max((abs(float(a) - float(b)) for a, b in zip(one, two, strict=True)), default=None)


def _is_number(value: Any) -> bool:
    """Whether one can calculate with it: an integer of JSON may be larger than any float."""
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max
