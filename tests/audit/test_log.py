"""The files of a log: only appended to, mended after a crash at any byte, and left alone when they are damaged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audit.logs import NOW, SIGNER, entry
from verdigris.adapters.audit.folder import CHECKPOINTS, FolderError, read, segments
from verdigris.adapters.audit.log import Log
from verdigris.audit.check import Sound, check
from verdigris.audit.event import read_line
from verdigris.audit.note import Signer


def opened(folder: Path, segment: int = 4, signer: Signer = SIGNER) -> Log:
    return Log.open(folder, signer, lambda: NOW, segment)


def written(folder: Path, count: int, segment: int = 4) -> Path:
    """A log of so many entries, each appended alone."""
    log = opened(folder, segment)
    for number in range(count):
        log.append([entry(number).dump()])
    log.close()
    return folder


def sound(folder: Path) -> int:
    """Its size, once it is seen to be sound."""
    copy = read(folder)
    result = check(copy.lines, copy.checkpoints, SIGNER.verifier)
    assert isinstance(result, Sound), result
    return result.size


def ids(folder: Path) -> list[str]:
    return [str((read_line(line) or {})["id"]) for line in read(folder).lines]


def test_what_is_appended_is_there_and_signed(tmp_path: Path) -> None:
    log = opened(tmp_path)
    assert log.append([entry(number).dump() for number in range(6)]) == 6
    assert (sound(tmp_path), ids(tmp_path)) == (6, [entry(number).id for number in range(6)])


def test_what_is_there_is_not_appended_again_not_even_by_the_next_process(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([entry(0).dump(), entry(1).dump(), entry(0).dump()])
    assert log.append([entry(1).dump(), entry(2).dump()]) == 1
    log.close()
    assert opened(tmp_path).append([entry(number, "told otherwise").dump() for number in range(4)]) == 1
    assert ids(tmp_path) == [entry(number).id for number in range(4)]


def test_full_segments_are_sealed_and_the_next_begins(tmp_path: Path) -> None:
    log = opened(tmp_path, segment=4)
    log.append([entry(number).dump() for number in range(9)])
    assert [path.name for path in segments(tmp_path)] == [f"entries-{first:012d}.jsonl" for first in (0, 4, 8)]
    assert [path.stat().st_mode & 0o222 for path in segments(tmp_path)][:2] == [0, 0]
    log.close()
    again = opened(tmp_path, segment=2)
    again.append([entry(9).dump(), entry(10).dump()])
    assert [path.name for path in segments(tmp_path)][2:] == [
        "entries-000000000008.jsonl",
        "entries-000000000010.jsonl",
    ]
    assert sound(tmp_path) == 11


@pytest.mark.parametrize(("at_once", "every"), [(1, 1), (3, 37)])
def test_a_crash_at_any_byte_of_a_write_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, every: int
) -> None:
    """Entries, then checkpoints: the file is cut at every byte of what was written last (of several, at some)."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    before = written(tmp_path / "log", 5, segment=100)
    (segment,) = segments(before)
    had = {name: (before / name).stat().st_size for name in (segment.name, CHECKPOINTS)}
    log = opened(before, 100)
    events = [entry(number).dump() for number in range(5, 5 + at_once)]
    log.append(events)
    log.close()
    whole = {name: (before / name).read_bytes() for name in had}
    # While the entries are written there is no new checkpoint; while these are written all entries are there.
    states = [(length, had[CHECKPOINTS]) for length in range(had[segment.name], len(whole[segment.name]))]
    states += [(len(whole[segment.name]), length) for length in range(had[CHECKPOINTS], len(whole[CHECKPOINTS]) + 1)]
    for number, (entries, signed) in [*enumerate(states)][::every]:
        crashed = tmp_path / f"crash-{number}"
        crashed.mkdir()
        (crashed / segment.name).write_bytes(whole[segment.name][:entries])
        (crashed / CHECKPOINTS).write_bytes(whole[CHECKPOINTS][:signed])
        after = opened(crashed, 100)
        assert bool(after.mended) == (number not in (0, len(states) - 1))
        assert sound(crashed) == after.size
        after.append(events)
        after.close()
        assert (sound(crashed), ids(crashed)) == (5 + at_once, [entry(n).id for n in range(5 + at_once)])
        shutil.rmtree(crashed)


