"""The estimators inside a fitted pipeline, and the search trees of neighbours, which a file does not hold.

scikit-learn's KDTree and BallTree store themselves by ``__reduce__``, which the server does not allow. They follow from
the training rows, which are stored: built again from these, they answer the same, ties included.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn import neighbors
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from verdigris_serving.model.schema import InvalidModel

#: What makes numbers of texts (TfidfVectorizer is a CountVectorizer).
VECTORIZERS = (CountVectorizer, HashingVectorizer)
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


def members(model: Any) -> Iterator[tuple[Any, Any]]:
    """The fitted estimators that a model asks in turn, each with the columns that it sees (None: all)."""
    inside = getattr(model, "estimators_", None)
    if inside is not None:
        views = getattr(model, "estimators_features_", None)
        # Not numpy's own flattening: it would take an ensemble for a list of what is in it.
        flat = inside.ravel().tolist() if hasattr(inside, "ravel") else inside
        for number, part in enumerate(flat):
            yield part, None if views is None else views[number]
    for each in getattr(model, "calibrated_classifiers_", ()):
        yield each.estimator, None
    for name in ("estimator_", "regressor_"):
        part = getattr(model, name, None)
        if inside is None and part is not None:
            yield part, None


def gives_several_labels(model: Any) -> bool:
    """Whether a classifier gives a row several: then it has classes for each, or has noted what it was fitted on."""
    if isinstance(model.classes_, list):
        return True
    last = split(model)[1]
    binarizer = getattr(last, "label_binarizer_", None) or getattr(last, "_label_binarizer", None)
    return str(getattr(binarizer, "y_type_", "")).startswith("multilabel")


def chances(model: Any, said: Any) -> Any:
    """[rows, labels]: how likely each of several labels is there, of what the model's ``predict_proba`` said: that
    itself, or a list of one table a label, with a column for each of its classes, 0 and 1 or only one of them."""
    if not isinstance(said, list):
        return said
    columns = []
    for table, classes in zip(said, model.classes_, strict=True):
        places = np.flatnonzero(np.asarray(classes) == 1)
        columns.append(table[:, places[0]] if len(places) else np.zeros(len(table)))
    return np.column_stack(columns)


def dense(said: Any) -> Any:
    """What ``predict`` said as an array: of several labels some answer a sparse one."""
    return np.asarray(said.toarray() if hasattr(said, "toarray") else said)


def check_texts(model: Any) -> None:
    """Raise InvalidModel where a vectorizer takes names of files and would open what a caller names, or runs code of
    its own, of which an artifact holds none."""
    for part in parts(model):
        if not isinstance(part, VECTORIZERS):
            continue
        kind = type(part).__name__
        if part.input != "content":
            raise InvalidModel(f'{kind} reads files (input="{part.input}"); a model is sent texts: fit it on these')
        code = [name for name in ("tokenizer", "preprocessor", "analyzer") if callable(getattr(part, name))]
        if code:
            raise InvalidModel(
                f"{kind} has a function as its {code[0]}, and an artifact holds no code: say it by token_pattern, "
                "lowercase, strip_accents or ngram_range, or do it to the text before it is sent"
            )


def split(model: Any) -> tuple[list[Any], Any]:
    """The transformers that a pipeline asks in turn, and what it asks last; of any other model none, and itself."""
    steps: list[Any] = []
    while isinstance(model, Pipeline):
        steps += [step for _, step in model.steps[:-1] if step not in (None, "passthrough")]
        model = model.steps[-1][1]
    return steps, model


def takes_documents(model: Any) -> bool:
    """Whether the model is asked with a list of texts, and not with a table: a vectorizer comes before all else."""
    if isinstance(model, Pipeline):
        return bool(model.steps) and takes_documents(model.steps[0][1])
    if isinstance(model, FeatureUnion):
        return any(takes_documents(part) for _, part in model.transformer_list)
    return isinstance(model, VECTORIZERS) or any(takes_documents(part) for part, _ in members(model))


def with_search_trees(model: Any) -> None:
    """Build the search trees that are not there, in place."""
    for part in parts(model):
        kind = _BUILT.get(getattr(part, "_fit_method", None) or "")
        if kind and part._tree is None:
            build = getattr(neighbors, kind)
            part._tree = build(
                part._fit_X, part.leaf_size, metric=part.effective_metric_, **part.effective_metric_params_
            )
