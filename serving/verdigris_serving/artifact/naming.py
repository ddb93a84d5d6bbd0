"""Columns by name: what a pipeline was fitted on by name is put in its own order, or refused by name."""

import re
from collections.abc import Sequence
from pathlib import Path

from verdigris_serving.model.schema import Feature, InvalidModel


def order(named: Sequence[str], given: Sequence[str]) -> list[int]:
    """Where each of the pipeline's columns is among the given ones; as given when the pipeline knows no names.

    Raises InvalidModel, saying which names do not match.
    """
    if not named:
        return list(range(len(given)))
    lacking = [name for name in named if name not in given]
    foreign = [name for name in given if name not in named]
    if lacking or foreign:
        parts = [f"has no {_quoted(lacking)}"] if lacking else []
        parts += [f"has {_quoted(foreign)} instead" if lacking else f"also has {_quoted(foreign)}"] if foreign else []
        advice = (
            "name the columns as they were named then"
            if lacking
            else "leave out what is no feature (on the command line: --unused COLUMN)"
        )
        raise InvalidModel(
            f"the pipeline was fitted on columns by name, and what is given {', and '.join(parts)}; {advice}"
        )
    return [list(given).index(name) for name in named]


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def features_in(places: Sequence[int], features: Sequence[Feature]) -> list[Feature]:
    """The features in another order."""
    return [features[place] for place in places]


def model_name(path: Path) -> str:
    """A model's name after a file: only what may stand in one."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "model"
