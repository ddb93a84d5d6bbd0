"""Packing: put a fitted pipeline into the fastest format that answers the same, prove it, write the archive.

Needs the extra ``pack`` (scikit-learn and what stores it); nothing that serves imports this module.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
from threadpoolctl import threadpool_limits

from verdigris_serving.artifact import describe, naming
from verdigris_serving.artifact.archive import Contents, InvalidArchive, read_archive, write_archive
from verdigris_serving.artifact.arguments import FORMATS, Format, check_words, checked_features, checked_holdout
from verdigris_serving.artifact.baseline import baseline, centered
from verdigris_serving.artifact.compile import CannotCompile, Compiled, compiled
from verdigris_serving.artifact.given import Given, given, of_xy
from verdigris_serving.artifact.holdout import Holdout
from verdigris_serving.artifact.importing.opening import opened
from verdigris_serving.artifact.loading import CannotLoad, Loaded
from verdigris_serving.artifact.pipeline import Facts, columns, examine, unwrapped, versions
from verdigris_serving.artifact.positional import check_same, positional
from verdigris_serving.artifact.proof.proving import Proof, prepared
from verdigris_serving.artifact.proof.reference import Reference
from verdigris_serving.artifact.quality import named_labels, quality
from verdigris_serving.artifact.shown import as_html
from verdigris_serving.model.checks import check_manifest
from verdigris_serving.model.linear import NonFiniteScore
from verdigris_serving.model.schema import (
    SCHEMA_VERSION,
    Equivalence,
    Feature,
    InvalidModel,
    LinearSpec,
    Manifest,
    Row,
    has_several_labels,
)

__all__ = ["Format", "Holdout", "Packed", "PackingRefused", "pack"]

_MAKERS = {"linear": (), "onnx": ("onnx", "onnxruntime"), "sklearn": ("skops",)}


class PackingRefused(ValueError):
    """The pipeline cannot be packed; the message says why and what to do."""


@dataclass(frozen=True, repr=False)
class Packed:
    """A written artifact: its path, its checksum for ``spec.model.sha256``, its size in bytes, and its manifest.

    ``quality`` has a value a metric, and is empty without a holdout. ``told`` is what was done on the way that the
    manifest does not say, and what to know before serving it, a sentence each.
    """

    path: Path
    sha256: str
    size: int
    manifest: Manifest
    quality: dict[str, float]
    told: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Where it is, and the block of a ModelDeployment that serves it."""
        return f"{self.path}  {self.size} bytes\n{self.spec}"

    @property
    def spec(self) -> str:
        """The block ``spec.model`` of a ModelDeployment, as YAML to paste; ``uri`` is yours to fill in."""
        return describe.spec(self.manifest, self.sha256)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        return as_html(self.manifest, str(self.path), self.size, self.sha256, self.quality, told=self.told)


def pack(
    pipeline: Any,
    out: Path | str,
    X: Any = None,  # noqa: N803 - as scikit-learn calls it
    y: Any = None,
    *,
    name: str = "",
    version: str = "0.0.0",
    features: Sequence[Feature] = (),
    rows: Any = (),
    golden: int | None = None,
    threshold: float | None = None,
    format: Format | Literal["auto"] = "auto",
    training: Any = (),
    holdout: Holdout | None = None,
    trust_pickle: bool = False,
) -> Packed:
    """Pack a fitted pipeline as the file ``out``; the same inputs give the same bytes.

    ``pipeline`` may also be where it was kept: a file by joblib, pickle or skops, or a folder of MLflow's, whose
    signature and input example then stand in for ``features`` and ``X`` where these are not given. A pickle runs its
    code, so it is loaded only with ``trust_pickle``.

    ``X`` is any table of rows: a data frame of pandas or polars, an array, a list of rows or of dicts; NaN, None and
    ``pandas.NA`` are missing. ``y`` says what is true of each of its rows, and makes of both a holdout: rows that the
    pipeline was not trained on. Features are the table's columns; where the pipeline was fitted on columns by name, its
    own names and order hold, and a table that does not match is refused.

    Equivalence is proven on ``rows`` (``X`` when none are given), and on rows made of them to differ; the first
    ``golden`` (default: 16, or as many as there are) become the golden rows. ``holdout`` is another way to give ``X``
    and ``y``; from it comes the quality report, from ``training`` rows the baseline and, for ``linear``, the terms'
    centers. ``features`` describes the columns more closely: ``nullable`` and ``categories`` are overwritten by what
    the pipeline takes. ``threshold`` is the least probability of the second of two classes that makes it the label;
    None: the label is what ``predict`` says. ``name`` defaults to the file's. ``format`` ``auto`` takes the first that
    answers the same, and the manifest says why not an earlier one. Raises PackingRefused, with a sentence.
    """
    try:
        path = _path(out)
        check_words(name=name, version=version, format=format)
        name = name or naming.model_name(path)
        features, holdout = checked_features(features), checked_holdout(holdout)
        kept = _kept(pipeline, trust_pickle=trust_pickle)
    except (InvalidModel, CannotLoad) as refusal:
        raise PackingRefused(str(refusal)) from refusal
    features = features or kept.features
    if X is None and y is None and holdout is None and isinstance(rows, tuple) and not rows:
        rows = kept.example
    try:
        found = unwrapped(kept.pipeline)
        facts = examine(found.model)
        own, tested = of_xy(X, y)
        model = positional(found.model)
        data = given(
            model=model,
            columns=columns(found.model),
            features=features,
            rows=_either(own, rows),
            training=training,
            holdout=tested or holdout,
        )
        facts = named_labels(facts, data.holdout)
        draft = _draft(name, version, facts, data.features, found.threshold if threshold is None else threshold)
        with threadpool_limits(limits=1):  # what is small and asked often loses more by threads than it gains
            proof = _proof(model, draft, data.rows, golden)
            if model is not found.model:
                check_same(found.model, model, data.features, data.rows)
            draft = _with_outputs(draft, proof)
            best = _first_that_answers_the_same(draft, proof, FORMATS if format == "auto" else (format,))
            contents = _contents(best, proof, data)
        packed = write_archive(contents)
        read_archive(packed)  # what nobody could load must not be written
        _write(path, packed)
    except (InvalidModel, InvalidArchive) as refusal:
        raise PackingRefused(f"{name} {version} was not packed: {refusal}") from refusal
    metrics = contents.quality.metrics if contents.quality else {}
    told = (*kept.told, *found.told)
    return Packed(path, hashlib.sha256(packed).hexdigest(), len(packed), contents.manifest, metrics, told)


