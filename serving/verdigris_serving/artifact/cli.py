"""``verdigris-model pack | inspect | verify | diff``: make an artifact, look into it, check it as the server would.

Exit code 0: done. 1: refused or failed, with a sentence on standard error. 2: the command line is wrong.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, get_args

import msgspec

from verdigris_serving.artifact import describe, diff
from verdigris_serving.artifact.archive import MODELS, Contents, InvalidArchive, read_archive
from verdigris_serving.artifact.kinds import check_regular
from verdigris_serving.artifact.limits import TooCostly, bounded_memory
from verdigris_serving.artifact.tables import Table, Texts, UnreadableTable, read_table
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.environment import max_bytes
from verdigris_serving.model.schema import Datatype, Feature, InvalidModel
from verdigris_serving.reasons import ServingError

#: Of an artifact, where VERDIGRIS_MAX_BYTES says nothing: whose file it is has memory for it.
MAX_BYTES = 2**31
_POLICIES = ("reject", "clamp")


class Failure(Exception):
    """Ends the command with its message."""


class Commands(Protocol):
    """Where commands are added."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:
        """The parser of a new command, which sets ``run`` to what runs it."""


def main(arguments: Sequence[str] | None = None, more: Sequence[Callable[[Commands], None]] = ()) -> int:
    """Run one command and return its exit code; ``more`` adds the commands of who knows more than artifacts."""
    options = _parser(more).parse_args(arguments)
    try:
        options.run(options)
    except (Failure, ServingError, UnreadableTable) as failure:
        print(f"verdigris-model: {failure}", file=sys.stderr)
        return 1
    return 0


def _parser(more: Sequence[Callable[[Commands], None]]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="verdigris-model", description="Pack, inspect, serve and ask models.")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_pack(commands.add_parser("pack", help="pack a fitted scikit-learn pipeline into one verified file"))

    inspect = commands.add_parser("inspect", help="show what an artifact says about itself")
    inspect.add_argument("artifact", type=Path)
    inspect.add_argument("--json", action="store_true", help="manifest, baseline and quality as JSON")
    inspect.set_defaults(run=_inspect)

    verify = commands.add_parser("verify", help="checksum, identity and golden rows, exactly as the server does")
    verify.add_argument("artifact", type=Path)
    verify.add_argument("--sha256", default="", help="expected checksum")
    verify.add_argument("--name", default="", help="expected name")
    verify.add_argument("--version", default="", help="expected version")
    verify.set_defaults(run=_verify)

    compare = commands.add_parser("diff", help="show what changed from one artifact to another")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    compare.add_argument("--json", action="store_true", help="the same as JSON")
    compare.set_defaults(run=_diff)
    for add in more:
        add(commands)
    return parser


def _add_pack(pack: argparse.ArgumentParser) -> None:
    pack.add_argument(
        "pipeline", help="the fitted pipeline: a file by joblib, pickle or skops, or a folder of MLflow's"
    )
    pack.add_argument("--trust-pickle", action="store_true", help="I made this file: loading a pickle runs its code")
    pack.add_argument("--name", required=True, help="served as /v2/models/NAME")
    pack.add_argument("--version", required=True, help="semantic version, such as 1.2.0")
    pack.add_argument("--out", type=Path, required=True, help="the .vmodel file to write")
    pack.add_argument(
        "--rows",
        type=Path,
        help="CSV to prove equivalence on: a header of feature names; empty is missing (default: the holdout, or the "
        "input example in a folder of MLflow's)",
    )
    pack.add_argument("--holdout", type=Path, help="CSV of rows not trained on, for the quality report")
    pack.add_argument(
        "--target",
        action="append",
        default=[],
        help="the column of --holdout that is predicted (each, of several); --rows and --training may have it, too",
    )
    pack.add_argument(
        "--unused", action="append", default=[], metavar="COLUMN", help="a column of these files that is no feature"
    )
    pack.add_argument("--training", type=Path, help="CSV of the training rows, for the baseline (counts, never rows)")
    pack.add_argument("--golden", type=int, help="golden rows: the first N rows (default: 16, or all)")
    pack.add_argument(
        "--threshold",
        type=float,
        help="probability of the second class that makes the label (default: as predict does)",
    )
    pack.add_argument(
        "--format",
        choices=("auto", *MODELS),
        default="auto",
        help="how it is served; auto: the first of these that computes the same",
    )
    pack.add_argument(
        "--feature",
        action="append",
        default=[],
        metavar="NAME=DATATYPE:MIN:MAX:BEYOND",
        help="datatype and allowed range of one feature, and reject or clamp for what is beyond it; "
        "each part may be empty (glucose=FP64:0::clamp)",
    )
    pack.set_defaults(run=_pack)


