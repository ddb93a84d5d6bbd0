"""Checkpoints (C2SP tlog-checkpoint): how many entries the log has and the root over them, signed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from verdigris.audit.note import NoteError, Signer, Verifier, opened


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log: its name, its number of entries, and 32 bytes over all of them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text of the note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed(self, signer: Signer) -> str:
        """The note."""
        return signer.sign(self.text)

    @classmethod
    def open(cls, note: str, verifier: Verifier) -> Checkpoint:
        """From a note that this key has signed. Raises NoteError. Lines after the third are allowed."""
        text = opened(note, verifier)
        origin, size, root, *_ = [*text.split("\n"), "", ""]
        try:
            raw = base64.b64decode(root, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if not size.isascii() or not size.isdigit() or (size != "0" and size.startswith("0")) or len(raw) != 32:
            raise NoteError("it is no checkpoint: a name, a number of entries, and 32 bytes in base64")
        if origin != verifier.name:
            raise NoteError(f"it is of the log {origin}, and not of {verifier.name}")
        return cls(origin, int(size), raw)


def notes(text: str) -> Iterator[str]:
    """The notes of a file of checkpoints, one after the other. What is left at the end, if anything, comes as it is."""
    lines = text.splitlines(keepends=True)
    begun, below = 0, False
    for at, line in enumerate(lines):
        if below and not line.startswith("— "):
            yield "".join(lines[begun:at])
            begun, below = at, False
        below = below or line == "\n"
    if begun < len(lines):
        yield "".join(lines[begun:])
