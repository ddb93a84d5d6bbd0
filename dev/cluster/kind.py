"""The provider for machines with Docker: a cluster made by `kind`, with the same monitoring as the local one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import addons
from dev.cluster.provider import Kubectl, fingerprint
from dev.cluster.settings import KUBERNETES_VERSION, Settings
from dev.cluster.shell import run, say, step, succeeds
from dev.cluster.toolchain import Toolchain

_NODE_IMAGE = f"kindest/node:{KUBERNETES_VERSION}"
_TOOLS = ("kubectl", addons.METRICS, *addons.MONITORING, "helm")


@dataclass(frozen=True)
class Kind:
    """See dev.cluster.provider.Provider for what the methods promise."""

    settings: Settings
    toolchain: Toolchain
    name: str = "kind"

    def up(self) -> None:
        """Create the cluster unless kind knows it, then bring the monitoring up."""
        stamp = self.settings.state / "fingerprint"
        known = self.settings.name in run(["kind", "get", "clusters"]).split()
        if known and stamp.exists() and stamp.read_text() == fingerprint(self.toolchain):
            return
        self.settings.state.mkdir(parents=True, exist_ok=True)
        self.toolchain.build_in_background(_TOOLS)
        if not known:
            self._create()
        kubectl = Kubectl(self.settings, self.toolchain)
        for tool in (addons.METRICS, *addons.MONITORING):
            self.load(addons.image_archive(self.settings, self.toolchain, tool))
        addons.install_metrics(kubectl)
        addons.install_monitoring(kubectl, self.toolchain)
        addons.wait_until_ready(kubectl)
        self.toolchain.finish()
        self._route_to_pods()
        stamp.write_text(fingerprint(self.toolchain))

    def down(self) -> None:
        """Delete the kind cluster and the state directory."""
        run(["kind", "delete", "cluster", "--name", self.settings.name])
        shutil.rmtree(self.settings.state, ignore_errors=True)

    def status(self) -> Sequence[tuple[str, bool]]:
        """Whether kind knows the cluster and its API server answers."""
        known = self.settings.name in run(["kind", "get", "clusters"]).split()
        kubectl: list[str | Path] = [self.toolchain.cached("kubectl"), "--kubeconfig", self.settings.kubeconfig]
        answers = known and succeeds([*kubectl, "get", "--raw", "/readyz"])
        return [(f"kind cluster {self.settings.name}", known), ("API server", answers)]

    def load(self, archive: Path) -> None:
        """Give an image archive to kind's node."""
        run(["kind", "load", "image-archive", archive, "--name", self.settings.name])

    def _create(self) -> None:
        with step(f"Creating a kind cluster ({_NODE_IMAGE})"):
            command: list[str | Path] = ["kind", "create", "cluster", "--name", self.settings.name]
            command += ["--kubeconfig", self.settings.kubeconfig, "--image", _NODE_IMAGE, "--wait", "120s"]
            run(command, timeout=900)

    def _route_to_pods(self) -> None:
        """Let this machine reach pods and Services by their addresses, as with the local provider (Linux, root)."""
        node = f"{self.settings.name}-control-plane"
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = run(["docker", "inspect", "-f", form, node]).strip()
        for network in ("10.244.0.0/16", "10.96.0.0/16"):
            if not succeeds(["ip", "route", "replace", network, "via", address]):
                say(f"No route to {network} (that needs root on Linux): tests that call pods directly will fail.")
