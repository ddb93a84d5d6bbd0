"""Files that are made from the code: written, or checked that they are still what it says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Made = Mapping[Path, str]
"""The files, and the text that each is to have."""


def stale(made: Made) -> list[Path]:
    """Those that are missing or have another text."""
    return [path for path, text in made.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def main(
    module: str, about: str | None, says: str, make: Callable[[Path | None], Made], arguments: Sequence[str] | None
) -> int:
    """The command line of `module`: 0 when its files are written or up to date, 1 and a sentence when they are not.

    `make` gives the files where they belong, or in another place; `says` ends the sentence "not what …".
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the files")
    action.add_argument("--check", action="store_true", help=f"fail when a file is not what {says}")
    parser.add_argument("--at", type=Path, help="another place for them than the repository's own")
    options = parser.parse_args(arguments)
    made = make(options.at)
    if options.write:
        for path, text in made.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return 0
    old = ", ".join(str(path) for path in stale(made))
    if old:
        print(f"{old}: not what {says}. Run `python -m {module} --write`.", file=sys.stderr)
    return 1 if old else 0
