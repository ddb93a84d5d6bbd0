"""Fixtures of the tests of alerts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.alerts import promtool as tool
from tests.alerts.promtool import Promtool


@pytest.fixture(scope="session")
def program() -> Path:
    return tool.find()


@pytest.fixture
def promtool(program: Path, tmp_path: Path) -> Promtool:
    return Promtool(program, tmp_path)
