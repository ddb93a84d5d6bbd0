"""The small interface between the project and whatever runs its Kubernetes cluster."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dev.cluster.patience import patient
from dev.cluster.settings import HERE, Settings
from dev.cluster.shell import ClusterError, run, succeeds
from dev.cluster.toolchain import CLUSTER_TOOLS, Toolchain


class Provider(Protocol):
    """A way to have a cluster. Every method raises ClusterError with what is wrong, where, and what to do."""

    @property
    def name(self) -> str:
        """ "local" or "kind"."""

    def up(self) -> None:
        """Bring the cluster up, with DNS, metrics-server and Prometheus ready; quick when it is up already."""

    def down(self) -> None:
        """Remove the cluster and everything that belongs to it, but not the cache."""

    def status(self) -> Sequence[tuple[str, bool]]:
        """What there is and whether it is well."""

    def load(self, archive: Path) -> None:
        """Give an image archive to the nodes."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the administrator's kubeconfig; a call returns its stdout."""

    settings: Settings
    toolchain: Toolchain

    def __call__(self, *arguments: str | Path, input: str | None = None) -> str:
        """Run kubectl to its end, its `--timeout` stretched to this machine's pace. Raises ClusterError with what it
        said."""
        program = self.toolchain.path("kubectl")
        # Its usual cache is keyed by the server's address, which clusters that come and go share.
        cache = self.settings.state / "kubectl-cache"
        command: list[str | Path] = [
            program,
            "--kubeconfig",
            self.settings.kubeconfig,
            "--cache-dir",
            cache,
            *patient(arguments),
        ]
        return run(command, stdin=input)


def choose(settings: Settings) -> str:
    """ "kind" where a docker engine answers and kind is installed, else "local"; VERDIGRIS_PROVIDER overrides."""
    if settings.provider:
        if settings.provider not in ("kind", "local"):
            raise ClusterError(f"VERDIGRIS_PROVIDER is {settings.provider!r}; it must be `local` or `kind`.")
        return settings.provider
    if shutil.which("kind") and shutil.which("docker") and succeeds(["docker", "info"], timeout=10):
        return "kind"
    return "local"


_SHAPING = ("addons", "containerd", "control_plane", "kind", "network", "node", "pki", "settings")


def fingerprint(toolchain: Toolchain) -> str:
    """Changes with the programs, the manifests and the modules that configure them.

    A cluster of another fingerprint is made anew.
    """
    digest = hashlib.sha256()
    for module in sorted({tool.module for tool in CLUSTER_TOOLS.values()}):
        digest.update(toolchain.directory(module).name.encode())
    sources = [HERE / f"{module}.py" for module in _SHAPING]
    for source in [*sources, *sorted((HERE / "manifests").glob("*.yaml"))]:
        digest.update(source.read_bytes())
    return digest.hexdigest()
