"""What packing was given beside the pipeline: features and rows in one form, in the order of the pipeline's columns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from verdigris_serving.artifact import naming, texts
from verdigris_serving.artifact.frames import Frame, frame, labels, one_column
from verdigris_serving.artifact.holdout import Holdout
from verdigris_serving.model.schema import Feature, InvalidModel, Row
from verdigris_serving.model.sklearn_parts import check_texts, takes_documents


@dataclass(frozen=True)
class Given:
    """``rows`` to prove equivalence on, ``training`` rows for the baseline, the ``holdout`` for the quality report."""

    features: list[Feature]
    rows: list[Row]
    training: list[Row]
    holdout: Holdout | None


def given(
    *,
    model: Any,
    columns: Sequence[str],
    features: Sequence[Feature],
    rows: Any,
    training: Any,
    holdout: Holdout | None,
) -> Given:
    """In the order of ``columns``, the names that the ``model`` was fitted on (none: as given).

    ``rows`` and ``training`` are any table; without ``features`` they come from the first of ``rows``, the holdout's
    rows and ``training`` that is there, which also has the rows that are proven on. Raises InvalidModel.
    """
    check_texts(model)
    texts.check_missing(model)
    documents = takes_documents(model)
    proven = _table(rows, "rows", documents=documents)
    tested = _table(holdout.rows, "the holdout", documents=documents) if holdout else None
    trained = _table(training, "training", documents=documents)
    shown = proven or tested or trained
    named = list(features) or (shown.features(["text"] if documents else columns) if shown else [])
    if not named:
        raise InvalidModel(
            "no rows were given, and what is packed is proven on some: give X=, rows of features (and y=, what is true "
            "of them, for a quality report)"
        )
    names = [feature.name for feature in named]
    places = naming.order(columns, names)
    ordered = [
        _ordered(table, places, names, what)
        for table, what in ((proven or tested or trained, "row"), (trained, "training row"), (tested, "holdout row"))
    ]
    in_order = naming.features_in(places, named)
    texts.check_documents(model, names)
    known, free = texts.encoded(model, len(in_order)), texts.free_texts(model, len(in_order))
    described = texts.described(in_order, [table for table in ordered if table], known, free)
    coded = [texts.coded(table.rows, described) if table else [] for table in ordered]
    return Given(described, coded[0], coded[1], replace(holdout, rows=coded[2]) if holdout and tested else holdout)


def of_xy(x: Any, y: Any) -> tuple[Any, Holdout | None]:
    """``X`` and ``y`` as rows, and as a holdout when both are there. Raises InvalidModel."""
    if y is None:
        return x, None
    if x is None:
        raise InvalidModel("y= was given without X=: give the rows that it belongs to")
    return None, Holdout(x, labels(y, "y"), tuple(map(str, getattr(y, "columns", ()))))


def _table(data: Any, what: str, *, documents: bool) -> Frame | None:
    if data is None or (isinstance(data, list | tuple) and not data):
        return None
    return frame(one_column(data) if documents else data, what)


def _ordered(table: Frame | None, places: Sequence[int], names: Sequence[str], what: str) -> Frame | None:
    """The table with a value a feature, by name where it has names. Raises InvalidModel."""
    if table is None:
        return None
    own = naming.order(names, table.names) if table.names else list(range(len(names)))
    for number, row in enumerate(table.rows):
        if len(row) != len(own):
            raise InvalidModel(f"{what} {number} has {len(row)} values for {len(own)} features")
        if any(isinstance(value, float) and math.isinf(value) for value in row):
            raise InvalidModel(f"{what} {number} has an infinite value; leave such rows out, or make the value missing")
    order = [own[place] for place in places]
    return replace(table, rows=[[row[place] for place in order] for row in table.rows])