@pytest.mark.parametrize(
    "left",
    [b"", b"clinic.example/au", b"\0" * 300_000, "—".encode()[:2]],
    ids=["nothing", "a part", "zeros", "half a character"],
)
def test_of_the_checkpoints_the_last_whole_one_is_found_however_long_the_file_and_what_a_crash_left(
    tmp_path: Path, left: bytes
) -> None:
    """The file grows with each entry: an operator that read all of it would need more memory each year."""
    written(tmp_path, 9)
    path = tmp_path / CHECKPOINTS
    last = path.read_bytes()
    # As many as a log of hundreds of entries has; of those before the last one nothing is read.
    path.write_bytes(b"not looked at\n" * 100_000 + last + left)
    log = opened(tmp_path)
    assert (log.size, len(log.mended)) == (9, bool(left))
    assert path.read_bytes().endswith(last)
    log.append([entry(9).dump()])
    copy = read(tmp_path)
    assert isinstance(check(copy.lines, copy.checkpoints.replace("not looked at\n", ""), SIGNER.verifier), Sound)


def test_a_crash_before_the_first_checkpoint_is_mended(tmp_path: Path) -> None:
    written(tmp_path, 1)
    (tmp_path / CHECKPOINTS).unlink()
    log = opened(tmp_path)
    assert log.mended == ["Entries 0 to 0 were whole, but not signed yet: signed."]
    assert sound(tmp_path) == 1


def swap(path: Path, old: bytes, new: bytes) -> None:
    path.chmod(0o640)
    path.write_bytes(path.read_bytes().replace(old, new, 1))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: swap(segments(folder)[0], b"a change", b"a chance"), "not the one that was signed"),
        (lambda folder: swap(segments(folder)[0], b"{", b"["), "entry 0 is not what was written"),
        (lambda folder: segments(folder)[0].unlink(), "entry 0 is missing"),
        (lambda folder: segments(folder)[-1].unlink(), "entry 4 and all after it are missing, of 6"),
        (lambda folder: swap(segments(folder)[-1], segments(folder)[-1].read_bytes()[-90:], b""), "entry 5 is not"),
    ],
    ids=["changed", "broken", "first segment gone", "last segment gone", "cut"],
)
def test_nothing_is_written_after_what_is_not_as_it_was_signed(tmp_path: Path, damage: object, says: str) -> None:
    written(tmp_path, 6)
    assert callable(damage)
    damage(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FolderError, match=says):
        opened(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_log_of_another_key_is_not_gone_on_with(tmp_path: Path) -> None:
    written(tmp_path, 2)
    with pytest.raises(FolderError, match="cannot be believed"):
        opened(tmp_path, signer=Signer("clinic.example/audit", bytes(32)))


def test_there_is_one_writer(tmp_path: Path) -> None:
    log = opened(tmp_path)
    with pytest.raises(FolderError, match="it has one writer"):
        opened(tmp_path)
    log.close()
    opened(tmp_path).close()


def test_a_folder_without_a_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="it has no checkpoints"):
        read(tmp_path)
    with pytest.raises(FolderError, match="There is no folder"):
        read(tmp_path / "nowhere")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), max_size=4), max_size=6), st.integers(1, 5))
def test_whatever_is_appended_in_whatever_order_each_thing_is_there_once(
    tmp_path: Path, batches: list[list[int]], segment: int
) -> None:
    folder = tmp_path / "log"
    shutil.rmtree(folder, ignore_errors=True)
    for batch in batches:
        log = opened(folder, segment)
        log.append([entry(number).dump() for number in batch])
        log.close()
    first_seen = list(dict.fromkeys(entry(number).id for batch in batches for number in batch))
    if first_seen:
        assert (sound(folder), ids(folder)) == (len(first_seen), first_seen)
