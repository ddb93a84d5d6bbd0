"""Packing: put a fitted pipeline into the fastest format that computes the same, prove it, write the archive.

Needs the extra ``pack`` (scikit-learn and what converts from it); nothing that serves imports this module.
"""

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from verdigris_serving.artifact.archive import Contents, InvalidArchive, read_archive, write_archive
from verdigris_serving.artifact.baseline import baseline, centered
from verdigris_serving.artifact.compile import CannotCompile, Compiled, Proof, compiled, with_nullable
from verdigris_serving.artifact.pipeline import examine, reference_scores, versions
from verdigris_serving.artifact.quality import Holdout, quality
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.schema import (
    SCHEMA_VERSION,
    Equivalence,
    Feature,
    InvalidModel,
    LinearSpec,
    Manifest,
    Row,
    check_manifest,
)

__all__ = ["Format", "Holdout", "Packed", "PackingRefused", "pack"]

Format = Literal["linear", "onnx", "sklearn"]
#: Fastest first: what ``auto`` tries, in this order.
FORMATS: tuple[Format, ...] = get_args(Format)
_MAKERS = {"linear": (), "onnx": ("skl2onnx", "onnx", "onnxruntime"), "sklearn": ("skops",)}


class PackingRefused(ValueError):
    """The pipeline cannot be packed; the message says why and what to do."""


@dataclass(frozen=True)
class Packed:
    """A written artifact: its path, its checksum for ``spec.model.sha256``, its size in bytes, and its manifest.

    ``quality`` has a value a metric, and is empty without a holdout.
    """

    path: Path
    sha256: str
    size: int
    manifest: Manifest
    quality: dict[str, float]


def pack(
    pipeline: Any,
    out: Path,
    *,
    name: str,
    version: str,
    features: Sequence[Feature],
    rows: Sequence[Row] = (),
    golden: int = 16,
    threshold: float = 0.5,
    format: Format | Literal["auto"] = "auto",
    training: Sequence[Row] = (),
    holdout: Holdout | None = None,
) -> Packed:
    """Pack a fitted pipeline as ``out``; the same inputs give the same bytes.

    ``rows`` (one value a feature, None for a missing one; the holdout's when none are given) are what equivalence is
    proven on; the first ``golden`` of them become the golden rows. ``threshold`` is the least probability of the
    second of two classes that makes it the label. ``nullable`` of the given features is overwritten by what the
    pipeline imputes. ``format`` ``auto`` takes the first that computes the same, and the manifest says why not an
    earlier one. From ``training`` rows come the baseline and, for ``linear``, the terms' centers; from ``holdout``
    the quality report. Raises PackingRefused.
    """
    try:
        facts = examine(pipeline)
        proof = _proof(pipeline, list(rows) or list(holdout.rows if holdout else ()), len(features), golden)
        draft = Manifest(
            schema=SCHEMA_VERSION,
            name=name,
            version=version,
            format=FORMATS[0] if format == "auto" else format,
            task=facts.task,
            features=list(features),
            classes=facts.classes,
            threshold=threshold if len(facts.classes) == 2 else None,
            equivalence=Equivalence(rows=0, largest_difference=0.0),
            libraries=versions(),
        )
        check_manifest(draft)
        manifest, model = _first_that_computes_the_same(draft, proof, FORMATS if format == "auto" else (format,))
        contents = _contents(manifest, model, proof, training, holdout)
        data = write_archive(contents)
        read_archive(data)  # what nobody could load must not be written
    except (InvalidModel, InvalidArchive) as refusal:
        raise PackingRefused(f"{name} {version} was not packed: {refusal}") from refusal
    part = out.with_name(f".{out.name}.part")
    part.write_bytes(data)
    os.replace(part, out)
    metrics = contents.quality.metrics if contents.quality else {}
    return Packed(out, hashlib.sha256(data).hexdigest(), len(data), contents.manifest, metrics)


def _proof(pipeline: Any, rows: list[Row], width: int, golden: int) -> Proof:
    if not 1 <= golden <= len(rows):
        raise InvalidModel(f"{golden} golden rows were asked for and {len(rows)} rows were given; give at least one")
    _check_rows("row", rows, width)
    try:
        expected = reference_scores(pipeline, rows)
    except ValueError as error:
        raise InvalidModel(f"the pipeline itself refuses the given rows: {str(error).splitlines()[0]}") from error
    return Proof(pipeline, rows, expected, golden)


def _check_rows(what: str, rows: Sequence[Row], width: int) -> None:
    for number, row in enumerate(rows):
        if len(row) != width:
            raise InvalidModel(f"{what} {number} has {len(row)} values for {width} features")
        if any(value is not None and not math.isfinite(value) for value in row):
            raise InvalidModel(f"{what} {number} has a value that is no number; a missing one is None, not NaN")


def _first_that_computes_the_same(
    draft: Manifest, proof: Proof, formats: Sequence[Format]
) -> tuple[Manifest, Compiled]:
    """The manifest as it will be written, and the model. Raises InvalidModel with every format's reason."""
    reasons: list[str] = []
    for form in formats:
        manifest = msgspec.structs.replace(draft, format=form, libraries=versions(*_MAKERS[form]))
        try:
            model = compiled(manifest, proof)
        except CannotCompile as refusal:
            reasons.append(f"not {form}, because {refusal}")
            continue
        manifest = msgspec.structs.replace(
            with_nullable(manifest, model.nullable),
            equivalence=Equivalence(rows=len(proof.rows), largest_difference=model.difference),
            fallback=". ".join(reasons)[:4_000] or None,
        )
        return manifest, model
    raise InvalidModel(". ".join(reasons))


def _contents(
    manifest: Manifest, compiled_model: Compiled, proof: Proof, training: Sequence[Row], holdout: Holdout | None
) -> Contents:
    """The documents of the archive, with the reports that the given rows allow."""
    width = len(manifest.features)
    _check_rows("training row", training, width)
    _check_rows("holdout row", holdout.rows if holdout else (), width)
    model = compiled_model.model
    if training and isinstance(model, LinearSpec):
        try:
            model = centered(model, training)
        except NonFiniteScore as fault:
            raise InvalidModel(f"the model has no answer to a training row: {fault}") from fault
    names = [feature.name for feature in manifest.features]
    return Contents(
        manifest,
        model,
        proof.golden_rows(),
        baseline(names, training) if training else None,
        quality(compiled_model.predictor, manifest, holdout) if holdout else None,
    )
