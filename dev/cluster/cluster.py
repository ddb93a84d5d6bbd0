"""The cluster as tests and the demo see it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import images
from dev.cluster.kind import Kind
from dev.cluster.local import Local
from dev.cluster.patience import patient
from dev.cluster.provider import Kubectl, Provider, choose
from dev.cluster.settings import Settings, from_environment
from dev.cluster.shell import exclusive, run, say
from dev.cluster.toolchain import Toolchain


@dataclass(frozen=True)
class Cluster:
    """A cluster, up or not. Every method raises ClusterError with what is wrong, where, and what to do."""

    settings: Settings
    toolchain: Toolchain
    backend: Provider

    @property
    def provider(self) -> str:
        """ "local" or "kind"."""
        return self.backend.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.settings.kubeconfig

    @property
    def audit_log(self) -> Path | None:
        """Audit events of every write (JSON lines, level Metadata); None with kind, which keeps them inside."""
        return self.settings.audit_log if self.provider == "local" else None

    @property
    def bin(self) -> Path:
        """The folder with kubectl and helm."""
        return self.toolchain.path("kubectl").parent

    def tool(self, name: str) -> Path:
        """The path of one of our programs (kwok and kubeconform are built when first asked for)."""
        return self.toolchain.path(name)

    def kubectl(self, *arguments: str | Path, input: str | None = None) -> str:
        """Run kubectl as the administrator; returns its stdout."""
        return Kubectl(self.settings, self.toolchain)(*arguments, input=input)

    def helm(self, *arguments: str | Path) -> str:
        """Run helm as the administrator, its `--timeout` stretched to this machine's pace; returns its stdout."""
        return run([self.tool("helm"), "--kubeconfig", self.kubeconfig, *patient(arguments)])

    def up(self) -> None:
        """Bring the cluster up; quick when it is."""
        with self.alone():
            say(f"Provider: {self.provider}.")
            self.backend.up()
            say(f"The cluster is up. KUBECONFIG={self.kubeconfig}")

    def down(self) -> None:
        """Take the cluster down."""
        with self.alone():
            self.backend.down()

    def load_images(self, *, variants: bool = False) -> None:
        """Build the project's images where their sources have changed, and give them to the nodes.

        With ``variants`` also the serving images for the formats onnx and sklearn.
        """
        wanted = images.PROJECT_IMAGES + (images.VARIANT_IMAGES if variants else ())
        with self.alone():
            images.build_and_load(self.settings, self.backend, wanted)

    def alone(self) -> AbstractContextManager[None]:
        """One command changes the cluster at a time."""
        return exclusive(self.settings.cache / f"{self.settings.name}.lock")


def find() -> Cluster:
    """The cluster that the environment's settings describe, whether it is up or not."""
    settings = from_environment()
    toolchain = Toolchain(settings)
    provider: Provider
    provider = Kind(settings, toolchain) if choose(settings) == "kind" else Local(settings, toolchain)
    return Cluster(settings, toolchain, provider)


def ensure_up() -> Cluster:
    """Bring the cluster up unless it is, and return it."""
    cluster = find()
    cluster.up()
    return cluster
