"""``verdigris-model pack | inspect | verify``: make an artifact, look into it, check it as the server would.

Exit code 0: done. 1: refused or failed, with a sentence on standard error. 2: the command line is wrong.
"""

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from verdigris_serving.artifact.archive import Contents, InvalidArchive, read_archive
from verdigris_serving.artifact.verify import Expectation, load_verified
from verdigris_serving.model.schema import Datatype, Feature, Row
from verdigris_serving.reasons import ServingError

_MAX_BYTES = 2**31


class _Failure(Exception):
    """Ends the command with its message."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (_Failure, ServingError) as failure:
        print(f"verdigris-model: {failure}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="verdigris-model", description="Pack, inspect and verify model artifacts.")
    commands = parser.add_subparsers(required=True, metavar="command")

    pack = commands.add_parser("pack", help="pack a fitted scikit-learn pipeline into one verified file")
    pack.add_argument("pipeline", type=Path, help="the fitted pipeline, written by joblib.dump")
    pack.add_argument("--trust-pickle", action="store_true", help="I made this file: loading it runs its code")
    pack.add_argument("--rows", type=Path, required=True, help="CSV: a header of feature names; empty is missing")
    pack.add_argument("--name", required=True, help="served as /v2/models/NAME")
    pack.add_argument("--version", required=True, help="semantic version, such as 1.2.0")
    pack.add_argument("--out", type=Path, required=True, help="the .vmodel file to write")
    pack.add_argument("--golden", type=int, default=16, help="golden rows: the first N rows (default 16)")
    pack.add_argument("--threshold", type=float, default=0.5, help="probability that makes the label (default 0.5)")
    pack.add_argument(
        "--feature",
        action="append",
        default=[],
        metavar="NAME=DATATYPE:MIN:MAX",
        help="datatype and allowed range of one feature; each part may be empty (glucose=FP64:0:)",
    )
    pack.set_defaults(run=_pack)

    inspect = commands.add_parser("inspect", help="show what an artifact says about itself")
    inspect.add_argument("artifact", type=Path)
    inspect.add_argument("--json", action="store_true", help="the manifest as JSON")
    inspect.set_defaults(run=_inspect)

    verify = commands.add_parser("verify", help="checksum, identity and golden rows, exactly as the server does")
    verify.add_argument("artifact", type=Path)
    verify.add_argument("--sha256", default="", help="expected checksum")
    verify.add_argument("--name", default="", help="expected name")
    verify.add_argument("--version", default="", help="expected version")
    verify.set_defaults(run=_verify)
    return parser


def _pack(options: argparse.Namespace) -> None:
    if not options.trust_pickle:
        raise _Failure(
            f"{options.pipeline} is a pickle, and loading a pickle runs whatever code is in it. "
            "If you made it yourself, say --trust-pickle."
        )
    try:
        import joblib  # type: ignore[import-untyped]  # noqa: PLC0415 - packing only: inspect and verify work without scikit-learn

        from verdigris_serving.artifact.pack import PackingRefused, pack  # noqa: PLC0415
    except ImportError as error:
        raise _Failure(
            f"packing needs scikit-learn ({error}): install verdigris with its extra, verdigris[pack]"
        ) from error
    names, rows = _read_rows(options.rows)
    try:
        packed = pack(
            joblib.load(options.pipeline),
            options.out,
            name=options.name,
            version=options.version,
            features=_features(names, options.feature),
            rows=rows,
            golden=options.golden,
            threshold=options.threshold,
        )
    except (PackingRefused, OSError) as error:
        raise _Failure(str(error)) from error
    proof = packed.manifest.equivalence
    print(f"{packed.path}  {packed.size} bytes  sha256 {packed.sha256}")
    print(f"the same as the pipeline within {proof.largest_difference:.2g} over {proof.rows} rows")


def _read_rows(path: Path) -> tuple[list[str], list[Row]]:
    try:
        with path.open(newline="") as file:
            lines = list(csv.reader(file))
    except OSError as error:
        raise _Failure(f"{path} cannot be read: {error.strerror}") from error
    if len(lines) < 2:
        raise _Failure(f"{path} needs a header of feature names and at least one row")
    rows: list[Row] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            rows.append([float(text) if text.strip() else None for text in line])
        except ValueError as error:
            raise _Failure(f"{path}, line {number}: {error}") from error
    return lines[0], rows


def _features(names: Sequence[str], notes: Sequence[str]) -> list[Feature]:
    described = {name: Feature(name) for name in names}
    for note in notes:
        name, _, rest = note.partition("=")
        datatype, low, high = [*rest.split(":"), "", ""][:3]
        if name not in described:
            raise _Failure(f"--feature {note}: the rows have no column {name}; they have {', '.join(names)}")
        if (datatype or "FP64") not in get_args(Datatype):
            raise _Failure(f"--feature {note}: {datatype} is none of {', '.join(get_args(Datatype))}")
        try:
            bounds: dict[str, Any] = {key: float(text) for key, text in (("minimum", low), ("maximum", high)) if text}
        except ValueError as error:
            raise _Failure(f"--feature {note}: {error}") from error
        described[name] = msgspec.structs.replace(described[name], datatype=datatype or "FP64", **bounds)
    return [described[name] for name in names]


def _read(path: Path) -> tuple[Contents, str, int]:
    try:
        data = path.read_bytes()
        return read_archive(data), hashlib.sha256(data).hexdigest(), len(data)
    except OSError as error:
        raise _Failure(f"{path} cannot be read: {error.strerror}") from error
    except InvalidArchive as error:
        raise _Failure(f"{path}: {error}") from error


def _inspect(options: argparse.Namespace) -> None:
    contents, sha256, size = _read(options.artifact)
    manifest = contents.manifest
    if options.json:
        print(json.dumps({"sha256": sha256, "size": size, **msgspec.to_builtins(manifest)}, indent=2))
        return
    print(f"{manifest.name} {manifest.version}  format {manifest.format}, {manifest.task}, {size} bytes")
    print(f"sha256       {sha256}")
    if manifest.classes:
        print(f"classes      {', '.join(map(str, manifest.classes))}  (threshold {manifest.threshold})")
    proof = manifest.equivalence
    print(f"equivalence  within {proof.largest_difference:.2g} of the pipeline over {proof.rows} rows")
    print(f"golden rows  {len(contents.golden.rows)}")
    print(f"made with    {', '.join(f'{name} {version}' for name, version in sorted(manifest.libraries.items()))}")
    print("features")
    for feature in manifest.features:
        low = "" if feature.minimum is None else f"  from {feature.minimum:g}"
        high = "" if feature.maximum is None else f"  to {feature.maximum:g}"
        print(f"  {feature.name:24} {feature.datatype}{low}{high}{'  may be missing' if feature.nullable else ''}")


def _verify(options: argparse.Namespace) -> None:
    expected = Expectation(options.sha256.lower(), options.name, options.version)
    model = load_verified(options.artifact, expected, max_bytes=_MAX_BYTES)
    checked = "the checksum holds" if options.sha256 else f"sha256 {model.sha256} (none was given to compare)"
    manifest = model.manifest
    print(f"{manifest.name} {manifest.version}: {checked}, {model.golden_rows} golden rows pass")


if __name__ == "__main__":
    sys.exit(main())
