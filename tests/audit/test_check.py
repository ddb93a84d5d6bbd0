"""What is wrong with a log is found, and the first entry that it is about is named."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.logs import NOW, SIGNER, checkpoints, entry, lines
from verdigris.audit.check import Finding, Sound, check
from verdigris.audit.event import numbered
from verdigris.audit.merkle import leaf_hash, root
from verdigris.audit.note import Signer

MANY = lines(10_000)
SIGNED = checkpoints(MANY)
WRONG = Signer("clinic.example/audit", bytes(32))
Damage = Callable[[list[bytes]], list[bytes]]


def found(entries: list[bytes], signed: str, *witnesses: str) -> Finding:
    result = check(entries, signed, SIGNER.verifier, witnesses)
    assert isinstance(result, Finding)
    return result


def changed(line: bytes) -> bytes:
    event = json.loads(line)
    event["data"]["customData"]["reason"] = "another"
    return rfc8785.dumps(event)


def test_a_log_as_it_was_signed_is_sound() -> None:
    assert check(MANY, SIGNED, SIGNER.verifier) == Sound(10_000, root([leaf_hash(line) for line in MANY]))


@pytest.mark.parametrize(
    ("damage", "number", "says"),
    [
        (lambda log: [*log[:4711], changed(log[4711]), *log[4712:]], 4711, "Entry 4711 is changed"),
        (lambda log: [*log[:4711], *log[4712:]], 4711, "Entry 4711 is removed: after entry 4710 comes entry 4712"),
        (lambda log: [*log[:70], log[90], *log[71:90], log[70], *log[91:]], 70,
         "Entry 70 is moved: it stands at place 90"),
        (lambda log: log[:9_000], 9_000, "The log is cut off: entry 9000 and all after it are missing, of 10000"),
    ],
)  # fmt: skip
def test_of_ten_thousand_entries_the_wrong_one_is_named(damage: Damage, number: int, says: str) -> None:
    finding = found(damage(MANY), SIGNED)
    assert finding.entry == number
    assert says in finding.message


@pytest.mark.parametrize(
    ("damage", "number", "says"),
    [
        (lambda log: [*log[:7], log[7][:-1] + b" }", *log[8:]], 7, "Entry 7 is changed"),
        (lambda log: log[1:], 0, "Entry 0 is removed: the log begins with entry 1"),
        (lambda log: log[:-1], 19, "cut off: entry 19"),
        (lambda log: [*log, numbered(entry(20).dump(), 20, NOW)[:-1]], 20, "signed by no checkpoint"),
        (lambda log: [*log[:5], log[4], *log[5:]], 5, "Entry 5 is moved"),
    ],
)
def test_damage_at_the_ends_and_in_the_spelling_is_named(damage: Damage, number: int, says: str) -> None:
    finding = found(damage(lines(20)), checkpoints(lines(20)))
    assert finding.entry == number
    assert says in finding.message


def test_the_first_of_two_wrong_entries_is_named_whatever_is_wrong_with_it() -> None:
    log = lines(30)
    signed = checkpoints(log)
    assert found([*log[:5], changed(log[5]), *log[6:20], *log[21:]], signed).entry == 5
    assert found([*log[:5], *log[6:20], changed(log[20]), *log[21:]], signed).entry == 5


def test_an_entry_that_was_renumbered_to_close_the_gap_is_found() -> None:
    log = lines(10)
    closed = [
        numbered({**entry(number).dump()}, place, NOW)[:-1] for place, number in enumerate([0, 1, 2, *range(4, 10)])
    ]
    assert found(closed, checkpoints(log)).entry == 3


def test_with_few_checkpoints_the_entries_between_two_are_named() -> None:
    log = lines(20)
    finding = found([*log[:13], changed(log[13]), *log[14:]], checkpoints(log, every=5))
    assert (finding.entry, "entries 10 to 14" in finding.message) == (10, True)


def test_a_checkpoint_that_another_key_has_signed_is_named() -> None:
    log = lines(6)
    forged = checkpoints(log[:4]) + checkpoints(log, WRONG).partition("\n— ")[0]
    assert "number 4, which comes after the one over 4 entries, cannot be believed" in found(log, forged).message


def test_a_log_that_somebody_has_signed_anew_with_another_key_is_refused() -> None:
    log = [*lines(3), changed(lines(4)[3])]
    assert "has not signed it" in found(log, checkpoints(log, WRONG)).message


def test_checkpoints_that_were_moved_are_found() -> None:
    log = lines(4)
    assert "they were moved" in found(log, checkpoints(log) + checkpoints(log[:2])).message


def test_two_logs_of_the_same_key_are_found_by_a_checkpoint_that_was_kept_elsewhere() -> None:
    log = lines(9)
    other = [*log[:6], changed(log[6]), *log[7:]]
    assert isinstance(check(log, checkpoints(log), SIGNER.verifier, [checkpoints(log[:7])]), Sound)
    finding = found(log, checkpoints(log), checkpoints(other))
    assert (finding.entry, "There are two logs" in finding.message) == (6, True)
    alone = found(log, checkpoints(log), checkpoints(other, every=9))
    assert (alone.entry, "entries 0 to 8" in alone.message) == (0, True)


def test_what_was_kept_elsewhere_and_has_no_checkpoint_is_no_proof() -> None:
    log = lines(3)
    assert "it shows nothing about this log" in found(log, checkpoints(log), checkpoints(log), "").message
    assert "cannot be believed" in found(log, checkpoints(log), "\n").message


def test_a_log_that_was_cut_with_its_checkpoints_is_found_by_one_that_was_kept_elsewhere() -> None:
    log = lines(9)
    assert isinstance(check(log[:5], checkpoints(log[:5]), SIGNER.verifier), Sound)
    assert found(log[:5], checkpoints(log[:5]), checkpoints(log)).entry == 5


@given(st.integers(1, 25), st.data())
def test_no_change_of_any_byte_passes(size: int, data: st.DataObject) -> None:
    log = lines(size)
    at = data.draw(st.integers(0, size - 1))
    byte = data.draw(st.integers(0, len(log[at]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != log[at][byte]))
    wrong = log[at][:byte] + bytes([other]) + log[at][byte + 1 :]
    finding = found([*log[:at], wrong, *log[at + 1 :]], checkpoints(log))
    assert finding.entry == at


@given(st.permutations(range(8)).filter(lambda order: order != list(range(8))))
def test_no_other_order_passes(order: list[int]) -> None:
    log = lines(8)
    first = next(at for at, number in enumerate(order) if at != number)
    assert found([log[number] for number in order], checkpoints(log)).entry == first


@given(st.sets(st.integers(0, 11), min_size=1, max_size=11))
def test_no_removal_passes(gone: set[int]) -> None:
    log = lines(12)
    assert found([line for at, line in enumerate(log) if at not in gone], checkpoints(log)).entry == min(gone)
