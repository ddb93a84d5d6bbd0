"""Packing: fold a fitted pipeline, prove that the folded model computes the same, write the archive.

Needs the extra ``pack`` (scikit-learn); nothing that serves imports this module.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from verdigris_serving.artifact.archive import Contents, InvalidArchive, read_archive, write_archive
from verdigris_serving.artifact.sklearn_fold import CannotFold, Folded, fold, reference_scores, versions
from verdigris_serving.model.golden import largest_difference
from verdigris_serving.model.linear import LinearModel, NonFiniteScore
from verdigris_serving.model.schema import (
    SCHEMA_VERSION,
    Equivalence,
    Feature,
    GoldenRows,
    InvalidModel,
    LinearSpec,
    Manifest,
    Row,
    check_linear,
    check_manifest,
)

#: Packing is refused when any output of any given row differs by more than this.
TOLERANCE = 1e-6


class PackingRefused(ValueError):
    """The pipeline cannot be packed; the message says why and what to do."""


@dataclass(frozen=True)
class Packed:
    """A written artifact: its path, its checksum for ``spec.model.sha256``, its size in bytes, and its manifest."""

    path: Path
    sha256: str
    size: int
    manifest: Manifest


def pack(
    pipeline: Any,
    out: Path,
    *,
    name: str,
    version: str,
    features: Sequence[Feature],
    rows: Sequence[Row],
    golden: int = 16,
    threshold: float = 0.5,
) -> Packed:
    """Pack a fitted pipeline as ``out``; the same inputs give the same bytes.

    ``rows`` (one value a feature, None for a missing one) are what equivalence is proven on; the first ``golden``
    of them become the golden rows. ``threshold`` is the least probability of the second of two classes that makes
    it the label. ``nullable`` of the given features is overwritten by what the pipeline imputes.
    Raises PackingRefused.
    """
    try:
        manifest, folded = _folded(pipeline, name, version, features, threshold=threshold)
        contents = _proven(pipeline, manifest, folded.spec, list(rows), golden=golden)
        data = write_archive(contents)
        read_archive(data)  # what nobody could load must not be written
    except (CannotFold, InvalidModel, InvalidArchive) as refusal:
        raise PackingRefused(f"{name} {version} was not packed: {refusal}") from refusal
    part = out.with_name(f".{out.name}.part")
    part.write_bytes(data)
    os.replace(part, out)
    return Packed(out, hashlib.sha256(data).hexdigest(), len(data), contents.manifest)


def _folded(
    pipeline: Any, name: str, version: str, features: Sequence[Feature], *, threshold: float
) -> tuple[Manifest, Folded]:
    folded = fold(pipeline, len(features))
    described = [
        msgspec.structs.replace(feature, nullable=nullable)
        for feature, nullable in zip(features, folded.nullable, strict=True)
    ]
    manifest = Manifest(
        schema=SCHEMA_VERSION,
        name=name,
        version=version,
        format="linear",
        task=folded.task,
        features=described,
        classes=folded.classes,
        threshold=threshold if len(folded.classes) == 2 else None,
        equivalence=Equivalence(rows=0, largest_difference=0.0),
        libraries=versions(),
    )
    check_manifest(manifest)
    check_linear(folded.spec, manifest)
    return manifest, folded


def _proven(pipeline: Any, manifest: Manifest, spec: LinearSpec, rows: list[Row], *, golden: int) -> Contents:
    """The documents, once the folded model has given what the pipeline gives for every row."""
    if not 1 <= golden <= len(rows):
        raise InvalidModel(f"{golden} golden rows were asked for and {len(rows)} rows were given; give at least one")
    for number, row in enumerate(rows):
        if len(row) != len(manifest.features):
            raise InvalidModel(f"row {number} has {len(row)} values for {len(manifest.features)} features")
    try:
        expected = reference_scores(pipeline, rows)
    except ValueError as error:
        raise InvalidModel(f"the pipeline itself refuses the given rows: {str(error).splitlines()[0]}") from error
    try:
        difference = largest_difference(LinearModel(spec), rows, expected)
    except NonFiniteScore as fault:
        raise InvalidModel(f"the folded model has no answer where the pipeline has one: {fault}") from fault
    if not difference <= TOLERANCE:
        raise InvalidModel(
            f"the folded model differs from the pipeline by {difference:.3g}, more than {TOLERANCE:g}, "
            f"somewhere in {len(rows)} rows"
        )
    proof = Equivalence(rows=len(rows), largest_difference=difference)
    return Contents(
        msgspec.structs.replace(manifest, equivalence=proof),
        spec,
        GoldenRows(rows=rows[:golden], expected=expected[:golden], tolerance=TOLERANCE),
    )
