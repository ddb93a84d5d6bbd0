"""verdigris-audit on a copy of a log: what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.audit.logs import SIGNER
from tests.audit.test_log import swap, written
from verdigris.adapters.audit.folder import CHECKPOINTS, segments
from verdigris.auditor.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "audit.pub").write_text(f"{SIGNER.verifier}\n")
    return written(tmp_path / "log", 9)


def run(log: Path, verb: str, *more: str) -> int:
    return main([verb, str(log), "--key", str(log.parent / "audit.pub"), *more])


def test_verify_says_how_many_entries_are_as_they_were_signed(log: Path, capsys: Capture) -> None:
    assert run(log, "verify") == 0
    assert capsys.readouterr().out.startswith("9 entries, each as it was signed by clinic.example/audit. Root: ")


def test_verify_names_the_first_entry_that_is_wrong(log: Path, capsys: Capture) -> None:
    swap(segments(log)[1], b"a change", b"a chance")
    assert run(log, "verify") == 1
    assert capsys.readouterr().err.startswith("verdigris-audit: Entry 4 is changed")


def test_what_is_not_as_it_was_signed_is_not_exported(log: Path, capsys: Capture) -> None:
    swap(segments(log)[1], b"a change", b"a chance")
    assert run(log, "export") == 1
    assert capsys.readouterr().out == ""


def test_verify_against_what_was_kept_elsewhere_finds_what_was_cut_off(log: Path, capsys: Capture) -> None:
    kept = log.parent / "kept"
    kept.write_text((log / CHECKPOINTS).read_text())
    assert run(log, "verify", "--against", str(kept)) == 0
    shorter = written(log.parent / "shorter", 6)
    assert run(shorter, "verify") == 0
    assert run(shorter, "verify", "--against", str(kept)) == 1
    assert "The log is cut off: entry 6" in capsys.readouterr().err


def test_export_prints_the_entries_of_a_period_and_a_model(log: Path, capsys: Capture) -> None:
    assert run(log, "export", "--from", "2026-11-28T12:00:03Z", "--to", "2026-11-28T12:00:06Z") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"uid/decision/{number}" for number in (3, 4, 5)]
    assert run(log, "export", "--model", "clinic/another") == 0
    assert capsys.readouterr().out == ""


def test_there_is_no_proof_of_an_entry_that_is_not_there(log: Path, capsys: Capture) -> None:
    assert run(log, "prove", "--entry", "9") == 1
    assert capsys.readouterr().err == "verdigris-audit: There is no entry 9: the log has 9, from 0.\n"


def test_a_time_that_is_none_is_told(log: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        run(log, "export", "--from", "last week")
    assert ended.value.code == 2
    assert "'last week' is no time: write 2026-10-01" in capsys.readouterr().err


def test_a_key_or_a_folder_that_is_none_is_told(log: Path, capsys: Capture) -> None:
    assert main(["verify", str(log), "--key", str(log / "nowhere")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    (log.parent / "audit.key").write_text(f"{SIGNER}\n")
    assert main(["verify", str(log), "--key", str(log.parent / "audit.key")]) == 1
    assert "audit.key is no public key of a log: this is no key: write name+hash+key" in capsys.readouterr().err
    assert run(log, "verify") == 0
    assert main(["verify", str(log.parent), "--key", str(log.parent / "audit.pub")]) == 1
    assert "is no copy of an audit log" in capsys.readouterr().err


def test_keygen_writes_a_pair_once_and_the_private_half_for_oneself(tmp_path: Path, capsys: Capture) -> None:
    words = ["keygen", "clinic.example/verdigris", "--out", str(tmp_path / "audit")]
    assert main(words) == 0
    private = tmp_path / "audit.key"
    assert private.read_text().startswith("PRIVATE+KEY+clinic.example/verdigris+")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert (tmp_path / "audit.pub").read_text().startswith("clinic.example/verdigris+")
    said = capsys.readouterr().out
    assert private.read_text().strip() not in said
    assert main(words) == 1
    assert "is there already" in capsys.readouterr().err


def test_keygen_refuses_a_name_that_no_signature_can_carry(tmp_path: Path, capsys: Capture) -> None:
    assert main(["keygen", "my clinic", "--out", str(tmp_path / "audit")]) == 1
    assert "'my clinic' cannot name a key" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
