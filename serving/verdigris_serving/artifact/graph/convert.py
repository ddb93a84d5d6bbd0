"""A fitted pipeline as the bytes of an ONNX graph. Used by packing only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verdigris_serving.artifact.graph import (
    boosting,
    compose,
    encoding,
    ensembles,
    lightgbm_trees,
    linear,
    machines,
    probabilistic,
    projecting,
    scaling,
    targets,
    trees,
    xgboost_trees,
)
from verdigris_serving.artifact.graph.builder import (
    INPUT,
    Ask,
    CannotGraph,
    Graph,
    Step,
    Value,
)
from verdigris_serving.model.schema import Feature

#: By exact type: a subclass may compute something else.
STEPS: dict[type, Step] = {**scaling.STEPS, **encoding.STEPS, **projecting.STEPS, **compose.STEPS}
ESTIMATORS: dict[type, Ask] = {
    **linear.ESTIMATORS,
    **machines.ESTIMATORS,
    **trees.ESTIMATORS,
    **boosting.ESTIMATORS,
    **probabilistic.ESTIMATORS,
    **ensembles.ESTIMATORS,
    **targets.ESTIMATORS,
    **compose.ESTIMATORS,
}


@dataclass(frozen=True)
class Converted:
    """A graph's bytes; ``own_label``: it says the label itself, because that is not the first largest score."""

    data: bytes
    own_label: bool


def convert(pipeline: Any, features: Sequence[Feature], scores: str) -> Converted:
    """The graph of a fitted pipeline over these features, always the same bytes. Raises CannotGraph.

    One input, ``features`` [rows, width] of double, NaN for a missing value; an output [rows, outputs] called
    ``scores``, none where that is empty; output ``label`` where the label is not the first largest score: [rows, 1],
    or, of several labels, [rows, labels].
    """
    graph = Graph(STEPS, {**ESTIMATORS, **xgboost_trees.estimators(), **lightgbm_trees.estimators()})
    try:
        width = len(features)
        texts = {n: tuple(map(str, f.categories or ())) for n, f in enumerate(features) if f.datatype == "BYTES"}
        answer = graph.ask(pipeline, Value(INPUT, width, texts=texts))
        return Converted(graph.finished(answer, width, scores), answer.label is not None)
    except CannotGraph:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        # A fitted object is not what its class says: made by hand, changed afterwards, or by another version.
        line = str(error).strip().partition("\n")[0][:200]
        raise CannotGraph(f"it has no graph ({type(error).__name__}: {line})") from error
