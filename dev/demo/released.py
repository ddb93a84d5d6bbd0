"""The version before this one, as it was released: its chart, and an image built from its own sources."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from dev.cluster.cluster import Cluster
from dev.cluster.images import ProjectImage, build_and_load
from dev.cluster.settings import REPOSITORY
from dev.cluster.shell import ClusterError, exclusive
from dev.demo.install import NAMESPACE, RELEASE

COMMIT = "d23fec4"
"""The last commit of the version that people run."""
IMAGE = "verdigris/released-operator"
_PARTS = ("charts/verdigris", "operator/verdigris", "requirements/operator.txt", "Dockerfile.operator")


def unpack(cluster: Cluster) -> Path:
    """The released sources; taken from the repository's history once. Raises ClusterError when that is cut off."""
    folder = cluster.settings.cache / f"released-{COMMIT}"
    if not folder.exists():
        packed = subprocess.run(
            ["git", "-C", str(REPOSITORY), "archive", COMMIT, *_PARTS], capture_output=True, check=False
        )
        if packed.returncode:
            raise ClusterError(f"commit {COMMIT} cannot be had: {packed.stderr.decode().strip()}. Fetch the history.")
        unfinished = folder.with_suffix(".unfinished")
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
            tar.extractall(unfinished, filter="data")
        unfinished.rename(folder)
    return folder


def load(cluster: Cluster) -> Path:
    """Build the released operator's image, give it to the nodes, and return the path of the released chart."""
    folder = unpack(cluster)
    image = ProjectImage(f"docker.io/{IMAGE}:0.1.0", "Dockerfile.operator", folder)
    with exclusive(cluster.settings.cache / f"{cluster.settings.name}.lock"):
        build_and_load(cluster.settings, cluster.backend, (image,))
    return folder / "charts" / "verdigris"


def install(cluster: Cluster, chart: Path) -> None:
    """Install the released chart over whatever is there, with one replica; waits until that is ready."""
    cluster.helm(
        *("upgrade", "--install", RELEASE, str(chart), "-n", NAMESPACE, "--create-namespace"),
        *("--take-ownership", "--wait", "--timeout", "120s", "--reset-values"),
        *(
            "--set",
            f"image.repository={IMAGE},replicas=1",
            "--set-string",
            rf"podAnnotations.verdigris\.dev/source={COMMIT}",
        ),
    )
