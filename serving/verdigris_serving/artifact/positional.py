"""A pipeline that picks columns by name, as one that picks them by number: what serves has arrays and no frames."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.compose import ColumnTransformer

from verdigris_serving.model import arrays
from verdigris_serving.model.schema import Feature, InvalidModel, Row
from verdigris_serving.model.sklearn_parts import parts

#: Where scikit-learn keeps that a step gives frames (``set_output``).
_OUTPUT = "_sklearn_output_config"


def positional(model: Any) -> Any:
    """The model itself where it needs no names, else a copy that takes arrays in the order of its columns."""
    if not any(_by_name(part) or _gives_frames(part) for part in parts(model)):
        return model
    copied = copy.deepcopy(model)
    for part in parts(copied):
        if hasattr(part, _OUTPUT):
            delattr(part, _OUTPUT)
        if _by_name(part):
            places: dict[str, Any] = {
                name: [int(n) for n in found] for name, found in part._transformer_to_input_indices.items()
            }
            # One name, and no list of them: a column of its own, and no table of one.
            places |= {name: places[name][0] for name, _, columns in part.transformers_ if isinstance(columns, str)}
            part.transformers_ = [(name, step, places[name]) for name, step, _ in part.transformers_]
            # A selector of columns that is a function has been asked, and is not needed again.
            part.transformers = [(name, step, places.get(name, [])) for name, step, _ in part.transformers]
    return copied


def _by_name(part: Any) -> bool:
    return isinstance(part, ColumnTransformer) and hasattr(part, "transformers_") and hasattr(part, "feature_names_in_")


def _gives_frames(part: Any) -> bool:
    return bool(getattr(part, _OUTPUT, {}).get("transform", "default") != "default")


def check_same(model: Any, copied: Any, features: Sequence[Feature], rows: Sequence[Row]) -> None:
    """Raise InvalidModel unless the copy answers the rows as the model itself does when it is asked with names."""
    try:
        import pandas as pd  # noqa: PLC0415 - only who fitted on its frames has it
    except ImportError:
        return
    table = arrays.inputs(rows, features)
    frame = pd.DataFrame({f.name: pd.Series(list(table[:, n])) for n, f in enumerate(features)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted, got = model.predict(frame), copied.predict(table)
        except Exception as error:  # a pipeline refuses rows in whatever way its parts do
            line = str(error).strip().partition("\n")[0]
            raise InvalidModel(f"the pipeline itself refuses the given rows: {line or type(error).__name__}") from error
    # Another layout in memory may add in another order.
    same = np.allclose(wanted, got, rtol=1e-9) if is_regressor(model) else np.array_equal(wanted, got)
    if not same:
        raise InvalidModel("the pipeline answers otherwise when its columns have no names; let it pick them by number")
