"""Random data to fit on, and fresh rows of its kind and beyond it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

#: What the values of a feature may look like.
_KINDS = ("normal", "whole", "tenths", "skewed", "large", "small", "few")


@dataclass(frozen=True)
class Data:
    """``values`` [rows, features], NaN where one is missing, with ``target``; ``classes`` is 0 for a regression.

    ``target`` is [rows, targets] where there are several: values, or labels of 0 and 1.
    """

    values: Any
    target: Any
    classes: int
    missing: bool
    positive: bool


def drawn(
    source: np.random.Generator, *, positive: bool = False, missing: bool = False, classes: int = 0, targets: int = 1
) -> Data:
    """Between 40 and 250 rows of 2 to 7 features, and a target that depends on them."""
    rows, width = int(source.integers(40, 250)), int(source.integers(2, 8))
    values = np.column_stack([_column(source, str(source.choice(_KINDS)), rows) for _ in range(width)])
    if positive:
        values = np.abs(values)
    scaled = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-300)
    signal = _signal(source, scaled)
    if targets > 1:
        signal = np.column_stack([signal, *(_signal(source, scaled) for _ in range(targets - 1))])
    if missing:
        values[source.random(values.shape) < 0.15] = np.nan
    if not classes:
        return Data(values, signal * 10.0 ** source.integers(-9, 5) + source.choice([0.0, 150.0]), 0, missing, positive)
    if targets > 1:
        return Data(values, (signal > source.normal(size=targets)).astype(int), classes, missing, positive)
    cuts = np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1])
    labels = np.searchsorted(cuts, signal)
    labels[:classes] = np.arange(classes)
    return Data(values, _named(source, labels), classes, missing, positive)


def _signal(source: np.random.Generator, scaled: Any) -> Any:
    rows, width = scaled.shape
    noise = source.normal(size=rows) * 0.5
    return scaled @ source.normal(size=width) + 0.5 * scaled[:, 0] * scaled[:, -1] + noise


def _named(source: np.random.Generator, labels: Any) -> Any:
    kind = source.integers(0, 3)
    if kind == 0:
        return labels
    return np.array(["c", "a", "d", "b"])[labels] if kind == 1 else labels * 3 - 2


def _column(source: np.random.Generator, kind: str, rows: int) -> Any:
    normal = source.normal(size=rows)
    made = {
        "normal": normal,
        "whole": np.round(normal * 4),
        "tenths": np.round(normal * 2, 1),
        "skewed": np.exp(normal * 2),
        "large": normal * 1e6 + 1e7,
        "small": normal * 1e-6,
        "few": source.choice([0.0, 1.0, 2.5], size=rows),
    }
    return made[kind]


def fresh(source: np.random.Generator, data: Data, count: int) -> Any:
    """``count`` rows: values of the data in other combinations, moved a little, far, by an ulp, half-way, missing."""
    table = np.column_stack([source.choice(column, size=count) for column in data.values.T])
    spread = np.nanstd(data.values, axis=0)
    near = table + source.normal(size=table.shape) * spread * source.choice([1e-6, 0.01, 0.3, 3.0], size=(count, 1))
    other = np.column_stack([source.choice(column, size=count) for column in data.values.T])
    ulp = np.nextafter(table, np.where(source.random(table.shape) < 0.5, -np.inf, np.inf))
    choice = source.integers(0, 5, size=(count, 1))
    made = np.select(
        [choice == 0, choice == 1, choice == 2, choice == 3], [table, ulp, (table + other) / 2, near], near
    )
    made = np.where(np.isnan(made), table, made)
    if data.positive:
        made = np.abs(made)
    return made
