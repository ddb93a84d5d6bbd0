"""Logs for the tests, in memory: entries, and a checkpoint after each of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from verdigris.audit.checkpoint import Checkpoint
from verdigris.audit.event import Entry, numbered
from verdigris.audit.merkle import Frontier, leaf_hash
from verdigris.audit.note import Signer

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SIGNER = Signer("clinic.example/audit", bytes(range(32)))


def entry(number: int, text: str = "a change") -> Entry:
    """An entry unlike any other number's."""
    at = NOW + timedelta(seconds=number)
    return Entry(f"uid/decision/{number}", "decision", "/models/diabetes", "clinic/diabetes", at, {"reason": text})


def lines(count: int) -> list[bytes]:
    """So many entries as they stand in a log, without their newlines."""
    return [numbered(entry(number).dump(), number, NOW).rstrip(b"\n") for number in range(count)]


def checkpoints(entries: Sequence[bytes], signer: Signer = SIGNER, every: int = 1) -> str:
    """The signed checkpoints after each `every` entries, and after the last one."""
    frontier, notes = Frontier(), []
    for line in entries:
        frontier.add(leaf_hash(line))
        if frontier.size % every == 0 or frontier.size == len(entries):
            notes.append(Checkpoint(signer.verifier.name, frontier.size, frontier.root).signed(signer))
    return "".join(notes)
