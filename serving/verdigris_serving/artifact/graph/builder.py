"""A graph while it is written: values, nodes, constants, and the dispatch from a fitted object to who writes it.

Every value between nodes is a table of float64, [rows, width], unless a docstring says otherwise.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

#: Most bytes of constants in a graph; what is larger would not load within a pod's memory.
MAX_BYTES = 512 * 2**20
#: Opset 18 is in every onnxruntime that has TreeEnsemble in double (domain ai.onnx.ml, version 5).
_OPSETS = (("", 18), ("ai.onnx.ml", 5))
_IR_VERSION = 9
#: Operators that move or compare the numbers that stand for texts, and do not compute with them.
_TEXT_TOO = {"Concat", "Equal", "Gather", "IsNaN"}
INPUT, LABEL = "features", "label"
#: Names of scores that are what ``decision_function`` says.
_DECISIONS = {"decision", "score"}


class CannotGraph(ValueError):
    """The pipeline has no graph that computes the same; the message names the part and says why."""


@dataclass(frozen=True)
class Value:
    """A table in the graph. ``exact``: bit for bit what scikit-learn has at this place, whatever the row.

    ``texts``: for each column that stands for texts, their categories, in whose order the numbers are.
    """

    name: str
    width: int
    exact: bool = True
    texts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What an estimator answers.

    ``scores``: [rows, classes] probabilities, or [rows, values] for a regression; None: it gives no probabilities.
    ``label``: [rows, 1], the position of what ``predict`` says, or, of several labels a row, [rows, labels] of 1 and 0;
    None: the first largest score.
    ``decision``: [rows, 1 or classes], what ``decision_function`` says, where there is one.
    """

    scores: Value | None
    label: Value | None = None
    decision: Value | None = None


#: Write a transformer's (``Step``) or an estimator's (``Ask``) nodes behind a value.
Step = Callable[["Graph", Any, Value], Value]
Ask = Callable[["Graph", Any, Value], Answer]


