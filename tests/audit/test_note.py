"""Keys, signed notes and checkpoints, as others spell them."""

from __future__ import annotations

import pytest

from tests.audit.logs import SIGNER, checkpoints, lines
from verdigris.audit.checkpoint import Checkpoint, notes
from verdigris.audit.merkle import leaf_hash, root
from verdigris.audit.note import NoteError, Signer, Verifier, opened

# The example in the documentation of Go's golang.org/x/mod/sumdb/note.
GO_KEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
GO_NOTE = f"{GO_TEXT}\n— PeterNeumann {GO_SIGNATURE}\n"


def test_keys_and_signatures_are_those_of_go() -> None:
    signer = Signer.parse(GO_KEY)
    assert str(signer.verifier) == GO_VERIFIER
    assert str(signer) == GO_KEY
    assert signer.sign(GO_TEXT) == GO_NOTE
    assert opened(GO_NOTE, Verifier.parse(GO_VERIFIER)) == GO_TEXT


def test_a_note_of_another_text_is_refused() -> None:
    with pytest.raises(NoteError, match="does not belong to this text"):
        opened(GO_NOTE.replace("the answer", "no answer"), Verifier.parse(GO_VERIFIER))


def test_a_note_of_somebody_else_is_refused() -> None:
    with pytest.raises(NoteError, match="has not signed it"):
        opened(GO_NOTE, SIGNER.verifier)


def test_other_peoples_signatures_are_passed_over() -> None:
    note = GO_NOTE + SIGNER.sign(GO_TEXT).rpartition("\n\n")[2]
    assert opened(note, SIGNER.verifier) == GO_TEXT


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clinic", "this is no key"),
        ("clinic+00000000+AAAA", "no Ed25519 key"),
        (GO_VERIFIER.replace("c74f20a3", "c74f20a4"), "does not have the hash"),
        (GO_VERIFIER.replace("PeterNeumann", "Peter Neumann"), "this is no key"),
    ],
)
def test_a_public_key_that_is_none_is_told(text: str, says: str) -> None:
    with pytest.raises(NoteError, match=says):
        Verifier.parse(text)


@pytest.mark.parametrize("text", [GO_VERIFIER, GO_KEY[:-4], GO_KEY.replace("c74f20a3", "c74f20a4")])
def test_a_private_key_that_is_none_is_told_without_repeating_it(text: str) -> None:
    with pytest.raises(NoteError) as told:
        Signer.parse(text)
    assert text[-20:] not in str(told.value)


def test_a_key_needs_a_name_that_a_note_can_have() -> None:
    with pytest.raises(NoteError, match="cannot name a key"):
        Signer.generate("my clinic")


def test_a_new_key_signs_what_its_public_half_opens() -> None:
    signer = Signer.generate("clinic.example/audit")
    again = Signer.parse(str(signer))
    assert opened(again.sign("text\n"), Verifier.parse(str(signer.verifier))) == "text\n"


def test_a_checkpoint_says_how_many_entries_and_their_root() -> None:
    entries = lines(3)
    (*_, last) = notes(checkpoints(entries))
    found = Checkpoint.open(last, SIGNER.verifier)
    assert found == Checkpoint("clinic.example/audit", 3, root([leaf_hash(line) for line in entries]))


def test_a_checkpoint_of_another_log_is_refused() -> None:
    text = Checkpoint("another.example/log", 3, bytes(32)).text
    with pytest.raises(NoteError, match=r"of the log another\.example/log"):
        Checkpoint.open(SIGNER.sign(text), SIGNER.verifier)


@pytest.mark.parametrize("body", ["x\nAAAA\n", "03\n" + "A" * 43 + "=\n", "3\nAAAA\n", ""])
def test_what_is_signed_but_no_checkpoint_is_refused(body: str) -> None:
    with pytest.raises(NoteError, match="no checkpoint"):
        Checkpoint.open(SIGNER.sign(f"clinic.example/audit\n{body}"), SIGNER.verifier)


def test_notes_of_a_file_come_one_by_one_and_a_torn_one_at_the_end_as_it_is() -> None:
    text = checkpoints(lines(3))
    found = list(notes(text))
    assert len(found) == 3
    assert "".join(found) == text
    assert list(notes(text[:-5]))[:2] == found[:2]
