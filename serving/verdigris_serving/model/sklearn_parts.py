"""The estimators inside a fitted pipeline, and the search trees of neighbours, which a file does not hold.

scikit-learn's KDTree and BallTree store themselves by ``__reduce__``, which the server does not allow. They follow from
the training rows, which are stored: built again from these, they answer the same, ties included.
"""

from collections.abc import Iterator
from typing import Any

from sklearn import neighbors

_BUILT = {"kd_tree": "KDTree", "ball_tree": "BallTree"}


def parts(model: Any) -> Iterator[Any]:
    """Every estimator and transformer within, the model itself first."""
    waiting, seen = [model], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
        elif getattr(getattr(part, "dtype", None), "kind", "") == "O":
            waiting += part.ravel().tolist()
        elif hasattr(part, "__dict__") and not isinstance(part, type):
            if hasattr(part, "get_params"):
                yield part
            waiting += vars(part).values()


def with_search_trees(model: Any) -> None:
    """Build the search trees that are not there, in place."""
    for part in parts(model):
        kind = _BUILT.get(getattr(part, "_fit_method", None) or "")
        if kind and part._tree is None:
            build = getattr(neighbors, kind)
            part._tree = build(
                part._fit_X, part.leaf_size, metric=part.effective_metric_, **part.effective_metric_params_
            )
