"""What each command does: it reads a copy, and prints. Raises `Wrong`, FolderError or NoteError for what is wrong."""

from __future__ import annotations

import argparse
import base64
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from verdigris.adapters.audit.folder import Copy, FolderError, read
from verdigris.audit.check import Finding, Sound, check
from verdigris.audit.checkpoint import notes
from verdigris.audit.event import KINDS, read_line
from verdigris.audit.merkle import Tree, leaf_hash
from verdigris.audit.note import NoteError, Signer, Verifier
from verdigris.auditor.report import page, story


class Wrong(Exception):
    """The log is not what it should be, or has not what was asked for. Its text is a sentence."""


def verify(options: argparse.Namespace) -> None:
    """Say that the log is sound. Raises Wrong with the first entry that is not."""
    witnesses = [_text(path) for path in options.against]
    _, sound = _verified(options, witnesses)
    root = base64.b64encode(sound.root).decode()
    print(f"{sound.size} entries, each as it was signed by {_verifier(options).name}. Root: {root}")
    if witnesses:
        print("It begins with every log that was signed elsewhere.")


def export(options: argparse.Namespace) -> None:
    """Print the entries of a period, or of one model, as they stand in the log."""
    copy, _ = _verified(options)
    for line, _event in _chosen(copy, options):
        print(line.decode())


def prove(options: argparse.Namespace) -> None:
    """Print the proof of one entry. It is held against the last checkpoint by whoever has the entry."""
    copy, sound = _verified(options)
    if not 0 <= options.entry < sound.size:
        raise Wrong(f"There is no entry {options.entry}: the log has {sound.size}, from 0.")
    path = _paths(copy, [options.entry])[options.entry]
    steps = "".join(f"{step}\n" for step in path)
    print(f"c2sp.org/tlog-proof@v1\nindex {options.entry}\n{steps}\n{_last(copy)}", end="")


def report(options: argparse.Namespace) -> None:
    """Print the report of a period, as one page or as JSON."""
    copy, sound = _verified(options)
    events = (event for line in copy.lines if (event := read_line(line)) is not None)
    own = {KINDS[what].type for what in ("operator", "gap")}
    chosen = (event for event in events if options.model in (None, event["subject"]) or event["type"] in own)
    told = story.of(chosen, options.since, options.until)
    source = page.Source(str(_verifier(options)), sound.size, _last(copy), _paths(copy, told.numbers))
    print((page.as_json if options.output == "json" else page.as_html)(told, source), end="")


def keygen(options: argparse.Namespace) -> None:
    """Write a new key. Raises Wrong when the files are there: a log whose key is lost cannot be gone on with."""
    signer = Signer.generate(options.name)
    private, public = options.out.with_suffix(".key"), options.out.with_suffix(".pub")
    try:
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{signer}\n")
        public.write_text(f"{signer.verifier}\n")
    except FileExistsError:
        raise Wrong(f"{private} is there already: give another --out. Nothing was written.") from None
    except OSError as error:
        raise Wrong(f"The key cannot be written: {error}.") from error
    print(f"{private} signs: put it into a Secret of the operator's namespace, and delete it here.")
    print(f"{public} verifies: give it to whoever checks the log.")


COMMANDS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "verify": verify,
    "export": export,
    "prove": prove,
    "report": report,
    "keygen": keygen,
}


def _last(copy: Copy) -> str:
    """The checkpoint over the whole log. An empty log has none."""
    found = list(notes(copy.checkpoints))
    return found[-1] if found else ""


def _paths(copy: Copy, numbers: Iterable[int]) -> dict[int, list[str]]:
    """The audit path of each of these entries, in base64."""
    tree = Tree([leaf_hash(line) for line in copy.lines])
    return {number: [base64.b64encode(step).decode() for step in tree.inclusion_proof(number)] for number in numbers}


def _verified(options: argparse.Namespace, witnesses: list[str] | None = None) -> tuple[Copy, Sound]:
    copy = read(options.folder)
    result = check(copy.lines, copy.checkpoints, _verifier(options), witnesses or [])
    if isinstance(result, Finding):
        raise Wrong(result.message)
    return copy, result


def _verifier(options: argparse.Namespace) -> Verifier:
    try:
        return Verifier.parse(_text(options.key))
    except NoteError as error:
        raise Wrong(f"{options.key} is no public key of a log: {error}.") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error}.") from error


def _chosen(copy: Copy, options: argparse.Namespace) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for line in copy.lines:
        event = read_line(line)
        if event is None or (options.model and event["subject"] != options.model):
            continue
        at = datetime.fromisoformat(event["time"])
        if (options.since is None or at >= options.since) and (options.until is None or at < options.until):
            yield line, event
