"""Appends to a log's folder: entries first, then the checkpoints that sign them, each on the disk before the next.

A crash between any two bytes leaves a log that `Log.open` mends: what was not whole is cut off, what was not signed is
signed. What was signed is never changed, and is held against its checkpoint before anything is written after it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from verdigris.adapters.audit.folder import CHECKPOINTS, LOCK, FolderError, first_of, segment_name, segments
from verdigris.adapters.audit.ids import Ids
from verdigris.audit.check import lines_of
from verdigris.audit.checkpoint import Checkpoint, notes
from verdigris.audit.event import numbered, parse_line, read_line, sequence_of
from verdigris.audit.merkle import EMPTY, Frontier, leaf_hash
from verdigris.audit.note import NoteError, Signer

SEGMENT = 4096
"""Entries of a segment; a full one is sealed (read-only). Some 6 MB."""
_WINDOW = 64 * 1024
"""Bytes of the file of checkpoints that are read first."""


class Log:
    """A log that is open for writing. After an error it is to be closed and opened again."""

    def __init__(self, folder: Path, signer: Signer, now: Callable[[], datetime], segment: int, lock: int) -> None:
        self._folder, self._signer, self._now, self._segment = folder, signer, now, segment
        self._lock = lock
        self._frontier = Frontier()
        self._begin = 0
        self._ids = Ids()
        self._unsigned = ""
        self.mended: list[str] = []
        """What was done about the end of the log as it was opened, each in a sentence."""

    @property
    def size(self) -> int:
        """Entries in the log."""
        return self._frontier.size

    def has(self, identity: str) -> bool:
        """Whether an entry with this id is in the log."""
        return identity in self._ids

    @classmethod
    def open(cls, folder: Path, signer: Signer, now: Callable[[], datetime], segment: int = SEGMENT) -> Self:
        """Take the folder for oneself, and mend what a crash has left.

        Raises FolderError when somebody else writes there, or what is there is not what was signed; and OSError.
        """
        folder.mkdir(parents=True, exist_ok=True)
        log = cls(folder, signer, now, segment, _locked(folder / LOCK))
        try:
            log._load()
        except BaseException:
            log.close()
            raise
        return log

    def close(self) -> None:
        """Leave the folder to others."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def append(self, events: Sequence[Mapping[str, Any]]) -> int:
        """Append those that the log does not have yet, by their ids, in this order; how many. Raises OSError."""
        new: dict[str, Mapping[str, Any]] = {}
        for event in events:
            identity = str(event["id"])
            if identity not in self._ids:
                new.setdefault(identity, event)
        left = list(new.values())
        while left:
            if self.size - self._begin >= self._segment:
                self._begin = self.size
            room = self._segment - (self.size - self._begin)
            self._write(left[:room])
            left = left[room:]
        for identity in new:
            self._ids.add(identity)
        return len(new)

    def _write(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Events that fit into one segment."""
        first = self.size
        at = self._now()
        lines = [numbered(event, first + place, at) for place, event in enumerate(events)]
        segment = self._folder / segment_name(self._begin)
        _append(segment, b"".join(lines))
        for line in lines:
            self._frontier.add(leaf_hash(line[:-1]))
            self._sign_later()
        self._flush()
        if self.size - self._begin == self._segment:
            _seal(segment)

    # signing

    def _sign_later(self) -> None:
        origin = self._signer.verifier.name
        self._unsigned += Checkpoint(origin, self._frontier.size, self._frontier.root).signed(self._signer)

    def _flush(self) -> None:
        _append(self._folder / CHECKPOINTS, self._unsigned.encode())
        self._unsigned = ""

    # opening

    def _load(self) -> None:
        signed = self._last_checkpoint()
        for segment in segments(self._folder):
            if first_of(segment) != self.size:
                raise FolderError(self._damaged(f"entry {self.size} is missing: {segment.name} comes next"))
            self._begin = self.size
            self._load_segment(segment, signed)
        if self.size < signed.size:
            raise FolderError(self._damaged(f"entry {self.size} and all after it are missing, of {signed.size}"))
        if self._unsigned:
            self.mended.append(f"Entries {signed.size} to {self.size - 1} were whole, but not signed yet: signed.")
            self._flush()

    def _load_segment(self, segment: Path, signed: Checkpoint) -> None:
        raw, kept = segment.read_bytes(), 0
        for line in lines_of(raw):
            # How it is spelled is in the root that was signed.
            read = parse_line if self.size < signed.size else read_line
            event = read(line) if kept + len(line) < len(raw) else None
            identity = event.get("id") if event is not None and sequence_of(event) == self.size else None
            if not isinstance(identity, str):
                if self.size < signed.size:
                    raise FolderError(self._damaged(f"entry {self.size} is not what was written"))
                self._cut(segment, kept)
                return
            kept += len(line) + 1
            self._frontier.add(leaf_hash(line))
            self._ids.add(identity)
            if self.size == signed.size and self._frontier.root != signed.root:
                raise FolderError(self._damaged("an entry is not the one that was signed"))
            if self.size > signed.size:
                self._sign_later()

    def _cut(self, segment: Path, kept: int) -> None:
        os.truncate(segment, kept)
        self.mended.append(f"Entry {self.size} was not whole, and signed by nobody: it is cut off.")

    def _last_checkpoint(self) -> Checkpoint:
        path = self._folder / CHECKPOINTS
        size = path.stat().st_size if path.exists() else 0
        found, kept = _last_note(path, size) if size else ("", 0)
        if kept < size:
            os.truncate(path, kept)
            self.mended.append("The last checkpoint was not whole: it is cut off.")
        if not found:
            return Checkpoint(self._signer.verifier.name, 0, EMPTY)
        try:
            return Checkpoint.open(found, self._signer.verifier)
        except NoteError as error:
            raise FolderError(self._damaged(f"the last checkpoint cannot be believed: {error}")) from error

    def _damaged(self, what: str) -> str:
        return (
            f"The audit log in {self._folder} is not what was signed: {what}. Nothing is written after it. Keep the "
            "folder as it is, look at it with verdigris-audit verify, and give the operator an empty one."
        )


def _locked(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise FolderError(f"Somebody else writes to the audit log in {path.parent}: it has one writer.") from None
    except OSError:
        # A file system without locks: the lease alone says who writes.
        return lock
    return lock


def _append(path: Path, data: bytes) -> None:
    new = not path.exists()
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if new:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _seal(segment: Path) -> None:
    # Some volumes know no modes.
    with contextlib.suppress(OSError):
        segment.chmod(0o440)


def _last_note(path: Path, size: int) -> tuple[str, int]:
    """The last note that is whole, or nothing, and how many bytes the file has up to its end.

    Of a file that has hundreds of bytes for each entry there ever was, the end alone is read.
    """
    window = _WINDOW
    while True:
        begin = max(0, size - window)
        with path.open("rb") as file:
            file.seek(begin)
            # So that what is no text has as many bytes as it had.
            found = list(notes(file.read(size - begin).decode(errors="surrogateescape")))
        left_out = 0
        while found and not (found[-1].endswith("\n") and "\n\n— " in found[-1]):
            left_out += len(found.pop().encode(errors="surrogateescape"))
        # The first one is whole only where the file begins.
        if begin == 0 or len(found) > 1:
            return (found[-1] if found else "", size - left_out)
        window *= 2
