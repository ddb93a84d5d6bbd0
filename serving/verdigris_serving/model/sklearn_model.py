"""Format ``sklearn``: a fitted pipeline, read by skops. Imported only when such an artifact is loaded."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import skops.io
from sklearn.exceptions import InconsistentVersionWarning

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
from verdigris_serving.model.sklearn_allowed import TYPES, check_allowed
from verdigris_serving.model.sklearn_parts import (
    chances,
    check_texts,
    dense,
    split,
    takes_documents,
    with_search_trees,
)

#: Which method of a pipeline gives the scores, by their name.
_METHODS = {
    "probabilities": "predict_proba",
    "decision": "decision_function",
    "score": "decision_function",
    "value": "predict",
    "": "predict",
}


class SklearnModel:
    """A predictor from the bytes of ``model.skops``, whose checksum has been verified.

    Nothing is built from them before ``check_allowed`` has found every type on the server's own list. Raises
    InvalidModel when one is not, or when they do not become a pipeline that predicts.
    """

    #: scikit-learn takes a fraction of a millisecond at best, most of it for checks of its own.
    blocking = True

    def __init__(self, manifest: Manifest, data: bytes) -> None:
        check_allowed(data)
        try:
            with warnings.catch_warnings():
                # Another version than it was fitted with: whether that matters is what the golden rows find out.
                warnings.simplefilter("ignore", InconsistentVersionWarning)
                pipeline: Any = skops.io.loads(data, trusted=sorted(TYPES))
            with_search_trees(pipeline)
            _one_thread(pipeline)
            self._documents = takes_documents(pipeline)
            self._steps, self._last = split(pipeline)
            self._ask = getattr(self._last, _METHODS[score_name(manifest)])
        except Exception as error:  # whatever attributes a pipeline lacks, it is not one that can be served
            raise InvalidModel(f"skops cannot load model.skops: {type(error).__name__}") from error
        check_texts(pipeline)
        self._features = manifest.features
        self._classes = manifest.classes
        self._several = has_several_labels(manifest)
        self._outputs = score_count(manifest)

    def scores(self, row: Row) -> list[float]:
        """As many scores as the manifest says, or values. Raises NonFiniteScore."""
        return self.scores_many([row])[0]

    def scores_many(self, rows: Sequence[Row]) -> list[list[float]]:
        """The scores of each row, in one call. Raises NonFiniteScore."""
        with _answering():
            return self._scored(self._transformed(rows), len(rows))

    def labelled(self, rows: Sequence[Row]) -> tuple[list[list[float]], Sequence[Said]]:
        """The scores of each row and what ``predict`` says, after one pass through the steps before the last, which
        may cost more than that (a vectorizer does). Raises NonFiniteScore."""
        with _answering():
            table = self._transformed(rows)
            return self._scored(table, len(rows)), self._said(self._last.predict(table), len(rows))

    def _transformed(self, rows: Sequence[Row]) -> Any:
        table = arrays.asked(rows, self._features, documents=self._documents)
        for step in self._steps:
            table = step.transform(table)
        return table

    def _scored(self, table: Any, count: int) -> list[list[float]]:
        if not self._outputs:
            return [[] for _ in range(count)]
        return arrays.scores(chances(self._last, self._ask(table)), count, self._outputs)

    def _said(self, answer: Any, count: int) -> Sequence[Said]:
        if self._several:
            return arrays.flags(dense(answer), count, len(self._classes))
        return arrays.positions(arrays.places(self._classes, answer), count, len(self._classes))


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Raises NonFiniteScore in place of whatever a pipeline raises."""
    try:
        with warnings.catch_warnings():
            # A frame's names belong to packing, where the columns were put in their order.
            warnings.simplefilter("ignore", UserWarning)
            yield
    except NonFiniteScore:
        raise
    except Exception as error:
        raise NonFiniteScore("the pipeline refused an input that the manifest allows") from error


def _one_thread(pipeline: Any) -> None:
    """A pod answers several requests at once: starting threads or processes within one costs more than it gives."""
    parameters = pipeline.get_params(deep=True)
    pipeline.set_params(**{name: None for name in parameters if name.rpartition("__")[2] == "n_jobs"})
