"""What several tests ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.artifact_host import ArtifactHost, artifact_host
from tests.serving.support import ServerProcess, server, write_artifact


@pytest.fixture
def host() -> Iterator[ArtifactHost]:
    """An HTTP host that behaves as it is told."""
    with artifact_host() as running:
        yield running


@pytest.fixture
def front(tmp_path: Path) -> Iterator[ServerProcess]:
    """The active version, 1.0.0."""
    write_artifact(tmp_path / "model.vmodel")
    with server(tmp_path) as process:
        yield process


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[ServerProcess]:
    """A sound version on trial, 2.0.0."""
    folder = tmp_path / "behind"
    folder.mkdir()
    write_artifact(folder / "model.vmodel", version="2.0.0")
    with server(folder) as process:
        yield process
