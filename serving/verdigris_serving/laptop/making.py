"""Rows that are made up for a pipeline that comes without any: what its encoders know, and a few numbers.

Needs scikit-learn: imported only where a pipeline is packed.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verdigris_serving.artifact.pipeline import columns, unwrapped
from verdigris_serving.artifact.texts import encoded, free_texts
from verdigris_serving.model.schema import Feature
from verdigris_serving.model.sklearn_parts import takes_documents

#: What a feature of numbers has in turn.
_NUMBERS: tuple[Any, ...] = (0.0, 1.0, -1.0, 0.5, 2.0, 10.0, 100.0, -10.0)
#: What a text has, of which the pipeline takes the words. Packing makes many others of them.
_TEXTS: tuple[Any, ...] = ("a short text", "Another one, of a few more words.", "yes", "")
_TRUTHS: tuple[Any, ...] = (False, True)
_MOST_ROWS = 64


@dataclass(frozen=True)
class Made:
    """``rows`` that the pipeline answers, a value a feature; ``refusal`` is what it said to the first that it did not.

    ``truths`` are the features that are true or false.
    """

    names: list[str]
    rows: list[list[Any]]
    truths: frozenset[str]
    refusal: str


def width_of(pipeline: Any) -> int | None:
    """How many features a pipeline takes; None where it does not say."""
    width: int | None = getattr(pipeline, "n_features_in_", 1 if takes_documents(pipeline) else None)
    return width


def made(pipeline: Any, width: int, described: dict[str, Feature]) -> Made:
    """At most 64 rows for ``width`` features. A column that an encoder takes has the values that it knows, a
    ``described`` one of datatype BOOL true and false, any other the same few numbers."""
    model = unwrapped(pipeline).model
    names = list(columns(model)) or (["text"] if takes_documents(model) else [f"x{number}" for number in range(width)])
    known, words = encoded(model, width), free_texts(model, width)
    values = [
        _TEXTS if place in words else _values(known.get(place), described.get(name)) for place, name in enumerate(names)
    ]
    rows: list[list[Any]] = []
    refusal = ""
    for row in _in_turns(values):
        said = _refusal(model, row)
        if not said:
            rows.append(row)
        refusal = refusal or said
    truths = frozenset(name for name, own in zip(names, values, strict=True) if all(isinstance(v, bool) for v in own))
    return Made(names, rows[:_MOST_ROWS], truths, refusal)


def _values(known: Sequence[Any] | None, described: Feature | None) -> Sequence[Any]:
    if known:
        # A text first: of a column that has texts, no number is taken.
        return [value for value in known if isinstance(value, str)] or list(known)
    return _TRUTHS if described is not None and described.datatype == "BOOL" else _NUMBERS


def _in_turns(values: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The first value of every feature, the second, …; then other ones of each beside each other."""
    most = len(_NUMBERS)
    alike = [[own[start % len(own)] for own in values] for start in range(most)]
    mixed = [
        [own[(place * step + start) % len(own)] for place, own in enumerate(values)]
        for step in (1, 3, 5, 7)
        for start in range(2 * most)
    ]
    return alike + mixed


def _refusal(model: Any, row: list[Any]) -> str:
    """What the pipeline says to a row that it does not answer; empty when it answers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.predict(_table(model, row))
    except Exception as error:  # a row that nobody gave it may be anything to it
        return str(error).strip().partition("\n")[0].rstrip(".:") or type(error).__name__
    return ""


def _table(model: Any, row: list[Any]) -> Any:
    """The row by the names that the pipeline was fitted on, where it was; else as it stands."""
    names = list(columns(model))
    if names:
        try:
            import pandas as pd  # noqa: PLC0415 - only who fitted on its frames has it
        except ImportError:
            pass
        else:
            return pd.DataFrame([row], columns=names)
    if takes_documents(model):
        return row
    return np.array([row], dtype=object if any(isinstance(value, str) for value in row) else None)
