"""A pipeline in each of the formats, with the proof that it answers the same. Used by packing only."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from verdigris_serving.artifact.fold_columns import CannotFold
from verdigris_serving.artifact.graph.builder import CannotGraph
from verdigris_serving.artifact.graph.convert import convert
from verdigris_serving.artifact.pipeline import decides_by_scores
from verdigris_serving.artifact.proof.proving import NotProven, Proof, nullable
from verdigris_serving.artifact.sklearn_fold import fold
from verdigris_serving.artifact.skops_file import CannotStore, store
from verdigris_serving.model.checks import check_linear
from verdigris_serving.model.formats import predictor
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.model.schema import InvalidModel, LinearSpec, Manifest, has_several_labels, score_name


class CannotCompile(ValueError):
    """The pipeline has no sound form in a format; the message says why."""


@dataclass(frozen=True)
class Compiled:
    """A pipeline in one format: the manifest with what was found about it, the model and who computes it."""

    manifest: Manifest
    model: LinearSpec | bytes
    predictor: Predictor


def compiled(draft: Manifest, proof: Proof) -> Compiled:
    """The pipeline in the draft's format, proven. Raises CannotCompile."""
    try:
        manifest, model = _MAKERS[draft.format](draft, proof)
        served = predictor(manifest, model)
        equivalence = proof.check(served, manifest)
    except (CannotFold, CannotGraph, CannotStore, InvalidModel, NotProven) as refusal:
        raise CannotCompile(str(refusal)) from refusal
    return Compiled(msgspec.structs.replace(manifest, equivalence=equivalence), model, served)


def _linear(draft: Manifest, proof: Proof) -> tuple[Manifest, LinearSpec]:
    if draft.outputs is not None and draft.classes:
        raise CannotFold("it answers something else than probabilities or values")
    if has_several_labels(draft):
        raise CannotFold("it answers several labels a row")
    folded = fold(proof.pipeline, proof.features)
    may = [folds and takes for folds, takes in zip(folded.nullable, proof.missing, strict=True)]
    manifest = msgspec.structs.replace(draft, features=nullable(proof.features, may), partial=proof.partial)
    check_linear(folded.spec, manifest)
    return manifest, folded.spec


def _onnx(draft: Manifest, proof: Proof) -> tuple[Manifest, bytes]:
    graph = convert(proof.pipeline, proof.features, score_name(draft))
    return _whole(draft, proof, own_label=graph.own_label), graph.data


def _sklearn(draft: Manifest, proof: Proof) -> tuple[Manifest, bytes]:
    return _whole(draft, proof, own_label=not decides_by_scores(proof.pipeline)), store(proof.pipeline)


def _whole(draft: Manifest, proof: Proof, *, own_label: bool) -> Manifest:
    """The manifest of a format that takes what the pipeline takes."""
    own = own_label or draft.scores != "probabilities" or has_several_labels(draft)
    return msgspec.structs.replace(
        draft,
        features=nullable(proof.features, proof.missing),
        label_from="model" if own and draft.classes and draft.threshold is None else "scores",
        partial=proof.partial,
    )


_Maker = Callable[[Manifest, Proof], tuple[Manifest, LinearSpec | bytes]]
_MAKERS: dict[str, _Maker] = {"linear": _linear, "onnx": _onnx, "sklearn": _sklearn}
