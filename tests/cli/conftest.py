"""The stage of every test of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.stage import Stage


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stage:
    """An empty cluster."""
    return Stage(tmp_path, monkeypatch, capsys)
