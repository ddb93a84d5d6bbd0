"""Format ``onnx``: a graph that onnxruntime computes. Imported only when such an artifact is loaded."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime

from verdigris_serving.model import arrays
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.schema import (
    InvalidModel,
    Manifest,
    Row,
    Said,
    has_several_labels,
    score_count,
    score_name,
)

_DTYPES = {"tensor(double)": np.float64, "tensor(float)": np.float32}
_ONLY_FATAL = 4
#: Rows computed at once: a graph may need a number for each row that the model keeps, or for each leaf, of each.
_CHUNK = 1_024


class OnnxModel:
    """A predictor from the bytes of ``model.onnx``, whose checksum has been verified.

    The graph has one input, [rows, features] of double or float, NaN for a missing value. It answers by an output of
    the scores' name (a regression by its only output), and by ``label`` where the manifest says that the label is the
    model's own: [rows, 1] positions among the classes, or, of several labels, [rows, labels] of 1 and 0. Raises
    InvalidModel when that is not so.
    """

    #: Most graphs take microseconds, a large forest takes milliseconds.
    blocking = True

    def __init__(self, manifest: Manifest, data: bytes) -> None:
        options = onnxruntime.SessionOptions()
        # A pod answers several requests at once: threads within one would only take turns.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # onnxruntime's own messages may repeat a request's values; its errors are raised all the same.
        options.log_severity_level = _ONLY_FATAL
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no type of their own
            raise InvalidModel(f"onnxruntime cannot load model.onnx: {_first_line(error)}") from error
        self._outputs, self._classes = score_count(manifest), len(manifest.classes)
        self._probabilities = score_name(manifest) == "probabilities"
        self._said = arrays.flags if has_several_labels(manifest) else arrays.positions
        self._input, self._dtype = self._sole_input(len(manifest.features))
        self._wanted = self._answering_outputs(manifest)

    def scores(self, row: Row) -> list[float]:
        """As many scores as the manifest says, or values. Raises NonFiniteScore."""
        return self.scores_many([row])[0]

    def scores_many(self, rows: Sequence[Row]) -> list[list[float]]:
        """The scores of each row, in one run. Raises NonFiniteScore."""
        if not self._outputs:
            return [[] for _ in rows]
        return self._scores(self._run(self._wanted[:1], rows)[0], len(rows))

    def labelled(self, rows: Sequence[Row]) -> tuple[list[list[float]], Sequence[Said]]:
        """The scores of each row and its label, in one run. Raises NonFiniteScore."""
        *answer, labels = self._run(self._wanted, rows)
        scores = self._scores(answer[0], len(rows)) if answer else [[] for _ in rows]
        return scores, self._said(labels, len(rows), self._classes)

    def _run(self, wanted: list[str], rows: Sequence[Row]) -> list[Any]:
        table = arrays.table(rows, self._dtype)
        try:
            if len(table) <= _CHUNK:
                return list(self._session.run(wanted, {self._input: table}))
            parts = [table[start : start + _CHUNK] for start in range(0, len(table), _CHUNK)]
            answers = [self._session.run(wanted, {self._input: part}) for part in parts]
        except Exception as error:
            raise NonFiniteScore("onnxruntime failed on an input that the manifest allows") from error
        return [np.concatenate(each) for each in zip(*answers, strict=True)]

    def _scores(self, answer: Any, rows: int) -> list[list[float]]:
        # Sums leave 0 to 1 by their rounding.
        return arrays.scores(np.clip(answer, 0.0, 1.0) if self._probabilities else answer, rows, self._outputs)

    def _sole_input(self, width: int) -> tuple[str, type]:
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _DTYPES or list(inputs[0].shape)[1:] != [width]:
            raise InvalidModel(f"model.onnx must have one input of double or float and of shape [rows, {width}]")
        return inputs[0].name, _DTYPES[inputs[0].type]

    def _answering_outputs(self, manifest: Manifest) -> list[str]:
        names: list[str] = [output.name for output in self._session.get_outputs()]
        if manifest.task == "regression" and len(names) == 1:
            return names
        own = ["label"] if manifest.label_from == "model" else []
        needed = [name for name in (score_name(manifest), *own) if name]
        if set(needed) <= set(names):
            return needed
        raise InvalidModel(f"model.onnx has no output that answers a {manifest.task}; it has {', '.join(names[:10])}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
