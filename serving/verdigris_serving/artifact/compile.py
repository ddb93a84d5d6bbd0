"""A pipeline in each of the formats, and the proof that it computes the same. Used by packing only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from verdigris_serving.artifact.onnx_convert import CannotConvert, Precision, convert
from verdigris_serving.artifact.pipeline import reference_scores
from verdigris_serving.artifact.sklearn_fold import CannotFold, fold
from verdigris_serving.artifact.skops_file import CannotStore, store
from verdigris_serving.model.formats import predictor
from verdigris_serving.model.golden import golden_failure, largest_difference
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import GoldenRows, InvalidModel, LinearSpec, Manifest, Row, check_linear

#: A format is refused when any output of any given row differs by more than this from the pipeline's.
TOLERANCE = 1e-6
#: Rows on which it is tried whether a feature may be missing.
_TRIED = 4


class CannotCompile(ValueError):
    """The pipeline has no sound form in a format; the message says why."""


@dataclass(frozen=True)
class Proof:
    """Rows, what the pipeline itself answers to them, and how many of them become golden rows."""

    pipeline: Any
    rows: Sequence[Row]
    expected: Sequence[list[float]]
    golden: int

    def golden_rows(self) -> GoldenRows:
        """The first of the rows, as the artifact keeps them."""
        return GoldenRows(list(self.rows[: self.golden]), list(self.expected[: self.golden]), TOLERANCE)


@dataclass(frozen=True)
class Compiled:
    """A pipeline in one format: ``difference`` is the largest that the proof found."""

    model: LinearSpec | bytes
    nullable: list[bool]
    predictor: Predictor
    difference: float


def compiled(manifest: Manifest, proof: Proof) -> Compiled:
    """The pipeline in the manifest's format, proven. Raises CannotCompile; InvalidModel when no format would do."""
    if manifest.format == "linear":
        return _linear(manifest, proof)
    if manifest.format == "sklearn":
        try:
            return _proven(manifest, store(proof.pipeline), proof)
        except CannotStore as refusal:
            raise CannotCompile(str(refusal)) from refusal
    reasons = []
    # Float64 first: it is as fast, and float32 is off by some 1e-7 from the start.
    precisions: tuple[Precision, ...] = ("float64", "float32")
    for precision in precisions:
        try:
            return _proven(manifest, convert(proof.pipeline, len(manifest.features), precision), proof)
        except (CannotConvert, CannotCompile) as refusal:
            reasons.append(f"in {precision}, {refusal}")
    raise CannotCompile("; ".join(reasons))


def _linear(manifest: Manifest, proof: Proof) -> Compiled:
    try:
        folded = fold(proof.pipeline, len(manifest.features))
    except CannotFold as refusal:
        raise CannotCompile(str(refusal)) from refusal
    check_linear(folded.spec, with_nullable(manifest, folded.nullable))
    served = predictor(manifest, folded.spec)
    return Compiled(folded.spec, folded.nullable, served, _difference(served, proof))


def _proven(manifest: Manifest, model: bytes, proof: Proof) -> Compiled:
    try:
        served = predictor(manifest, model)
    except InvalidModel as refusal:
        raise CannotCompile(str(refusal)) from refusal
    difference = _difference(served, proof)
    nullable = [_may_miss(number, served, proof) for number in range(len(manifest.features))]
    return Compiled(model, nullable, served, difference)


def _difference(served: Predictor, proof: Proof) -> float:
    """The largest difference from the pipeline. Raises CannotCompile when it is too large, one row at a time too."""
    try:
        difference = largest_difference(served, proof.rows, proof.expected)
    except NonFiniteScore as fault:
        raise CannotCompile(f"it has no answer where the pipeline has one: {fault}") from fault
    if not difference <= TOLERANCE:
        raise CannotCompile(
            f"it differs from the pipeline by {difference:.3g}, more than {TOLERANCE:g}, somewhere in "
            f"{len(proof.rows)} rows"
        )
    failure = golden_failure(served, proof.golden_rows())
    if failure:
        raise CannotCompile(failure)
    return difference


def _may_miss(feature: int, served: Predictor, proof: Proof) -> bool:
    """Whether both answer the same to rows where the feature is missing."""
    tried = [[None if n == feature else value for n, value in enumerate(row)] for row in proof.rows[:_TRIED]]
    try:
        return largest_difference(served, tried, reference_scores(proof.pipeline, tried)) <= TOLERANCE
    except (ValueError, NonFiniteScore):
        return False


def with_nullable(manifest: Manifest, nullable: Sequence[bool]) -> Manifest:
    """The manifest, saying which features may be missing."""
    features = [
        msgspec.structs.replace(feature, nullable=missing)
        for feature, missing in zip(manifest.features, nullable, strict=True)
    ]
    return msgspec.structs.replace(manifest, features=features)
