"""A namespace may give pods a user of its own (OpenShift): no image and no step needs the one of the Dockerfile."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import verdigris_serving
from tests.serving.support import PATIENCE, write_artifact

PYTHON = Path("/usr/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Not ours, which may be in somebody's home: one that everybody may run, as in the image."""
PACKAGES = [str(Path(verdigris_serving.__file__).parents[1]), sysconfig.get_path("purelib")]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a process as somebody else"),
    pytest.mark.skipif(not PYTHON.exists(), reason=f"there is no {PYTHON}, which everybody may run"),
]

NOBODYS = 1_000_650_000
"""A user as OpenShift gives one: no line of /etc/passwd, no home, and group 0."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where that user may write, as in an emptyDir. Not pytest's own folder, which only root may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def as_nobody(module: str, folder: Path, **env: str) -> subprocess.Popen[str]:
    """``python -m module`` as that user, with no more of an environment than in the image."""
    (folder / "termination").touch()
    (folder / "termination").chmod(0o666)
    paths = {"PYTHONPATH": os.pathsep.join(PACKAGES), "PYTHONDONTWRITEBYTECODE": "1"}
    told = {**paths, "VERDIGRIS_TERMINATION_LOG": str(folder / "termination"), **env}
    return subprocess.Popen(
        [PYTHON, "-m", module],
        env=told,
        cwd="/",
        user=NOBODYS,
        group=0,
        extra_groups=[],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_artifact_is_fetched_and_served_by_a_user_that_nobody_knows(folder: Path) -> None:
    sha256 = write_artifact(folder / "source.vmodel")
    (folder / "source.vmodel").chmod(0o644)
    model = {
        "VERDIGRIS_MODEL_URI": f"file://{folder}/source.vmodel",
        "VERDIGRIS_MODEL_PATH": str(folder / "model.vmodel"),
        "VERDIGRIS_MODEL_SHA256": sha256,
    }

    fetch = as_nobody("verdigris_serving.fetch", folder, **model)
    _, said = fetch.communicate(timeout=PATIENCE)
    assert fetch.returncode == 0, said
    assert (folder / "model.vmodel").stat().st_uid == NOBODYS

    traffic = str(folder / "traffic")
    server = as_nobody("verdigris_serving.server", folder, **model, VERDIGRIS_PORT="0", VERDIGRIS_TRAFFIC_FILE=traffic)
    try:
        assert server.stderr is not None
        assert next((line for line in server.stderr if '"ready: ' in line), None), "it ended before it was ready"
    finally:
        server.kill()
        server.communicate()
