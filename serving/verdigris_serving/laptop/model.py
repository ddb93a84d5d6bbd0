"""The model that a command is about: a ``.vmodel``, or a fitted pipeline that is packed on the way."""

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from verdigris_serving.artifact import describe
from verdigris_serving.artifact.archive import read_archive
from verdigris_serving.artifact.cli import MAX_BYTES, Failure
from verdigris_serving.artifact.kinds import kind_of
from verdigris_serving.artifact.naming import model_name
from verdigris_serving.artifact.tables import Table, read_table
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.environment import max_bytes
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.model.schema import Feature, InvalidModel


def add_options(command: argparse.ArgumentParser) -> None:
    """The arguments that say which model."""
    command.add_argument(
        "model", type=Path, help="a .vmodel, or a fitted pipeline by joblib or skops, or in a folder of MLflow's"
    )
    fitted = command.add_argument_group("a fitted pipeline (needs the extra pack: pip install '.[pack]')")
    fitted.add_argument("--trust-pickle", action="store_true", help="I made this file: loading a pickle runs its code")
    fitted.add_argument("--rows", type=Path, help="CSV of rows to prove on that what is packed gives what it gives")
    fitted.add_argument(
        "--unused", action="append", default=[], metavar="COLUMN", help="a column of --rows that is no feature"
    )
    fitted.add_argument("--name", default="", help="its name (default: the file's)")
    fitted.add_argument("--version", default="0.0.0", help="its version (default 0.0.0)")


def load(options: argparse.Namespace) -> tuple[LoadedModel, list[str]]:
    """The model, verified, and what to say about it. Raises Failure or ServingError."""
    path: Path = options.model
    try:
        kind = kind_of(path)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    if kind in {"vmodel", "zip"}:
        return _verified(path), []
    return _pack(options)


def _verified(path: Path) -> LoadedModel:
    """The model with its first golden row to show: who has the file has the row, too."""
    model = load_verified(path, Expectation(), max_bytes=max_bytes(os.environ, MAX_BYTES))
    return replace(model, example=read_archive(path.read_bytes()).golden.rows[0])


def _pack(options: argparse.Namespace) -> tuple[LoadedModel, list[str]]:
    path: Path = options.model
    if kind_of(path) == "pickle" and not options.trust_pickle:
        raise Failure(
            f"{path} is no .vmodel. If it is a pipeline by joblib, it is a pickle, and loading a pickle runs whatever "
            "code is in it: if you made it yourself, say --trust-pickle."
        )
    print(f"packing {path}, and proving that it answers as it was fitted ...", file=sys.stderr, flush=True)
    try:
        # A .vmodel is served without scikit-learn.
        from verdigris_serving.artifact.importing.opening import example, opened  # noqa: PLC0415
        from verdigris_serving.artifact.loading import CannotLoad  # noqa: PLC0415
        from verdigris_serving.artifact.pack import PackingRefused, pack  # noqa: PLC0415
    except ImportError as error:
        raise Failure(f"packing needs scikit-learn ({error}): in a clone, pip install '.[pack]'") from error
    try:
        loaded = opened(path, trust_pickle=options.trust_pickle)
        shown = example(loaded)
    except CannotLoad as error:
        raise Failure(str(error)) from error
    described = {feature.name: feature for feature in loaded.features}
    with tempfile.TemporaryDirectory(prefix="verdigris-") as folder, warnings.catch_warnings():
        # Rows have no names here, which scikit-learn says of each where the pipeline was fitted on some with.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        out = Path(folder) / "model.vmodel"
        try:
            names, rows, told = _rows(loaded.pipeline, shown, described, options)
            packed = pack(
                loaded,
                out,
                name=options.name or model_name(path),
                version=options.version,
                features=[described.get(name, Feature(name)) for name in names],
                rows=rows,
            )
        except (PackingRefused, InvalidModel) as refusal:
            raise Failure(str(refusal)) from refusal
        model = _verified(out)
    told += [*packed.told, f"packed: {describe.equivalence(packed.manifest)}"]
    return model, told


def _rows(
    pipeline: Any, shown: Table | None, described: dict[str, Feature], options: argparse.Namespace
) -> tuple[list[str], Sequence[Any], list[str]]:
    """The features' names, the rows to prove on, and what to say about them. What is found out about a feature is
    added to ``described``. Raises Failure."""
    named = list(map(str, getattr(pipeline, "feature_names_in_", ())))
    if options.rows:
        from verdigris_serving.artifact.texts import text_names  # noqa: PLC0415 - needs scikit-learn

        table = read_table(options.rows, names=named, unused=options.unused, texts=partial(text_names, pipeline))
        _note_truths(described, table.truths)
        return table.names, table.rows, []
    if shown:
        return shown.names, shown.rows, [f"no --rows were given: proven on the {len(shown.rows)} of its input example"]
    from verdigris_serving.laptop.making import made, width_of  # noqa: PLC0415 - needs scikit-learn

    width = width_of(pipeline)
    if width is None:
        raise Failure(f"{options.model} does not say how many features it has: give --rows, a CSV of some")

    found = made(pipeline, width, described)
    if not found.rows:
        raise Failure(
            f"{options.model} answers none of the rows that can be made without any data: give --rows, a CSV of some "
            f"that it answers. To the first that was made it says: {found.refusal}"
        )
    _note_truths(described, found.truths)
    return found.names, found.rows, [f"no --rows were given: proven on {len(found.rows)} that were made up"]


def _note_truths(described: dict[str, Feature], names: Iterable[str]) -> None:
    for name in names:
        described.setdefault(name, Feature(name, datatype="BOOL"))