class Graph:
    """Collects nodes; ``steps`` and ``estimators`` say who writes what, by exact type."""

    def __init__(self, steps: Mapping[type, Step], estimators: Mapping[type, Ask]) -> None:
        self._steps = steps
        self._estimators = estimators
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], str] = {}
        self._tensors: list[Any] = []
        self._bytes = 0

    def step(self, transformer: Any, value: Value) -> Value:
        """What a transformer makes of ``value``. Raises CannotGraph."""
        if isinstance(transformer, str):
            return value  # "passthrough"
        write = self._steps.get(type(transformer))
        if write is None:
            raise CannotGraph(f"{type(transformer).__name__} has no graph")
        return write(self, transformer, value)

    def ask(self, estimator: Any, value: Value) -> Answer:
        """What an estimator answers to ``value``. Raises CannotGraph."""
        write = self._estimators.get(type(estimator))
        if write is None:
            raise CannotGraph(f"{type(estimator).__name__} has no graph")
        return write(self, estimator, value)

    def node(
        self, operator: str, *inputs: Value | str, width: int, exact: bool | None = None, **attributes: Any
    ) -> Value:
        """One node's only output. It is exact when its inputs are, unless ``exact`` says otherwise."""
        name = f"v{len(self._nodes)}"
        names = [given.name if isinstance(given, Value) else given for given in inputs]
        if operator not in _TEXT_TOO and any(given.texts for given in inputs if isinstance(given, Value)):
            raise CannotGraph("a text comes to where a number is needed")
        self._nodes.append(helper.make_node(operator, names, [name], name=f"n{len(self._nodes)}", **attributes))
        known = all(given.exact for given in inputs if isinstance(given, Value))
        return Value(name, width, known and exact is not False)

    def constant(self, values: Any, dtype: Any = np.float64) -> str:
        """The name of a constant; equal ones are kept once. Raises CannotGraph when there are too many of them."""
        array = np.ascontiguousarray(values, dtype=dtype).reshape(np.shape(values))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._bytes += array.nbytes
            if self._bytes > MAX_BYTES:
                raise CannotGraph(f"its graph would be larger than {MAX_BYTES >> 20} MiB")
            self._constants[key] = f"c{len(self._constants)}"
            self._tensors.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def take(self, value: Value, columns: Sequence[int]) -> Value:
        """Some columns of a table, in this order."""
        if list(columns) == list(range(value.width)):
            return value
        indices = self.constant(np.asarray(columns, dtype=np.int64), np.int64)
        texts = {new: value.texts[old] for new, old in enumerate(columns) if old in value.texts}
        return replace(self.node("Gather", value, indices, width=len(columns), axis=1), texts=texts)

    def beside(self, values: Sequence[Value]) -> Value:
        """Tables beside each other."""
        present = [value for value in values if value.width]
        if not present:
            raise CannotGraph("no column is left of its input")
        if len(present) == 1:
            return present[0]
        texts: dict[int, tuple[str, ...]] = {}
        for value, start in zip(present, accumulate([0, *(each.width for each in present)]), strict=False):
            texts |= {start + column: known for column, known in value.texts.items()}
        whole = self.node("Concat", *present, width=sum(value.width for value in present), axis=1)
        return replace(whole, texts=texts)

    def double(self, value: Value) -> Value:
        """Booleans or integers as 0.0, 1.0, …"""
        return self.node("Cast", value, width=value.width, to=TensorProto.DOUBLE)

    def plus(self, value: Value, numbers: Any, *, exact: bool | None = None) -> Value:
        """``value + numbers``, a number a column; nothing when all are zero."""
        return self.node("Add", value, self.constant(numbers), width=value.width, exact=exact)

    def times(self, value: Value, numbers: Any, *, exact: bool | None = None) -> Value:
        """``value * numbers``."""
        return self.node("Mul", value, self.constant(numbers), width=value.width, exact=exact)

    def sigmoid(self, value: Value, *, exact: bool | None = None) -> Value:
        """``1 / (1 + exp(-value))``, as scipy's ``expit`` has it.

        Not the operator Sigmoid: below zero that is one less a number close to one, and of 1e-16 nothing is left.
        Divided by a sum of such probabilities, as one against the rest is, it would be far from nothing.
        """
        grown = self.node("Exp", self.node("Neg", value, width=value.width), width=value.width)
        return self.node("Reciprocal", self.plus(grown, 1.0), width=value.width, exact=exact)

    def by(self, value: Value, numbers: Any) -> Value:
        """``value / numbers``."""
        return self.node("Div", value, self.constant(numbers), width=value.width)

    def matmul(self, value: Value, weights: Any) -> Value:
        """``value @ weights``; which sum is added up in which order is the library's own affair, so it is not exact."""
        return self.node("MatMul", value, self.constant(weights), width=np.shape(weights)[1], exact=False)

    def last_sum(self, terms: Value, count: int, width: int) -> Value:
        """The sum over ``terms``, [rows, count, width], from first to last: bit for bit as a loop adds them."""
        if count == 1:
            first = self.constant(0, np.int64)
            return self.node("Gather", terms, first, width=width, axis=1)
        running = self.node("CumSum", terms, self.constant(1, np.int64), width=width)
        return self.node("Gather", running, self.constant(count - 1, np.int64), width=width, axis=1)

    def added(self, values: Sequence[Value]) -> Value:
        """Tables of one width added one after the other, from first to last."""
        total = values[0]
        for value in values[1:]:
            total = self.node("Add", total, value, width=total.width)
        return total

    def position(self, value: Value) -> Value:
        """[rows, 1]: where the largest of a row is, the first of equal ones."""
        found = self.node("ArgMax", value, width=1, axis=1, keepdims=1, select_last_index=0)
        return self.double(found)

    def ascending(self, value: Value) -> tuple[Value, Value]:
        """For each row the order that sorts it, and the row in that order."""
        names = [f"s{len(self._nodes)}", f"o{len(self._nodes)}"]
        count = self.constant([value.width], np.int64)
        attributes: dict[str, Any] = {"axis": 1, "largest": 0, "sorted": 1}
        self._nodes.append(helper.make_node("TopK", [value.name, count], names, **attributes))
        return Value(names[1], value.width, value.exact), Value(names[0], value.width, value.exact)

    def finished(self, answer: Answer, width: int, scores: str) -> bytes:
        """The graph's bytes, always the same for the same pipeline; ``scores`` names its first output, if there is one.

        Raises CannotGraph.
        """
        wanted = {LABEL: answer.label} if answer.label is not None else {}
        if scores:
            table = answer.decision if scores in _DECISIONS else answer.scores
            if table is None or (scores in _DECISIONS and answer.label is None):
                raise CannotGraph(f"it gives no {scores} in a graph")
            wanted = {scores: table, **wanted}
        elif not wanted:
            raise CannotGraph("it gives no label in a graph")
        outputs = []
        for name, value in wanted.items():
            self._nodes.append(helper.make_node("Identity", [value.name], [name]))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, value.width]))
        inputs = [helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, [None, width])]
        used = {name for node in self._nodes for name in node.input}
        constants = [tensor for tensor in self._tensors if tensor.name in used]
        whole = helper.make_graph(self._nodes, "verdigris", inputs, outputs, constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS]
        model = helper.make_model(whole, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="verdigris")
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def needs_exact(value: Value, who: Any) -> None:
    """Raise CannotGraph unless ``value`` is bit for bit scikit-learn's: ``who`` compares it with thresholds."""
    if not value.exact:
        raise CannotGraph(
            f"{type(who).__name__} compares with thresholds what an earlier part does not give bit for bit in a graph"
        )


def inexact(value: Value) -> Value:
    """The same table, not promised to be scikit-learn's to the last bit."""
    return replace(value, exact=False)


def finite(numbers: Any, what: str) -> Any:
    """The numbers as an array of float64. Raises CannotGraph when one is not finite."""
    array = np.asarray(numbers, dtype=np.float64)
    if not np.isfinite(array).all():
        raise CannotGraph(f"{what} holds a number that is not finite")
    return array


def bounded(count: float, what: str) -> None:
    """Raise CannotGraph when ``count`` numbers are more than a graph may hold."""
    if not count * 8 <= MAX_BYTES or math.isnan(count):
        raise CannotGraph(f"{what} would hold {count:.3g} numbers, more than {MAX_BYTES // 8:.3g}")
