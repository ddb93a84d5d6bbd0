"""libsvm's probabilities of two classes: found by iteration, and left where its steps have become small."""

from verdigris_serving.artifact.graph.builder import Graph, Value

#: libsvm ends when no gradient is further from its mean than this, for two classes (``multiclass_probability``).
_SMALL = 0.0025
#: Steps that it takes at most: for no probability of a pair between 1e-7 and 1 - 1e-7 it takes more than two.
_STEPS = 3


class Coupling:
    """The iteration for two classes; every value is [rows, 1]."""

    def __init__(self, graph: Graph, first: Value) -> None:
        self._graph = graph
        second = graph.plus(graph.times(first, -1.0), 1.0)
        self._first, self._second = self._mul(second, second), self._mul(first, first)
        self._cross = graph.times(self._mul(first, second), -1.0)
        half = graph.plus(graph.times(first, 0.0), 0.5)
        self._shares = (half, half)

    def second(self) -> Value:
        """The probability of the second class, when the iteration has ended."""
        for _ in range(_STEPS):
            self._step()
        return self._shares[1]

    def _step(self) -> None:
        """One step, for the rows that have not ended."""
        p, q = self._shares
        of_p = self._add(self._mul(self._first, p), self._mul(self._cross, q))
        of_q = self._add(self._mul(self._cross, p), self._mul(self._second, q))
        mean = self._add(self._mul(p, of_p), self._mul(q, of_q))
        ended = self._graph.node("And", self._near(of_p, mean), self._near(of_q, mean), width=1)
        move = self._div(self._sub(mean, of_p), self._first)
        whole = self._graph.plus(move, 1.0)
        # The mean behind the first class's move, as libsvm keeps it up to date.
        bent = self._mul(move, self._add(self._mul(move, self._first), self._graph.times(of_p, 2.0)))
        mean = self._div(self._div(self._add(mean, bent), whole), whole)
        of_q = self._div(self._add(of_q, self._mul(move, self._cross)), whole)
        new_p, new_q = self._div(self._add(p, move), whole), self._div(q, whole)
        move = self._div(self._sub(mean, of_q), self._second)
        whole = self._graph.plus(move, 1.0)
        new_p, new_q = self._div(new_p, whole), self._div(self._add(new_q, move), whole)
        self._shares = (
            self._graph.node("Where", ended, p, new_p, width=1),
            self._graph.node("Where", ended, q, new_q, width=1),
        )

    def _near(self, one: Value, other: Value) -> Value:
        away = self._graph.node("Abs", self._sub(one, other), width=1)
        return self._graph.node("Less", away, self._graph.constant(_SMALL), width=1)

    def _add(self, one: Value, other: Value) -> Value:
        return self._graph.node("Add", one, other, width=1)

    def _sub(self, one: Value, other: Value) -> Value:
        return self._graph.node("Sub", one, other, width=1)

    def _mul(self, one: Value, other: Value) -> Value:
        return self._graph.node("Mul", one, other, width=1)

    def _div(self, one: Value, other: Value) -> Value:
        return self._graph.node("Div", one, other, width=1)
