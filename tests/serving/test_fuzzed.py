"""Fuzzers that nobody here wrote, against the server and its parser: bounded here, without end by `make fuzz`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.support import server, write_artifact

REPOSITORY = Path(__file__).parents[2]
RUNS = 400_000
"""Inputs for the parser; some 10 s. `make fuzz` goes on for ten minutes."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def test_what_schemathesis_makes_of_the_document_is_answered_as_documented(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model.vmodel", centers=(115.0, 4.0, 35.0))
    with server(tmp_path) as running:
        address = f"http://127.0.0.1:{running.port}/v2/openapi.json"
        options = ("--checks", ",".join(CHECKS), "--seed", "1", "--generation-database", "none", "--no-color")
        done = _run("schemathesis.cli", "run", address, *options)

    assert done.returncode == 0, done.stdout
    assert "12 selected / 12 total" in done.stdout


def test_guided_by_coverage_no_body_gets_another_answer_than_200_or_400(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no build for this system")
    done = _run("tests.serving.fuzz_requests", f"-runs={RUNS}", "-seed=1", f"-artifact_prefix={tmp_path}/")

    assert done.returncode == 0, done.stderr[-4_000:]
    assert f"Done {RUNS} runs" in done.stderr


def _run(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=600)
