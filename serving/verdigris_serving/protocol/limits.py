"""The manifest's ranges applied to rows: a value beyond them is refused, or clamped and noted, as the feature says."""

import math
from collections.abc import Iterator, Sequence

from verdigris_serving.model.schema import Feature, Row, allows, bounds, is_free_text, is_integral
from verdigris_serving.protocol.messages import CallerFault, Numbers

#: Most places that an answer names as clamped.
MAX_NOTES = 100
_NEEDED = "a value is needed; this model does not impute a missing one"


class Limits:
    """What a caller may send for each feature."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = list(features)
        self._limits = [(*bounds(f), f.nullable, is_integral(f)) for f in features]
        #: (column, the only values allowed) of each feature that has such; of most models none.
        self._known = [
            (number, frozenset([*feature.categories, None]))
            for number, feature in enumerate(features)
            if feature.categories is not None and feature.datatype != "BYTES"
        ]
        self._texts = [place for place, feature in enumerate(features) if is_free_text(feature)]
        #: Where there are such texts: the limits of all other features, and their columns.
        self._beside = Limits([f for f in features if not is_free_text(f)]) if self._texts else None
        self._columns = [place for place, feature in enumerate(features) if not is_free_text(feature)]

    def apply(self, rows: list[Row]) -> list[str]:
        """Make every row one that the model may see, in place. Raises CallerFault naming the first that cannot be.

        Returns the places of the values that were clamped: at most MAX_NOTES, then one line with how many more.
        """
        if self._beside is not None:
            return self._apply_beside_texts(rows, self._beside)
        numbers: list[Numbers] = rows  # type: ignore[assignment]
        if self._fits(numbers[0]) if len(rows) == 1 else self._all_fit(numbers):
            return []
        notes = [n for number, row in enumerate(numbers) if not self._fits(row) for n in self._settle(row, number)]
        if len(notes) > MAX_NOTES:
            return [*notes[:MAX_NOTES], f"and {len(notes) - MAX_NOTES} more"]
        return notes

    def _apply_beside_texts(self, rows: list[Row], others: "Limits") -> list[str]:
        for number, row in enumerate(rows):
            for place in self._texts:
                if row[place] is None and not self._features[place].nullable:
                    raise CallerFault(f'feature "{self._features[place].name}", row {number}: {_NEEDED}')
        settled = [[row[place] for place in self._columns] for row in rows]
        notes = others.apply(settled)
        for row, numbers in zip(rows, settled, strict=True):
            for place, value in zip(self._columns, numbers, strict=True):
                row[place] = value
        return notes

    def _fits(self, row: Numbers) -> bool:
        for value, (low, high, nullable, integral) in zip(row, self._limits):  # noqa: B905 - strict costs a tenth
            if value is None:
                if not nullable:
                    return False
            elif not low <= value <= high or (integral and value % 1):
                return False
        return not self._known or all(row[place] in known for place, known in self._known)

    def _all_fit(self, rows: list[Numbers]) -> bool:
        """The same for a batch, by column, because ``min`` and ``max`` look at a value faster than any code here."""
        for whole, (low, high, nullable, integral) in zip(zip(*rows, strict=True), self._limits, strict=True):
            try:
                fits = _column_fits(whole, low, high, integral)
            except TypeError:  # a value is missing
                present = [value for value in whole if value is not None]
                fits = nullable and (not present or _column_fits(present, low, high, integral))
            if not fits:
                return False
        return all(known.issuperset(row[place] for row in rows) for place, known in self._known)

    def _settle(self, row: Numbers, number: int) -> Iterator[str]:
        """Clamp what may be clamped, naming each place. Raises CallerFault at the first value that may not be sent."""
        for index, (value, feature) in enumerate(zip(row, self._features, strict=True)):
            where = f'feature "{feature.name}", row {number}'
            low, high, nullable, integral = self._limits[index]
            if value is None:
                if not nullable:
                    raise CallerFault(f"{where}: {_NEEDED}")
                continue
            if not math.isfinite(value):
                raise CallerFault(f"{where}: a finite number is needed")
            if integral and value % 1:
                raise CallerFault(f"{where}: a whole number is needed ({feature.datatype})")
            if feature.categories is not None and not allows(feature, value):
                raise CallerFault(f"{where}: none of the values that the model knows: {_known(feature.categories)}")
            if low <= value <= high:
                continue
            if feature.out_of_range == "reject":
                beyond = f"below {_spelt(low)}, the least" if value < low else f"above {_spelt(high)}, the most"
                raise CallerFault(f"{where}: {beyond} that is allowed")
            if integral:
                low, high = float(math.ceil(low)), float(math.floor(high))
            row[index] = low if value < low else high
            yield where


def _spelt(number: float) -> str:
    """In few digits where these are the number itself: else what is refused would look like what is allowed."""
    return f"{number:g}" if float(f"{number:g}") == number else repr(number)


def _known(categories: Sequence[float | str]) -> str:
    shown = ", ".join(c if isinstance(c, str) else f"{c:g}" for c in categories[:20])
    return shown + (", …" if len(categories) > 20 else "")


def _column_fits(column: Sequence[float | None], low: float, high: float, integral: bool) -> bool:
    """Raises TypeError when a value is missing."""
    if not (low <= min(column) and max(column) <= high):  # type: ignore[type-var, operator]
        return False
    return not integral or all(map(float.is_integer, column))  # type: ignore[arg-type]