def _pack(options: argparse.Namespace) -> None:
    try:
        # Packing only: inspect and verify work without scikit-learn.
        from verdigris_serving.artifact.importing.opening import example, opened  # noqa: PLC0415
        from verdigris_serving.artifact.loading import CannotLoad  # noqa: PLC0415
        from verdigris_serving.artifact.pack import PackingRefused, pack  # noqa: PLC0415
        from verdigris_serving.artifact.texts import text_names  # noqa: PLC0415
    except ImportError as error:
        raise Failure(
            f"packing needs scikit-learn ({error}): install it with its extra, in a clone: pip install '.[pack]'"
        ) from error
    try:
        loaded = opened(options.pipeline, trust_pickle=options.trust_pickle)
        rows, holdout, training = _tables(options, example(loaded), partial(text_names, loaded.pipeline))
        packed = pack(
            loaded,
            options.out,
            name=options.name,
            version=options.version,
            features=_features(rows, options.feature, loaded.features),
            rows=rows.rows,
            golden=options.golden,
            threshold=options.threshold,
            format=options.format,
            training=training.rows if training else (),
            holdout=_tested(holdout, options.target) if holdout else None,
        )
    except (CannotLoad, InvalidModel, PackingRefused) as error:
        raise Failure(str(error)) from error
    print(f"{packed.path}  {packed.size} bytes  sha256 {packed.sha256}")
    _print(packed.told)
    if packed.manifest.fallback:
        print(f"format {packed.manifest.format}: {packed.manifest.fallback}")
    print(f"proven {describe.equivalence(packed.manifest)}")
    if packed.quality:
        print(f"on the holdout: {describe.metrics(packed.quality)}")
    print(f"to serve it, write in the ModelDeployment:\n{packed.spec}")


def _tested(holdout: Table, names: Sequence[str]) -> Any:
    """The holdout with what is true of each row: a class, which may be any text, or several numbers."""
    from verdigris_serving.artifact.frames import labels  # noqa: PLC0415 - packing only
    from verdigris_serving.artifact.holdout import Holdout  # noqa: PLC0415

    truth = [cell for (cell,) in holdout.targets] if len(names) == 1 else holdout.targets
    return Holdout(holdout.rows, labels(truth, "--target"), tuple(names))


def _tables(
    options: argparse.Namespace, example: Table | None, texts: Texts
) -> tuple[Table, Table | None, Table | None]:
    """The rows to prove equivalence on, the holdout, the training rows, all with the same columns.

    ``example`` are the rows that came with the pipeline: they are proven on where no others are given. ``texts`` says
    which columns the pipeline takes as texts.
    """
    if options.holdout and not options.target:
        raise Failure("--holdout needs --target, the column that says what is true of each row")
    read = partial(read_table, texts=texts, unused=[*options.target, *options.unused])
    rows = read(options.rows) if options.rows else None
    names = rows.names if rows else ()
    holdout = read(options.holdout, targets=options.target, names=names) if options.holdout else None
    shown = rows or holdout or example
    if shown is None:
        raise Failure("give --rows or --holdout: equivalence is proven on one of them")
    training = read(options.training, names=shown.names) if options.training else None
    return shown, holdout, training


def _features(rows: Table, notes: Sequence[str], known: Sequence[Feature] = ()) -> list[Feature]:
    """A feature a column, as it is ``known`` beside the pipeline and as the notes say."""
    names = rows.names
    described = {name: Feature(name, datatype="BOOL" if name in rows.truths else "FP64") for name in names}
    described |= {feature.name: feature for feature in known if feature.name in described}
    for note in notes:
        name, _, rest = note.partition("=")
        datatype, low, high, beyond = [*rest.split(":"), "", "", ""][:4]
        if name not in described:
            raise Failure(f"--feature {note}: the rows have no column {name}; they have {', '.join(names)}")
        datatype = datatype or described[name].datatype
        for given, there_are in ((datatype, get_args(Datatype)), (beyond or "reject", _POLICIES)):
            if given not in there_are:
                raise Failure(f"--feature {note}: {given} is none of {', '.join(there_are)}")
        try:
            bounds: dict[str, Any] = {key: float(text) for key, text in (("minimum", low), ("maximum", high)) if text}
        except ValueError as error:
            raise Failure(f"--feature {note}: {error}") from error
        described[name] = msgspec.structs.replace(
            described[name], datatype=datatype, out_of_range=beyond or "reject", **bounds
        )
    return [described[name] for name in names]


def read_artifact(path: Path) -> tuple[Contents, str, int]:
    """The documents, SHA-256 and size in bytes of a file. Raises Failure."""
    try:
        check_regular(path)
        data = path.read_bytes()
        with bounded_memory():
            return read_archive(data), hashlib.sha256(data).hexdigest(), len(data)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    except (InvalidArchive, TooCostly) as error:
        raise Failure(f"{path}: {error}") from error


def _inspect(options: argparse.Namespace) -> None:
    contents, sha256, size = read_artifact(options.artifact)
    if not options.json:
        _print(describe.lines(contents, sha256, size))
        return
    reports = {"baseline": contents.baseline, "quality": contents.quality}
    document = {
        "sha256": sha256,
        "size": size,
        **msgspec.to_builtins(contents.manifest),
        **msgspec.to_builtins(reports),
    }
    print(json.dumps(document, indent=2))


def _diff(options: argparse.Namespace) -> None:
    change = diff.difference(read_artifact(options.before)[0], read_artifact(options.after)[0])
    if options.json:
        print(json.dumps(dataclasses.asdict(change), indent=2))
    else:
        _print(diff.lines(change))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _verify(options: argparse.Namespace) -> None:
    expected = Expectation(options.sha256.lower(), options.name, options.version)
    try:
        check_regular(options.artifact)
    except OSError as error:
        raise Failure(f"{options.artifact} cannot be read: {error.strerror}") from error
    model = load_verified(options.artifact, expected, max_bytes=max_bytes(os.environ, MAX_BYTES))
    checked = "the checksum holds" if options.sha256 else f"sha256 {model.sha256} (none was given to compare)"
    manifest = model.manifest
    print(f"{manifest.name} {manifest.version}: {checked}, {model.golden_rows} golden rows pass")
    if model.told:
        print(model.told)


if __name__ == "__main__":
    sys.exit(main())
