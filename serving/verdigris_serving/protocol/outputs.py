"""What a model gives: the outputs' names, datatypes and shapes, and the tensors of one answer.

``label`` and the scores that the model has (``probabilities``, ``decision``, of an outlier its ``score``), or ``value``
for a regression, are answered when nothing is asked for by name; ``explanation``, ``base_value`` and, where it is
sampled, ``explanation_error`` only by name, and only when the artifact has what they need.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, cast

from verdigris_serving.model.schema import (
    Manifest,
    Row,
    Said,
    chosen,
    has_several_labels,
    score_count,
    score_name,
)
from verdigris_serving.protocol.explaining import Explained, Explanation, explained_outputs
from verdigris_serving.protocol.messages import AnyRequest, CallerFault, OutputTensor

#: The labels of rows; None: the scores decide.
_Labels = Sequence[Said] | None
LABEL_DATATYPES: dict[type, str] = {bool: "BOOL", int: "INT64", str: "BYTES"}
EXPLANATION, BASE_VALUE, ERROR = "explanation", "base_value", "explanation_error"


@dataclass
class _Answered:
    """Rows, with what the model said to them, and who explains it."""

    rows: list[Row]
    scores: list[list[float]]
    said: _Labels
    explanation: Explanation | None

    @cached_property
    def explained(self) -> list[Explained]:
        """Made once, for all outputs that show a part of it."""
        assert self.explanation is not None
        return [self.explanation.explained(row) for row in self.rows]


_Maker = Callable[[_Answered], OutputTensor]


class OutputWriter:
    """Makes the output tensors for one model. ``metadata`` lists all there are, in the order they are answered."""

    def __init__(self, manifest: Manifest, explanation: Explanation | str) -> None:
        """``explanation`` is a sentence where there is none: why."""
        self._manifest = manifest
        self._classes = manifest.classes
        self._explanation: Explanation | None = None if isinstance(explanation, str) else explanation
        self._unexplained = explanation if isinstance(explanation, str) else ""
        self._features = len(manifest.features)
        explained = len(explained_outputs(manifest))
        self._explained = [explained] if explained > 1 else []
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
        if self._explanation is not None:
            self._makers |= {EXPLANATION: self._contributions, BASE_VALUE: self._base}
            if self._explanation.sampled:
                self._makers[ERROR] = self._errors
            self.metadata += self._explanation_metadata()

    def wanted(self, request: AnyRequest, rows: int) -> Sequence[str]:
        """The names to answer, in the model's order. Raises CallerFault."""
        if not request.outputs:
            return self._default
        names = [output.name for output in request.outputs]
        for name in names:
            if name in self._makers:
                continue
            if name in {EXPLANATION, BASE_VALUE} or (name == ERROR and self._unexplained):
                raise CallerFault(f'there is no output "{name}": {self._unexplained}')
            raise CallerFault(f'there is no output "{name[:100]}"; this model gives {", ".join(self._makers)}')
        if len(set(names)) != len(names):
            raise CallerFault("an output is asked for twice; once is enough")
        if self._explanation is not None and {EXPLANATION, ERROR} & set(names) and rows > self._explanation.most_rows:
            raise CallerFault(
                f"at most {self._explanation.most_rows} rows can be explained at once; send them in several requests"
            )
        return [name for name in self._makers if name in names]

    def tensors(
        self, names: Sequence[str], rows: list[Row], scores: list[list[float]], said: _Labels
    ) -> list[OutputTensor]:
        """The outputs called ``names`` for ``rows`` with their ``scores``. Raises NonFiniteScore.

        ``said`` are the labels where they are the model's own, None where the scores decide.
        """
        answered = _Answered(rows, scores, said, self._explanation)
        return [self._makers[name](answered) for name in names]

    def _single(self, answered: _Answered) -> OutputTensor:
        return OutputTensor(self._scores, "FP64", [len(answered.scores)], [row[0] for row in answered.scores])

    def _labels(self, answered: _Answered) -> OutputTensor:
        classes, scores = self._classes, answered.scores
        places = cast(Sequence[int] | None, answered.said)  # one label a row
        labels = chosen(self._manifest, scores, classes) if places is None else [classes[place] for place in places]
        return OutputTensor("label", self._label_datatype, [len(scores)], labels)

    def _flags(self, answered: _Answered) -> OutputTensor:
        rows = cast(Sequence[list[int]], answered.said)  # several, which are the model's own
        return OutputTensor("label", "INT64", [len(rows), len(self._classes)], list(chain.from_iterable(rows)))

    def _plain(self, answered: _Answered) -> OutputTensor:
        scores = answered.scores
        data = scores[0] if len(scores) == 1 else list(chain.from_iterable(scores))
        return OutputTensor(self._scores, "FP64", [len(scores), *self._shape], data)

    def _contributions(self, answered: _Answered) -> OutputTensor:
        return self._of_features(EXPLANATION, [row.contributions for row in answered.explained])

    def _errors(self, answered: _Answered) -> OutputTensor:
        return self._of_features(ERROR, [row.errors for row in answered.explained])

    def _of_features(self, name: str, rows: list[list[list[float]]]) -> OutputTensor:
        data = list(chain.from_iterable(chain.from_iterable(rows)))
        return OutputTensor(name, "FP64", [len(rows), *self._explained, self._features], data)

    def _base(self, answered: _Answered) -> OutputTensor:
        assert answered.explanation is not None
        base = answered.explanation.base
        return OutputTensor(BASE_VALUE, "FP64", [len(base)], base)

    def _explanation_metadata(self) -> list[dict[str, Any]]:
        """Name, datatype and shape of each output that is answered when it is asked for by name."""
        a_feature = [-1, *self._explained, self._features]
        shapes = {EXPLANATION: a_feature, BASE_VALUE: self._explained or [1], ERROR: a_feature}
        return [{"name": n, "datatype": "FP64", "shape": shape} for n, shape in shapes.items() if n in self._makers]


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
