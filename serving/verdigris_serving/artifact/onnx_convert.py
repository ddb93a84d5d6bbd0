"""A fitted pipeline as an ONNX graph, by skl2onnx. Used by packing only."""

import logging
import warnings
from typing import Any, Literal

from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.base import is_classifier

Precision = Literal["float64", "float32"]
_TYPES = {"float64": DoubleTensorType, "float32": FloatTensorType}


class CannotConvert(ValueError):
    """skl2onnx has no graph for the pipeline in this precision; the message is its own first line."""


def convert(pipeline: Any, width: int, precision: Precision) -> bytes:
    """The bytes of a graph from [rows, width] of ``precision``, always the same. Raises CannotConvert."""
    options = {id(pipeline): {"zipmap": False}} if is_classifier(pipeline) else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("skl2onnx").setLevel(logging.ERROR)
            graph = convert_sklearn(
                pipeline, "verdigris", [("features", _TYPES[precision]([None, width]))], options=options
            )
    except Exception as error:  # converters fail in whatever way their arithmetic does
        line = str(error).strip().partition("\n")[0][:200]
        raise CannotConvert(f"skl2onnx: {line or type(error).__name__}") from error
    kept = {value.name: value.name for value in (*graph.graph.input, *graph.graph.output)}
    _rename(graph.graph, kept)
    # Its own order comes from a set, and so from the hash seed.
    domains = sorted(graph.opset_import, key=lambda entry: str(entry.domain))
    del graph.opset_import[:]
    graph.opset_import.extend(domains)
    data: bytes = graph.SerializeToString(deterministic=True)
    return data


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Number the graph's values: skl2onnx counts some of its names through all conversions of a process."""

    def renamed(old: str) -> str:
        # The empty name stands for an optional input that is not given.
        return names.setdefault(old, f"v{len(names)}") if old else old

    for value in (*graph.input, *graph.initializer, *graph.output, *graph.value_info):
        value.name = renamed(value.name)
    for number, node in enumerate(graph.node):
        node.name = f"n{number}"
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                attribute.g.name = "inner"
                _rename(attribute.g, names)
