"""verdigris-audit: verify, export, prove and report on a copy of an audit log, and make its key. Needs no cluster."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from verdigris import __version__
from verdigris.adapters.audit.folder import FolderError
from verdigris.audit.note import NoteError
from verdigris.auditor import commands

OK, WRONG, USAGE = 0, 1, 2
_EXITS = "Exit codes: 0 as it should be; 1 something is wrong, and a sentence on stderr says what; 2 usage."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)
    try:
        commands.COMMANDS[options.verb](options)
    except (FolderError, NoteError, commands.Wrong) as error:
        print(f"verdigris-audit: {error}", file=sys.stderr)
        return WRONG
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG
    return OK


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("verdigris-audit", description=__doc__, epilog=_EXITS)
    made.add_argument("--version", action="version", version=__version__)
    verbs = made.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    verify = _on_copy(verbs, "verify", "Say whether the log is as it was signed, or name the first entry that is not.")
    verify.add_argument(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="checkpoints that were kept elsewhere: what was cut off, or written twice, is found by them alone",
    )

    export = _on_copy(verbs, "export", "Print entries as JSON lines, once the log is verified.")
    _period(export)
    export.add_argument("--model", metavar="NAMESPACE/NAME", help="entries about this model only")

    prove = _on_copy(verbs, "prove", "Print the proof that one entry is in the log (C2SP tlog-proof).")
    prove.add_argument("--entry", type=int, required=True, metavar="N", help="its number, from 0")

    report = _on_copy(verbs, "report", "Write what served, on whose approval and by which evidence.")
    _period(report)
    report.add_argument("--model", metavar="NAMESPACE/NAME", help="this model only")
    report.add_argument("-o", "--output", choices=("html", "json"), default="html")

    keygen = verbs.add_parser("keygen", help="Make a key: NAME.key for the operator, NAME.pub for who verifies.")
    keygen.add_argument("name", help="name of the log, in one word, for example clinic.example/verdigris")
    keygen.add_argument("--out", type=Path, default=Path("audit"), metavar="PREFIX", help="default: audit")
    return made


def _on_copy(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, words: str
) -> argparse.ArgumentParser:
    made = verbs.add_parser(name, help=words, description=words)
    made.add_argument("folder", type=Path, help="the log's folder, or a copy of it")
    made.add_argument("--key", type=Path, required=True, metavar="FILE", help="its public key, audit.pub")
    return made


def _period(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="since", type=_time, metavar="TIME", help="from this time, as 2026-10-01")
    parser.add_argument("--to", dest="until", type=_time, metavar="TIME", help="before this time, as 2027-01-01")


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no time: write 2026-10-01 or 2026-10-01T09:00:00Z") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
