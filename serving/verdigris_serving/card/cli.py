"""``verdigris-model card``: what a model is, for people and for inventories."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from verdigris_serving.artifact.cli import Commands, Failure, read_artifact
from verdigris_serving.card.bom import bom
from verdigris_serving.card.facts import Decision, Facts, UnusableDocument, Words, read
from verdigris_serving.card.markdown import markdown
from verdigris_serving.gate.result import Result

CARD, BOM = "MODEL_CARD.md", "model.cdx.json"


def add(commands: Commands) -> None:
    """Add the command."""
    card = commands.add_parser("card", help=f"write {CARD} and {BOM}, an entry of an inventory (CycloneDX)")
    card.add_argument("artifact", type=Path)
    card.add_argument(
        "--with", dest="documents", action="append", default=[], type=Path, metavar="FILE",
        help="what else is known: a gate's result, or the ModelDeployment by kubectl get -o json; may be repeated",
    )  # fmt: skip
    card.add_argument("--use", default="", help="what the model is for")
    card.add_argument("--not-for", default="", help="what it must not be used for")
    card.add_argument("--license", default="", help="such as apache-2.0")
    card.add_argument("--contact", default="", help="who answers questions")
    card.add_argument("--out", type=Path, default=Path("."), help="folder of the two files (default: this one)")
    card.add_argument("--force", action="store_true", help="write over files that say something else")
    card.set_defaults(run=_card)


def _card(options: argparse.Namespace) -> None:
    contents, sha256, size = read_artifact(options.artifact)
    try:
        known = list(read([(str(path), _bytes(path)) for path in options.documents], contents.manifest, sha256))
    except UnusableDocument as error:
        raise Failure(str(error)) from None
    facts = Facts(
        contents,
        sha256,
        size,
        tuple(one for one in known if isinstance(one, Result)),
        tuple(one for one in known if isinstance(one, Decision)),
        Words(options.license, options.contact, options.use, options.not_for),
    )
    _write(options.out, {CARD: markdown(facts), BOM: json.dumps(bom(facts), indent=2) + "\n"}, force=options.force)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error


def _write(folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    """All or none: a card that somebody has written on is not written over."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {name: (folder / name).read_text() for name in files if (folder / name).exists()}
        other = sorted(name for name, text in there.items() if text != files[name])
        if other and not force:
            raise Failure(f"{folder / other[0]} says something else: give --force to write over it, or another --out")
        for name, text in files.items():
            (folder / name).write_text(text)
            print(f"{folder / name}  sha256 {hashlib.sha256(text.encode()).hexdigest()}")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"the card cannot be written to {folder}: {error}") from error
