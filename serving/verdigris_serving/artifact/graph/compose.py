"""What puts parts together: pipelines, column transformers, unions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from verdigris_serving.artifact.graph.builder import Answer, Ask, Graph, Step, Value


def pipeline_step(graph: Graph, pipeline: Any, value: Value) -> Value:
    """A pipeline of transformers only."""
    return _through(graph, pipeline.steps, value)


def pipeline(graph: Graph, model: Any, value: Value) -> Answer:
    """Its transformers, then its last step's answer."""
    return graph.ask(model.steps[-1][1], _through(graph, model.steps[:-1], value))


def _through(graph: Graph, steps: Sequence[tuple[str, Any]], value: Value) -> Value:
    for _, transformer in steps:
        if transformer is not None:
            value = graph.step(transformer, value)
    return value


def columns_of(transformer: Any) -> list[tuple[str, Any, list[int]]]:
    """(name, transformer, column numbers) of a fitted ColumnTransformer's parts that give columns, in their order."""
    places = transformer._transformer_to_input_indices
    parts = []
    for name, part, _ in transformer.transformers_:
        indices = [int(index) for index in np.asarray(places[name])]
        if part != "drop" and indices:
            parts.append((name, part, indices))
    return parts


def column_transformer(graph: Graph, transformer: Any, value: Value) -> Value:
    """Each part over its own columns, their results beside each other."""
    weights = transformer.transformer_weights or {}
    found = []
    for name, part, indices in columns_of(transformer):
        made = graph.step(part, graph.take(value, indices))
        found.append(graph.times(made, float(weights[name])) if name in weights else made)
    return graph.beside(found)


def union(graph: Graph, transformer: Any, value: Value) -> Value:
    """Each part over all columns, their results beside each other."""
    weights = transformer.transformer_weights or {}
    found = []
    for name, part in transformer.transformer_list:
        if part == "drop":
            continue
        made = graph.step(part, value)
        found.append(graph.times(made, float(weights[name])) if name in weights else made)
    return graph.beside(found)


STEPS: dict[type, Step] = {ColumnTransformer: column_transformer, FeatureUnion: union, Pipeline: pipeline_step}
ESTIMATORS: dict[type, Ask] = {Pipeline: pipeline}
