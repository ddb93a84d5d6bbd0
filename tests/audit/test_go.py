"""Go's own packages for transparency logs accept what is written: signatures, roots, consistency and proofs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dev.cluster.patience import stretched
from dev.cluster.settings import from_environment
from dev.cluster.toolchain import Toolchain
from tests.audit.logs import SIGNER
from tests.audit.test_log import written
from verdigris.adapters.audit.folder import CHECKPOINTS, segments
from verdigris.auditor.main import main


@pytest.fixture(scope="module")
def witness() -> Path:
    return Toolchain(from_environment()).path("audit-witness")


def asked(witness: Path, key: Path, checkpoints: Path, entries: Path, proof: Path) -> subprocess.CompletedProcess[str]:
    words = [str(path) for path in (witness, key, checkpoints, entries, proof)]
    return subprocess.run(words, capture_output=True, text=True, timeout=stretched(60), check=False)


def test_go_accepts_the_log_each_checkpoint_and_the_proof(
    tmp_path: Path, witness: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tmp_path / "log", 23, segment=7)
    key, entries, proof = tmp_path / "audit.pub", tmp_path / "entries", tmp_path / "proof"
    key.write_text(f"{SIGNER.verifier}\n")
    entries.write_bytes(b"".join(path.read_bytes() for path in segments(folder)))
    assert main(["prove", str(folder), "--key", str(key), "--entry", "11"]) == 0
    proof.write_text(capsys.readouterr().out)
    said = asked(witness, key, folder / CHECKPOINTS, entries, proof)
    assert (said.stdout, said.stderr) == ("23 entries, 23 checkpoints, entry 11 proven\n", "")
    # And it would have noticed: one byte of the entry that is proven.
    entries.write_bytes(entries.read_bytes().replace(b"uid/decision/11", b"uid/decision/12", 1))
    said = asked(witness, key, folder / CHECKPOINTS, entries, proof)
    assert (said.returncode, said.stderr) == (1, "the checkpoint over 12 has another root\n")
