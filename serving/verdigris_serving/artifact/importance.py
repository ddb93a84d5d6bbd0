"""How much a packed model depends on each feature: what its quality loses when that feature's values are exchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from verdigris_serving.artifact.holdout import Holdout
from verdigris_serving.model.schema import Importance, InvalidModel, Manifest, Row

REPEATS = 3
ROWS = 500
ANSWERS = 60_000
"""Rows that are asked in all, at most: packing waits for them."""
LEAST_ROWS = 50
"""Of fewer rows an exchange says nothing."""
_LEADING = ("auc", "r2", "accuracy")
_SEED = 20_261_128


def importance(
    manifest: Manifest, holdout: Holdout, metrics_of: Callable[[Holdout], Mapping[str, float]]
) -> Importance | None:
    """Permutation importance (Breiman, Random Forests, 2001, section 10) over the holdout's rows.

    ``metrics_of`` gives the metrics over a holdout, or raises InvalidModel. A feature whose exchanged values make a row
    without an answer has no importance. None: there are too few rows or too many features, or no metric leads.
    """
    names = [feature.name for feature in manifest.features]
    rows = min(len(holdout.rows), ROWS, ANSWERS // (REPEATS * len(names)))
    if rows < LEAST_ROWS or manifest.task == "clusters":
        return None
    chance = np.random.default_rng(_SEED)
    some = sorted(chance.choice(len(holdout.rows), rows, replace=False))
    part = replace(holdout, rows=[holdout.rows[i] for i in some], labels=[holdout.labels[i] for i in some])
    whole = metrics_of(part)
    leading = next((name for name in _LEADING if name in whole), None)
    if leading is None:
        return None
    losses = {}
    for place, name in enumerate(names):
        try:
            found = [metrics_of(_exchanged(part, place, chance))[leading] for _ in range(REPEATS)]
        except InvalidModel:
            continue
        losses[name] = whole[leading] - float(np.mean(found))
    return Importance(metric=leading, rows=rows, repeats=REPEATS, losses=losses)


def _exchanged(part: Holdout, place: int, chance: np.random.Generator) -> Holdout:
    """The same rows, the values of one feature in another order."""
    order = chance.permutation(len(part.rows))
    rows: list[Row] = [list(row) for row in part.rows]
    for row, other in zip(rows, order, strict=True):
        row[place] = part.rows[other][place]
    return replace(part, rows=rows)
