"""A fitted pipeline as the bytes of a skops file, the same for the same pipeline. Used by packing only."""

import copy
import io
import json
import zipfile
from typing import Any

import skops.io

from verdigris_serving.artifact.archive import write_zip
from verdigris_serving.model.sklearn_allowed import SCHEMA
from verdigris_serving.model.sklearn_parts import parts

_STOP_WORDS = "_stop_words_id"
_GENERATORS = ("RandomStateNode", "RandomGeneratorNode")
#: How skops writes None.
_NONE = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null", "is_json": True}


class CannotStore(ValueError):
    """A part of the pipeline cannot be stored; the message says which, by skops' own first line where it is skops'."""


def store(pipeline: Any) -> bytes:
    """What ``skops.io.dumps`` writes, without what differs from run to run. Raises CannotStore."""
    _refuse_categories(pipeline)
    try:
        raw = skops.io.dumps(_without_leftovers(pipeline))
    except Exception as error:  # __reduce__ and __getstate__ of anything in the pipeline have run
        line = str(error).strip().partition("\n")[0][:200]
        raise CannotStore(f"skops: {line or type(error).__name__}") from error
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return settled(archive, json.loads(archive.read(SCHEMA)))


def settled(archive: zipfile.ZipFile, schema: Any) -> bytes:
    """The same file, uncompressed and without what differs from run to run; ``schema`` is its own, and is changed.

    Raises whatever zipfile raises for a member that is not there or not whole.
    """
    names: dict[str, str] = {}
    _settle(schema, names)
    members = {SCHEMA: json.dumps(schema, ensure_ascii=False, separators=(",", ":")).encode()}
    return write_zip(members | {new: archive.read(old) for old, new in names.items()})


def _refuse_categories(pipeline: Any) -> None:
    """Histogram gradient boosting keeps a function to look at its input with, where it has categories."""
    kind = next((type(part).__name__ for part in parts(pipeline) if getattr(part, "_preprocessor", None)), "")
    if kind:
        raise CannotStore(
            f"{kind} with categorical_features is served as a graph alone, where the steps in front of it must give "
            "the same numbers to the last bit: scalers, imputers and encoders do, PowerTransformer and PCA do not. "
            "Leave such a step out, which trees do not need, or give it an OrdinalEncoder and no categorical_features"
        )


def _without_leftovers(pipeline: Any) -> Any:
    """The pipeline, as a copy where need be: without its neighbours' trees, which whoever loads it builds again, and
    without the address in memory of a vectorizer's stop words, by which it knows that it has looked at them."""
    if not any(getattr(part, "_tree", None) is not None or hasattr(part, _STOP_WORDS) for part in parts(pipeline)):
        return pipeline
    copied = copy.deepcopy(pipeline)
    for part in parts(copied):
        if getattr(part, "_tree", None) is not None:
            part._tree = None
        if hasattr(part, _STOP_WORDS):
            delattr(part, _STOP_WORDS)
    return copied


def _settle(item: Any, names: dict[str, str]) -> None:
    """Drop the addresses in memory that skops takes for identities, and number the files instead of naming them so.

    Without identities an object that is there twice is read twice; a pipeline that only predicts cannot tell. Nor
    does it miss generators of random numbers, which serve fitting only and which the server does not allow.
    """
    if isinstance(item, list):
        for value in item:
            _settle(value, names)
    if not isinstance(item, dict):
        return
    if item.get("__loader__") in _GENERATORS:
        item.clear()
        item.update(_NONE)
    elif "__loader__" in item:
        item.pop("__id__", None)
        if isinstance(item.get("file"), str):
            old = item["file"]
            item["file"] = names.setdefault(old, f"{len(names)}{old[old.rindex('.') :]}")
    for value in item.values():
        _settle(value, names)
