"""Steps that choose columns, or mix all of them by a matrix."""

from typing import Any

import numpy as np
from sklearn.decomposition import PCA, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.random_projection import GaussianRandomProjection

from verdigris_serving.artifact.graph.builder import Graph, Step, Value, finite


def select(graph: Graph, selector: Any, value: Value) -> Value:
    """The columns that were chosen at fitting."""
    return graph.take(value, [int(column) for column in selector.get_support(indices=True)])


def principal(graph: Graph, transformer: Any, value: Value) -> Value:
    """Rotated to the principal components, centred there, whitened when the transformer whitens."""
    components = finite(transformer.components_, type(transformer).__name__)
    moved = graph.matmul(value, components.T)
    mean = np.asarray(transformer.mean_, dtype=np.float64).reshape(1, -1) @ components.T
    moved = graph.node("Sub", moved, graph.constant(mean), width=moved.width)
    if not transformer.whiten:
        return moved
    scale = np.sqrt(transformer.explained_variance_)
    return graph.by(moved, np.maximum(scale, np.finfo(scale.dtype).eps))


def independent(graph: Graph, transformer: Any, value: Value) -> Value:
    """FastICA: centred when it whitens, then unmixed."""
    if transformer.whiten:
        value = graph.node("Sub", value, graph.constant(transformer.mean_), width=value.width)
    return graph.matmul(value, finite(transformer.components_, "FastICA").T)


def projected(graph: Graph, transformer: Any, value: Value) -> Value:
    """Projected on the components."""
    return graph.matmul(value, finite(transformer.components_, type(transformer).__name__).T)


STEPS: dict[type, Step] = {
    **dict.fromkeys(
        (
            GenericUnivariateSelect,
            RFE,
            RFECV,
            SelectFdr,
            SelectFpr,
            SelectFromModel,
            SelectFwe,
            SelectKBest,
            SelectPercentile,
            SequentialFeatureSelector,
            VarianceThreshold,
        ),
        select,
    ),
    PCA: principal,
    IncrementalPCA: principal,
    FastICA: independent,
    TruncatedSVD: projected,
    GaussianRandomProjection: projected,
}
