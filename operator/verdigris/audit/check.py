"""What is wrong with a log, if anything: the first entry that is not what was signed, and in what way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from verdigris.audit.checkpoint import Checkpoint, notes
from verdigris.audit.event import read_line, sequence_of
from verdigris.audit.merkle import Frontier, leaf_hash
from verdigris.audit.note import NoteError, Verifier


@dataclass(frozen=True)
class Finding:
    """What is wrong, in a sentence. `entry` is the number of the first entry that it is about, if it is about one."""

    message: str
    entry: int | None = None


@dataclass(frozen=True)
class Sound:
    """A log that is as it was signed."""

    size: int
    root: bytes


def lines_of(text: bytes) -> list[bytes]:
    """The entries of a segment, without their newlines. What follows the last newline comes as an entry, too."""
    lines = text.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def check(lines: Sequence[bytes], signed: str, verifier: Verifier, witnesses: Iterable[str] = ()) -> Sound | Finding:
    """Hold the entries of a log against its checkpoints, and against those that somebody has kept elsewhere.

    `signed` is the log's file of checkpoints, each of `witnesses` a text with some from elsewhere.
    """
    checkpoints = _opened(signed, verifier, "the log's own checkpoints")
    if isinstance(checkpoints, Finding):
        return checkpoints
    roots = list(_roots(lines))
    findings = [next(_shapes(lines), None), _unlike_signed(checkpoints, roots)]
    wrong = [finding for finding in findings if finding is not None]
    if wrong:
        # Of the same entry the first one says more.
        return min(wrong, key=lambda finding: finding.entry or 0)
    for text in witnesses:
        kept = _opened(text, verifier, "the checkpoints that were kept elsewhere")
        found = kept if isinstance(kept, Finding) else _forked(kept, roots) if kept else _NOTHING_KEPT
        if found is not None:
            return found
    return Sound(len(lines), roots[-1])


_NOTHING_KEPT = Finding(
    "There is no checkpoint in what was kept elsewhere, so it shows nothing about this log: give a file with "
    "checkpoints of it, such as a copy of its own."
)


def _unlike_signed(checkpoints: Sequence[Checkpoint], roots: Sequence[bytes]) -> Finding | None:
    length, before = len(roots) - 1, 0
    for checkpoint in checkpoints:
        if checkpoint.size > length:
            return _cut_off(length, checkpoints[-1].size)
        if roots[checkpoint.size] != checkpoint.root:
            return _changed(before, checkpoint.size)
        before = checkpoint.size
    if before == length:
        return None
    return Finding(
        f"Entry {before} is signed by no checkpoint: the copy was made in the middle of a write (copy it again), or "
        "somebody else has written it.",
        before,
    )


def _opened(text: str, verifier: Verifier, whose: str) -> list[Checkpoint] | Finding:
    found: list[Checkpoint] = []
    for number, note in enumerate(notes(text)):
        try:
            found.append(Checkpoint.open(note, verifier))
        except NoteError as error:
            after = f", which comes after the one over {found[-1].size} entries" if found else ""
            return Finding(f"Of {whose} number {number}{after}, cannot be believed: {error}.")
    for older, newer in pairwise(found):
        if newer.size < older.size:
            return Finding(
                f"Of {whose} one over {newer.size} entries comes after one over {older.size}: they were moved."
            )
    return found


def _roots(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The root of each beginning of the log, of the empty one first."""
    frontier = Frontier()
    yield frontier.root
    for line in lines:
        frontier.add(leaf_hash(line))
        yield frontier.root


def _shapes(lines: Sequence[bytes]) -> Iterator[Finding]:
    """What the entries say about themselves: each is canonical JSON and has the number of its place."""
    events = [read_line(line) for line in lines]
    numbers = [sequence_of(event) if event is not None else None for event in events]
    places = {number: at for at, number in enumerate(numbers) if number is not None}
    for at, number in enumerate(numbers):
        if events[at] is None:
            yield Finding(f"Entry {at} is changed: it is not the canonical JSON that was written.", at)
        elif number is None:
            yield Finding(f"Entry {at} is changed: it has no number any more.", at)
        elif number != at:
            yield _out_of_place(at, number, places)


def _out_of_place(at: int, number: int, places: dict[int, int]) -> Finding:
    if at in places:
        return Finding(f"Entry {at} is moved: it stands at place {places[at]}, and in its place stands {number}.", at)
    if number > at:
        return Finding(
            f"Entry {at} is removed: after entry {at - 1} comes entry {number}."
            if at
            else f"Entry 0 is removed: the log begins with entry {number}.",
            at,
        )
    return Finding(f"Entry {at} is changed: in its place stands one that says it is entry {number}.", at)


def _cut_off(length: int, size: int) -> Finding:
    return Finding(
        f"The log is cut off: entry {length} and all after it are missing, of {size} that a checkpoint has signed.",
        length,
    )


def _changed(before: int, size: int) -> Finding:
    if size - before == 1:
        return Finding(
            f"Entry {before} is changed: it is not the one that the checkpoint over {size} has signed.", before
        )
    return Finding(
        f"One of the entries {before} to {size - 1} is changed: they are not those that the checkpoint over {size} "
        "has signed.",
        before,
    )


def _forked(kept: Sequence[Checkpoint], roots: Sequence[bytes]) -> Finding | None:
    before = 0
    for checkpoint in sorted(kept, key=lambda one: one.size):
        if checkpoint.size >= len(roots):
            return _cut_off(len(roots) - 1, checkpoint.size)
        if checkpoint.root != roots[checkpoint.size]:
            same = f"up to entry {before - 1}" if before else "in no entry that is known of"
            return Finding(
                f"There are two logs: what was signed elsewhere over {checkpoint.size} entries is not this one. They "
                f"are the same {same}, and differ in one of the entries {before} to {checkpoint.size - 1}.",
                before,
            )
        before = checkpoint.size
    return None
