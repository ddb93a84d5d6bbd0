"""The proof of one pipeline: its rows, prepared once, and the verdict on the model that a format makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from verdigris_serving.artifact.proof.categories import restricted
from verdigris_serving.artifact.proof.comparing import Comparison, compared, scales
from verdigris_serving.artifact.proof.domain import ends, narrowed
from verdigris_serving.artifact.proof.making import made_rows, takes_missing
from verdigris_serving.artifact.proof.reference import Answers, Reference
from verdigris_serving.model.golden import golden_failure
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import Equivalence, Feature, GoldenRows, InvalidModel, Manifest, Row

#: A format is refused when any output differs by more: absolute up to 1 (of values, up to their largest), relative
#: beyond it.
TOLERANCE = 1e-6
#: Rows that are also asked one by one, as most requests ask, of the given and of the made ones each.
_SINGLES = 32
#: Seconds of processor time that the pipeline gets for the made rows; what it has not answered then is left out.
SECONDS = 30.0


class NotProven(ValueError):
    """A packed model does not answer as its pipeline; the message says how."""


@dataclass(frozen=True)
class Proof:
    """What the pipeline answers to the ``given`` rows and to those ``made`` to differ.

    The first ``golden`` of the given rows become golden rows; ``missing`` says of which features the pipeline takes a
    missing value; ``features`` are the given ones with their categories and the ranges in which the pipeline has an
    answer; ``partial``: within these it has none to some combination of values.
    """

    pipeline: Any
    features: list[Feature]
    given: Answers
    made: Answers
    missing: list[bool]
    golden: int
    partial: bool

    def golden_rows(self, manifest: Manifest) -> GoldenRows:
        """The first of the rows, as the artifact keeps them."""
        first = self.given.first(self.golden)
        labels = first.labels.tolist() if manifest.label_from == "model" else None
        tolerance = TOLERANCE * float(self._scale(manifest).max(initial=0.0) or 1.0)
        return GoldenRows(first.rows, first.scores.tolist(), tolerance, labels)

    def _scale(self, manifest: Manifest) -> Any:
        return scales(manifest, self.given.scores)

    def check(self, served: Predictor, manifest: Manifest) -> Equivalence:
        """The equivalence that was found. Raises NotProven."""
        largest, scale = 0.0, self._scale(manifest)
        for answers, which in ((self.given, "given rows"), (self.made, "made rows")):
            together = compared(served, manifest, answers, scale)
            some = answers.of(np.linspace(0, len(answers) - 1, min(_SINGLES, len(answers))))
            alone = compared(served, manifest, some, scale, at_once=1)
            largest = max(largest, _proven(together, which), _proven(alone, f"{which}, asked one by one"))
        failure = golden_failure(served, self.golden_rows(manifest))
        if failure:
            raise NotProven(failure)
        return Equivalence(len(self.given), largest, len(self.made))


def _proven(found: Comparison, which: str) -> float:
    """The largest difference. Raises NotProven where it is too large, or a label another."""
    where = f"{found.rows} {which}"
    if found.unanswered:
        raise NotProven(f"it has no answer where the pipeline has one, somewhere in {where}: {found.unanswered}")
    if not found.largest <= TOLERANCE:
        raise NotProven(
            f"it differs from the pipeline by {found.largest:.3g}, more than {TOLERANCE:g}, somewhere in {where}"
        )
    if found.wrong_labels:
        raise NotProven(f"it gives another label than the pipeline to {found.wrong_labels} of {where}")
    return found.largest


def prepared(
    pipeline: Any, reference: Reference, features: Sequence[Feature], rows: Sequence[Row], golden: int
) -> Proof:
    """Ask the pipeline about the given rows and about those made of them. Raises InvalidModel when it refuses one."""
    try:
        given = reference.answers(rows)
    except InvalidModel:
        raise
    except Exception as error:  # a pipeline refuses rows in whatever way its parts do
        line = str(error).strip().partition("\n")[0]
        raise InvalidModel(f"the pipeline itself refuses the given rows: {line or type(error).__name__}") from error
    described = restricted(pipeline, reference, features, rows)
    limits = ends(reference, described, rows)
    described = narrowed(described, limits)
    missing = takes_missing(reference, described, rows)
    made, refused = reference.kept(made_rows(pipeline, described, rows, missing), seconds=SECONDS)
    # A row beyond an end, within a range that was described, breaks a promise: that is the model's fault.
    partial = any(all(own.hold(v) for own, v in zip(limits, row, strict=True)) for row in refused)
    return Proof(pipeline, described, given, made, missing, golden, partial)


def nullable(features: Sequence[Feature], may: Sequence[bool]) -> list[Feature]:
    """The features, saying which of them may be missing."""
    return [msgspec.structs.replace(feature, nullable=one) for feature, one in zip(features, may, strict=True)]
