"""The proof of one pipeline: its rows, prepared once, and the verdict on the model that a format makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from verdigris_serving.artifact.proof.categories import restricted
from verdigris_serving.artifact.proof.comparing import compared
from verdigris_serving.artifact.proof.domain import ends, narrowed
from verdigris_serving.artifact.proof.making import made_rows, takes_missing
from verdigris_serving.artifact.proof.reference import Answers, Reference
from verdigris_serving.model.golden import golden_failure
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import Equivalence, Feature, GoldenRows, InvalidModel, Manifest, Row

#: A format is refused when any output differs by more: absolute up to 1, relative beyond it.
TOLERANCE = 1e-6
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
        return GoldenRows(first.rows, first.scores.tolist(), TOLERANCE, labels)

    def check(self, served: Predictor, manifest: Manifest) -> Equivalence:
        """The equivalence that was found. Raises NotProven."""
        largest = 0.0
        for answers, which in ((self.given, "given"), (self.made, "made")):
            found = compared(served, manifest, answers)
            where = f"somewhere in {found.rows} {which} rows"
            if found.unanswered:
                raise NotProven(f"it has no answer where the pipeline has one, {where}: {found.unanswered}")
            if not found.largest <= TOLERANCE:
                raise NotProven(
                    f"it differs from the pipeline by {found.largest:.3g}, more than {TOLERANCE:g}, {where}"
                )
            if found.wrong_labels:
                raise NotProven(
                    f"it gives another label than the pipeline to {found.wrong_labels} of {found.rows} {which} rows"
                )
            largest = max(largest, found.largest)
        failure = golden_failure(served, self.golden_rows(manifest))
        if failure:
            raise NotProven(failure)
        return Equivalence(len(self.given), largest, len(self.made))


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
