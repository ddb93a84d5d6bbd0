"""A fitted pipeline from a file by skops, as its maker wrote it. It needs no trust: only types on the server's own
list are built, as a server would."""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import skops.io
from sklearn.exceptions import InconsistentVersionWarning

from verdigris_serving.artifact.limits import TooCostly, bounded_memory
from verdigris_serving.artifact.loading import CannotLoad, Loaded, another_version
from verdigris_serving.artifact.skops_file import settled
from verdigris_serving.model.schema import InvalidModel
from verdigris_serving.model.sklearn_allowed import SCHEMA, TYPES, check_allowed

#: Bytes of a file, packed and unpacked, that packing reads.
MOST_BYTES = 2**30
_YOURSELF = "load it yourself (skops.io.load with trusted=…), and give the pipeline to verdigris_serving.artifact.pack"


def load_skops(path: Path, fitted_under: str = "") -> Loaded:
    """What ``skops.io.dump`` wrote into ``path``; generators of random numbers in it are left out.

    ``fitted_under``: the version of scikit-learn that fitted it, where that is written elsewhere too. Raises
    CannotLoad.
    """
    try:
        with bounded_memory():
            return _load(path, fitted_under)
    except TooCostly as error:
        raise CannotLoad(f"{path} takes more memory than there is here: {_YOURSELF}") from error


def _load(path: Path, fitted_under: str) -> Loaded:
    data, fitted = _plain(path)
    try:
        check_allowed(data)
    except InvalidModel as refusal:
        raise CannotLoad(f"{path}: {refusal}; {_YOURSELF}") from refusal
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", InconsistentVersionWarning)
        try:
            pipeline = skops.io.loads(data, trusted=sorted(TYPES))
        except Exception as error:  # a type that is allowed may be filled with anything
            told = another_version(heard, fitted or fitted_under)
            raise CannotLoad(
                f"{path} cannot be loaded by skops ({type(error).__name__}): write it again with the versions that "
                f"are installed here{told and f'. {told}'}"
            ) from error
    told = another_version(heard, fitted or fitted_under)
    return Loaded(pipeline, (told,) if told else ())


def _plain(path: Path) -> tuple[bytes, str]:
    """The file's bytes in the form that is served, and the version of scikit-learn in it (empty: none is)."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > MOST_BYTES:
                raise CannotLoad(f"{path} would unpack to {size} bytes, more than {MOST_BYTES}: {_YOURSELF}")
            schema = json.loads(archive.read(SCHEMA))
            if not isinstance(schema, dict):
                raise CannotLoad(f"{path} is no skops file: its {SCHEMA} holds no object")
            return settled(archive, schema), _fitted_under(schema)
    except CannotLoad:
        raise
    except Exception as error:  # zipfile's and json's many ways to say no, RecursionError among them
        raise CannotLoad(f"{path} is no skops file, or it is cut off ({type(error).__name__}): {_YOURSELF}") from error


def _fitted_under(schema: Any) -> str:
    """The first ``_sklearn_version`` that an estimator's state names."""
    waiting = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        if not isinstance(item, dict):
            continue
        stored = item.get("_sklearn_version")
        if isinstance(stored, dict) and isinstance(stored.get("content"), str):
            return str(json.loads(stored["content"]))[:40]
        waiting += item.values()
    return ""
