"""What a model gives: the outputs' names, datatypes and shapes, and the tensors of one answer.

``label`` and the scores that the model has (``probabilities``, ``decision``, of an outlier its ``score``), or ``value``
for a regression, are answered when nothing is asked for by name; ``explanation`` and ``base_value`` only by name, and
only when the artifact has what they need.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, cast

from verdigris_serving.model.linear import LinearExplanation
from verdigris_serving.model.schema import (
    Manifest,
    Row,
    Said,
    chosen,
    has_several_labels,
    score_count,
    score_name,
)
from verdigris_serving.protocol.messages import AnyRequest, CallerFault, OutputTensor

#: The labels of rows; None: the scores decide.
_Labels = Sequence[Said] | None
#: From rows, their scores and their labels to one output.
_Maker = Callable[[list[Row], list[list[float]], _Labels], OutputTensor]
LABEL_DATATYPES: dict[type, str] = {bool: "BOOL", int: "INT64", str: "BYTES"}
EXPLANATION, BASE_VALUE = "explanation", "base_value"
#: Most numbers in the explanation of one request.
MAX_EXPLANATION = 2_000_000


class OutputWriter:
    """Makes the output tensors for one model. ``metadata`` lists all there are, in the order they are answered."""

    def __init__(self, manifest: Manifest, explanation: LinearExplanation | None) -> None:
        self._manifest = manifest
        self._classes = manifest.classes
        self._explanation = explanation
        self._features = len(manifest.features)
        self._explained = _explained(manifest)
        self.metadata = output_metadata(manifest)
        self._scores = score_name(manifest)
        self._shape = self.metadata[-1]["shape"][1:]
        self._makers: dict[str, _Maker] = {}
        if manifest.classes:
            self._makers["label"] = self._flags if has_several_labels(manifest) else self._labels
        if self._scores:
            self._makers[self._scores] = self._plain if self._shape else self._single
        self._label_datatype = self.metadata[0]["datatype"]
        self._default = tuple(self._makers)
        if explanation is not None:
            self._makers |= {EXPLANATION: self._contributions, BASE_VALUE: self._base}
            self.metadata += explanation_metadata(manifest)

    def wanted(self, request: AnyRequest, rows: int) -> Sequence[str]:
        """The names to answer, in the model's order. Raises CallerFault."""
        if not request.outputs:
            return self._default
        names = [output.name for output in request.outputs]
        for name in names:
            if name in self._makers:
                continue
            if name in {EXPLANATION, BASE_VALUE}:
                raise CallerFault(f'there is no output "{name}": {self._why_unexplained()}')
            raise CallerFault(f'there is no output "{name[:100]}"; this model gives {", ".join(self._makers)}')
        if len(set(names)) != len(names):
            raise CallerFault("an output is asked for twice; once is enough")
        limit = MAX_EXPLANATION // (self._features * (self._explained or [1])[0])
        if EXPLANATION in names and rows > max(limit, 1):
            raise CallerFault(f"at most {max(limit, 1)} rows can be explained at once; send them in several requests")
        return [name for name in self._makers if name in names]

    def tensors(
        self, names: Sequence[str], rows: list[Row], scores: list[list[float]], said: _Labels
    ) -> list[OutputTensor]:
        """The outputs called ``names`` for ``rows`` with their ``scores``. Raises NonFiniteScore.

        ``said`` are the labels where they are the model's own, None where the scores decide.
        """
        return [self._makers[name](rows, scores, said) for name in names]

    def _why_unexplained(self) -> str:
        if self._manifest.format != "linear":
            return (
                f"only a model of format linear explains its answers, and this one is of format {self._manifest.format}"
            )
        return "the artifact carries no training means; pack the model again with its training rows"

    def _single(self, _rows: list[Row], scores: list[list[float]], _said: _Labels) -> OutputTensor:
        return OutputTensor(self._scores, "FP64", [len(scores)], [row[0] for row in scores])

    def _labels(self, _rows: list[Row], scores: list[list[float]], said: _Labels) -> OutputTensor:
        classes = self._classes
        places = cast(Sequence[int] | None, said)  # one label a row
        labels = chosen(self._manifest, scores, classes) if places is None else [classes[place] for place in places]
        return OutputTensor("label", self._label_datatype, [len(scores)], labels)

    def _flags(self, _rows: list[Row], _scores: list[list[float]], said: _Labels) -> OutputTensor:
        rows = cast(Sequence[list[int]], said)  # several, which are the model's own
        return OutputTensor("label", "INT64", [len(rows), len(self._classes)], list(chain.from_iterable(rows)))

    def _plain(self, _rows: list[Row], scores: list[list[float]], _said: _Labels) -> OutputTensor:
        data = scores[0] if len(scores) == 1 else list(chain.from_iterable(scores))
        return OutputTensor(self._scores, "FP64", [len(scores), *self._shape], data)

    def _contributions(self, rows: list[Row], _scores: list[list[float]], _said: _Labels) -> OutputTensor:
        explanation = self._explanation
        assert explanation is not None
        numbers = cast(list[list[float | None]], rows)  # what is linear has no texts without categories
        data = list(chain.from_iterable(chain.from_iterable(explanation.contributions(row) for row in numbers)))
        return OutputTensor(EXPLANATION, "FP64", [len(rows), *self._explained, self._features], data)

    def _base(self, _rows: list[Row], _scores: list[list[float]], _said: _Labels) -> OutputTensor:
        explanation = self._explanation
        assert explanation is not None
        return OutputTensor(BASE_VALUE, "FP64", [len(explanation.base)], explanation.base)


def output_metadata(manifest: Manifest) -> list[dict[str, Any]]:
    """Name, datatype and shape of each output that is answered unasked."""
    outputs: list[dict[str, Any]] = []
    several = has_several_labels(manifest)
    if several:
        outputs.append({"name": "label", "datatype": "INT64", "shape": [-1, len(manifest.classes)]})
    elif manifest.classes:
        outputs.append({"name": "label", "datatype": LABEL_DATATYPES[type(manifest.classes[0])], "shape": [-1]})
    name, count = score_name(manifest), score_count(manifest)
    if name:
        outputs.append({"name": name, "datatype": "FP64", "shape": [-1, count] if count > 1 or several else [-1]})
    return outputs


def explanation_metadata(manifest: Manifest) -> list[dict[str, Any]]:
    """The same for the outputs that are answered when asked for by name."""
    explained = _explained(manifest)
    return [
        {"name": EXPLANATION, "datatype": "FP64", "shape": [-1, *explained, len(manifest.features)]},
        {"name": BASE_VALUE, "datatype": "FP64", "shape": explained or [1]},
    ]


def _explained(manifest: Manifest) -> list[int]:
    """How many explanations a row has, one a class or a value; empty where it has one, as for two classes."""
    count = score_count(manifest)
    return [count] if count > (2 if manifest.classes else 1) else []
