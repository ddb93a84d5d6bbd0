"""What several tests of fetching ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving.artifact_host import ArtifactHost, artifact_host


@pytest.fixture
def host() -> Iterator[ArtifactHost]:
    """An HTTP host that behaves as it is told."""
    with artifact_host() as running:
        yield running