def _kept(pipeline: Any, *, trust_pickle: bool) -> Loaded:
    """The pipeline, opened when what was given is its path. Raises CannotLoad."""
    if isinstance(pipeline, str | os.PathLike):
        return opened(pipeline, trust_pickle=trust_pickle)
    return pipeline if isinstance(pipeline, Loaded) else Loaded(pipeline)


def _path(out: Any) -> Path:
    if not isinstance(out, str | os.PathLike) or not str(out):
        raise InvalidModel(f"the file to write is a {type(out).__name__}; a path is needed, such as model.vmodel")
    return Path(out)


def _either(own: Any, rows: Any) -> Any:
    """``X`` or ``rows``: the one that is there."""
    if own is not None and len(rows):
        raise InvalidModel("both X= and rows= were given; they are the same thing: give one")
    return rows if own is None else own


def _draft(name: str, version: str, facts: Facts, features: list[Feature], threshold: float | None) -> Manifest:
    draft = Manifest(
        schema=SCHEMA_VERSION,
        name=name,
        version=version,
        # The one that holds whatever any holds: each is tried, and is written in its turn.
        format=FORMATS[-1],
        task=facts.task,
        features=features,
        classes=facts.classes,
        threshold=threshold,
        equivalence=Equivalence(rows=0, largest_difference=0.0),
        libraries=versions(),
        label_from="scores" if facts.scores == "probabilities" and facts.task != "multilabel" else "model",
        scores=facts.scores,
        # What is true of a decision is known when it has been asked.
        outputs=None if facts.scores == "probabilities" else int(facts.scores == "decision"),
    )
    check_manifest(draft)
    return draft


def _with_outputs(draft: Manifest, proof: Proof) -> Manifest:
    """The manifest with the number of scores that the pipeline answers, where that does not follow from the classes."""
    count = int(proof.given.scores.shape[1])
    usual = len(draft.classes) or 1
    plain = draft.scores == "probabilities"
    if plain and draft.classes and count != usual:
        raise InvalidModel(f"it gives {count} probabilities a row for {usual} classes, so nobody knows whose they are")
    return msgspec.structs.replace(draft, outputs=None if plain and count == usual else count)


def _proof(pipeline: Any, draft: Manifest, rows: list[Row], golden: int | None) -> Proof:
    kept = min(16, len(rows)) if golden is None else golden
    if not 1 <= kept <= len(rows):
        raise InvalidModel(f"{kept} golden rows were asked for and {len(rows)} rows were given; give at least one")
    reference = Reference(
        pipeline,
        draft.features,
        classes=draft.classes,
        scores=draft.scores,
        several=has_several_labels(draft),
        threshold=draft.threshold,
    )
    return prepared(pipeline, reference, draft.features, rows, kept)


def _first_that_answers_the_same(draft: Manifest, proof: Proof, formats: Sequence[Format]) -> Compiled:
    """The model, with the manifest as it will be written. Raises InvalidModel with every format's reason."""
    reasons: list[str] = []
    for form in formats:
        manifest = msgspec.structs.replace(draft, format=form, libraries=versions(*_MAKERS[form]))
        try:
            found = compiled(manifest, proof)
        except CannotCompile as refusal:
            reasons.append(f"not {form}, because {refusal}")
            continue
        fallback = ". ".join(reasons)[:4_000] or None
        return replace(found, manifest=msgspec.structs.replace(found.manifest, fallback=fallback))
    raise InvalidModel(". ".join(reasons))


def _contents(compiled_model: Compiled, proof: Proof, data: Given) -> Contents:
    """The documents of the archive, with the reports that the given rows allow."""
    model, manifest = compiled_model.model, compiled_model.manifest
    if data.training and isinstance(model, LinearSpec):
        try:
            model = centered(model, data.training)
        except NonFiniteScore as fault:
            raise InvalidModel(f"the model has no answer to a training row: {fault}") from fault
    names = [feature.name for feature in manifest.features]
    return Contents(
        manifest,
        model,
        proof.golden_rows(manifest),
        baseline(names, data.training) if data.training else None,
        quality(compiled_model.predictor, manifest, data.holdout) if data.holdout else None,
    )


def _write(out: Path, data: bytes) -> None:
    """Raises InvalidModel when the file cannot be written."""
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_bytes(data)
        os.replace(part, out)
    except OSError as error:
        raise InvalidModel(f"{out} cannot be written: {error.strerror or error}") from error
