"""A fitted pipeline from whatever it was kept in: a file by joblib or pickle, one by skops, a folder of MLflow's."""

import os
import re
from pathlib import Path

from verdigris_serving.artifact.frames import frame
from verdigris_serving.artifact.importing.mlflow_folder import MlflowFolder
from verdigris_serving.artifact.importing.skops_import import load_skops
from verdigris_serving.artifact.kinds import kind_of
from verdigris_serving.artifact.loading import CannotLoad, Loaded, load_pipeline
from verdigris_serving.artifact.pipeline import columns
from verdigris_serving.artifact.tables import Table
from verdigris_serving.model.schema import InvalidModel

_MLFLOW_ADDRESS = re.compile(r"(models|runs|mlflow-artifacts):/")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://?", re.ASCII)
_NO_PIPELINE = {
    "vmodel": "is packed already: verify, serve or ask it as it is",
    "zip": "is a zip, and neither a whole one nor by skops: give the file that skops.io.dump or joblib.dump wrote",
    "folder": "is a folder, and has no file MLmodel: give the one that has it (mlflow artifacts download makes one), "
    "or the file of the pipeline",
}


def opened(source: str | os.PathLike[str], *, trust_pickle: bool = False) -> Loaded:
    """The pipeline in ``source``. A pickle, which runs its code, is loaded only when that is trusted.

    Raises CannotLoad, with one sentence that says what is wrong, where, and what to do.
    """
    _refuse_address(str(source))
    path = Path(source)
    try:
        kind = kind_of(path)
    except FileNotFoundError as error:
        raise CannotLoad(f"{path} cannot be read: there is no such file or folder") from error
    except OSError as error:
        raise CannotLoad(f"{path} cannot be read: {error.strerror or error}") from error
    if kind == "mlflow":
        return _of_folder(path, trust_pickle=trust_pickle)
    if kind == "skops":
        return load_skops(path)
    if kind == "pickle":
        _refuse_untrusted(path, trust_pickle=trust_pickle)
        return load_pipeline(path)
    raise CannotLoad(f"{path} {_NO_PIPELINE[kind]}")


def example(loaded: Loaded) -> Table | None:
    """The rows that came with the pipeline, None when there are none. Raises CannotLoad when they are no table."""
    if not loaded.example:
        return None
    try:
        table = frame(loaded.example, "the input example")
    except InvalidModel as refusal:
        raise CannotLoad(str(refusal)) from refusal
    known = [feature.name for feature in loaded.features] or columns(loaded.pipeline)
    return Table([feature.name for feature in table.features(known)], table.rows, [])


def _of_folder(path: Path, *, trust_pickle: bool) -> Loaded:
    folder = MlflowFolder(path)
    model = folder.model_file()
    try:
        kind = kind_of(model)
    except OSError as error:
        raise CannotLoad(f"{model} cannot be read: {error.strerror or error}") from error
    if kind == "skops":
        return folder.beside(load_skops(model, folder.fitted_under))
    _refuse_untrusted(model, trust_pickle=trust_pickle)
    try:
        return folder.beside(load_pipeline(model, folder.fitted_under))
    except CannotLoad as refusal:
        raise CannotLoad(f"{refusal}{folder.own_code()}") from refusal


def _refuse_untrusted(path: Path, *, trust_pickle: bool) -> None:
    if not trust_pickle:
        raise CannotLoad(
            f"{path} is a pickle, and loading a pickle runs whatever code is in it. If you made it yourself, say "
            "--trust-pickle (in Python: trust_pickle=True)."
        )


def _refuse_address(source: str) -> None:
    if _MLFLOW_ADDRESS.match(source):
        raise CannotLoad(
            f"{source} is in an MLflow server: download its folder first (mlflow artifacts download --artifact-uri "
            f"{source} --dst-path model), and give the folder that has the file MLmodel"
        )
    if _ADDRESS.match(source):
        raise CannotLoad(f"{source} is an address, and packing reads files: download it first, and give its path")
