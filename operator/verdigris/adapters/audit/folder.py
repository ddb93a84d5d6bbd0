"""What a log's folder holds, and reading a copy of it.

entries-000000000000.jsonl    a segment: one entry a line, named by its first one; all but the last are sealed
checkpoints                   the signed checkpoints, one after each entry
lock                          held by who writes
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from verdigris.audit.check import lines_of

CHECKPOINTS = "checkpoints"
LOCK = "lock"
_SEGMENT = re.compile(r"entries-(\d{12})\.jsonl")


class FolderError(Exception):
    """A folder that cannot be read, or not be written on. Its text says what is wrong and what to do."""


@dataclass(frozen=True)
class Copy:
    """The bytes of a log: its entries without their newlines, and its checkpoints as they are."""

    lines: list[bytes]
    checkpoints: str


def segment_name(first: int) -> str:
    """The file of the segment that begins with this entry."""
    return f"entries-{first:012d}.jsonl"


def first_of(segment: Path) -> int:
    """The number of a segment's first entry, by its name."""
    found = _SEGMENT.fullmatch(segment.name)
    if found is None:
        raise ValueError(f"{segment.name} is no segment")
    return int(found[1])


def segments(folder: Path) -> list[Path]:
    """The segments in their order. Raises OSError."""
    return sorted(path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name))


def read(folder: Path) -> Copy:
    """All of a log, or of a copy. Raises FolderError."""
    try:
        lines = [line for path in segments(folder) for line in lines_of(path.read_bytes())]
        signed = (folder / CHECKPOINTS).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise FolderError(f"There is no folder {folder}: give the one that the log was copied to.") from error
        raise FolderError(f"{folder} is no copy of an audit log: it has no {Path(error.filename).name}.") from error
    except OSError as error:
        raise FolderError(f"{folder} cannot be read: {error}.") from error
    return Copy(lines, signed)
