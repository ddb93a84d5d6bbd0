"""`lint -f FILE|DIR|-`: manifests before they are applied; by the CRD's own models, or by the API server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Callable

from verdigris.cli.commands.common import here, kubectl, put, put_document
from verdigris.cli.exits import ERROR, REACHED, CliError
from verdigris.cli.kubectl import Asked, Kubectl
from verdigris.cli.model.faults import Fault
from verdigris.cli.model.published import Lint
from verdigris.cli.refusals import Unreachable
from verdigris.cli.views.lists import faults as shown
from verdigris.cli.words import count

_SUFFIXES = (".yaml", ".yml", ".json")
Judge = Callable[[str, str], "tuple[list[Fault], int]"]
"""File name and text in; the faults, and how many objects of ours it holds."""


def run(options: argparse.Namespace) -> int:
    """0 where nothing is wrong, 1 where something is."""
    judge, how = _judge(options)
    files = [file for given in options.filename for file in _files(given)]
    found: list[Fault] = []
    objects = 0
    for name, text in files:
        faults, number = judge(name, text)
        found += faults
        objects += number
    if options.output:
        put_document(Lint(how, len(files), objects, tuple(found)), options.output)
    else:
        put(shown(found, here()))
        looked_at = f"{count(objects, 'object')} in {count(len(files), 'file')}"
        print(f"{looked_at}, {count(len(found), 'fault')}, checked by {how}.", file=sys.stderr)
    return ERROR if found else REACHED


def _judge(options: argparse.Namespace) -> tuple[Judge, str]:
    try:
        from verdigris.cli import offline  # noqa: PLC0415 - what it needs may not be installed
    except ImportError:
        cluster = kubectl(options)
        return lambda file, text: _by_the_server(cluster, file, text), "the API server (kubectl apply --dry-run=server)"
    return offline.faults, "the models of the CRD (offline)"


def _files(given: str) -> list[tuple[str, str]]:
    """Name and text of each manifest. Raises CliError for what cannot be read."""
    if given == "-":
        return [("stdin", sys.stdin.read())]
    path = Path(given)
    if path.is_dir():
        inside = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
        if not inside:
            raise CliError(f"There is no manifest in {given}: names end with {', '.join(_SUFFIXES)}.")
        return [(str(one), _text(one)) for one in inside]
    return [(given, _text(path))]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _by_the_server(cluster: Kubectl, file: str, text: str) -> tuple[list[Fault], int]:
    """Whatever kubectl refuses is a fault, with kubectl's own words; a server that is away is none of the file's."""
    try:
        named = cluster.text(
            Asked(
                ("apply", "--dry-run=server", "--validate=strict", "-f", "-", "-o", "name"),
                "to check the manifest",
                text,
            )
        )
    except Unreachable:
        raise
    except CliError as error:
        return [Fault(file, "file", "-", str(error))], 0
    return [], sum("verdigris.dev" in line for line in named.splitlines())
