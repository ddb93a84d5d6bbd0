"""The provider without Docker: Kubernetes as plain processes of this machine, pods in a containerd of its own.

What it makes: the state directory, one network device and one of each pod, one cgroup, three nftables tables.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import addons, cgroups, containerd, control_plane, network, node, packages, pki
from dev.cluster.processes import Daemons
from dev.cluster.provider import Kubectl, fingerprint
from dev.cluster.second_machine import SecondMachine
from dev.cluster.settings import Settings
from dev.cluster.shell import ClusterError, say, step
from dev.cluster.toolchain import Toolchain

_CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_NODE = ("containerd", "kubelet", "kube-proxy")
_PORTS = {"etcd": (2379, 2380), "kubelet": (10248,), "kube-proxy": (10249, 10256), "kube-scheduler": (10259,)}


@dataclass(frozen=True)
class Local:
    """See dev.cluster.provider.Provider for what the methods promise."""

    settings: Settings
    toolchain: Toolchain
    name: str = "local"

    @property
    def daemons(self) -> Daemons:
        """The processes of this cluster."""
        return Daemons(self.settings.state / "pids", self.settings.logs)

    @property
    def second(self) -> SecondMachine:
        """The machine of the second node, whether there is one or not."""
        return SecondMachine(self.settings)

    @property
    def _stamp(self) -> Path:
        return self.settings.state / "fingerprint"

    def up(self) -> None:
        """Bring up what is not up yet; a cluster made from other versions, or a dead one, is made anew."""
        if self._is_up():
            return
        if os.geteuid() != 0:
            raise ClusterError("The local cluster needs root: it makes namespaces, mounts and a network device.")
        self._clear_remains()
        self.toolchain.build_in_background()
        packages.install_missing(self.settings)
        self.settings.state.mkdir(parents=True, exist_ok=True)
        keys = pki.create(self.settings, node.NODE_NAME)
        network.set_up(self.settings)
        cgroups.create(self.settings)
        self._start(keys)
        addons.wait_until_ready(self._kubectl)
        self.toolchain.finish()
        self._stamp.write_text(fingerprint(self.toolchain))

    def down(self) -> None:
        """End the processes, then the pods, then everything else. Raises ClusterError for what would not go."""
        if not self.settings.state.exists():
            say("There is no cluster.")
            return
        with step("Taking the cluster down"):
            # First those that would start pods again.
            self.daemons.stop("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", grace=1)
            self.second.remove()
            containerd.remove_everything(self.settings, self.daemons)
            self.daemons.stop("kube-apiserver", "etcd", grace=0)
            self.daemons.stop(*self.daemons.names())
            network.tear_down(self.settings)
            cgroups.remove(self.settings)
            remains = self.leftovers()
            if remains:
                raise ClusterError(f"Not everything could be removed: {'; '.join(remains)}.")
            shutil.rmtree(self.settings.state)

    def status(self) -> Sequence[tuple[str, bool]]:
        """One line a process, then the API, the node and the addons."""
        lines = [(f"process {name}", bool(self.daemons.running(name))) for name in (*_CONTROL_PLANE, *_NODE)]
        lines += self.second.status()
        keys = pki.Pki(self.settings.state / "pki")
        ready = control_plane.api_ready(self.settings, keys)
        lines.append((f"API server at {self.settings.api_url}", ready))
        return lines + (addons.status(self._kubectl) if ready else [])

    def load(self, archive: Path) -> None:
        """Import the archive into the containerd of every node that is on."""
        containerd.import_image(self.settings, archive)
        self.second.load(archive)

    def leftovers(self) -> list[str]:
        """What is left of a cluster that should be gone, one phrase each."""
        found = [f"process {name} still runs" for name in self.daemons.names() if self.daemons.running(name)]
        found += [f"container shim {pid} still runs" for pid in containerd.shims(self.settings)]
        found += [f"{point} is still mounted" for point in containerd.mounts_below(self.settings.state)]
        found += [f"the cgroup {path} is still there" for path in cgroups.remaining(self.settings)]
        return found + self.second.leftovers() + network.leftovers(self.settings)

    @property
    def _kubectl(self) -> Kubectl:
        return Kubectl(self.settings, self.toolchain)

    def _is_up(self) -> bool:
        if not all(self.daemons.running(name) for name in (*_CONTROL_PLANE, *_NODE)):
            return False
        keys = pki.Pki(self.settings.state / "pki")
        same = self._stamp.exists() and self._stamp.read_text() == fingerprint(self.toolchain)
        return same and control_plane.api_ready(self.settings, keys)

    def _clear_remains(self) -> None:
        """Remove a dead cluster (the machine was restarted) and one that was made from other versions."""
        if not self.settings.state.exists():
            return
        alive = any(self.daemons.running(name) for name in self.daemons.names())
        changed = self._stamp.exists() and self._stamp.read_text() != fingerprint(self.toolchain)
        if changed:
            say("The cluster's programs or manifests have changed since it was made: making it anew.")
        if changed or not alive:
            self.down()

    def _start(self, keys: pki.Pki) -> None:
        settings, daemons, binary = self.settings, self.daemons, self.toolchain.path
        self._check_ports()
        control_plane.start_etcd(settings, daemons, binary)
        containerd.start(settings, daemons)
        control_plane.start_api_server(settings, daemons, binary, keys)
        self._import("pause")
        control_plane.wait_for_api(settings, daemons, keys)
        say(f"The API server answers at {settings.api_url}.")
        control_plane.start_controllers(settings, daemons, binary, keys)
        node.start_kubelet(settings, daemons, binary, keys)
        node.start_kube_proxy(settings, daemons, binary, keys)
        self._import(addons.DNS)
        addons.install_dns(self._kubectl)
        self._import(addons.METRICS)
        addons.install_metrics(self._kubectl)
        addons.wait_for_node(self._kubectl)
        say("The node is Ready.")
        for tool in addons.MONITORING:
            self._import(tool)
        addons.install_monitoring(self._kubectl, self.toolchain)

    def _import(self, tool: str) -> None:
        archive = addons.image_archive(self.settings, self.toolchain, tool)
        if addons.image_name(tool) not in containerd.image_names(self.settings):
            containerd.import_image(self.settings, archive)

    def _check_ports(self) -> None:
        """Fail early, and in words, when other programs have the ports that this cluster needs."""
        for name, ports in _PORTS.items():
            if self.daemons.running(name):
                continue
            for port in ports:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        raise ClusterError(
                            f"Port {port} of 127.0.0.1, which {name} needs, is in use by another program: end it "
                            "(another cluster?), or run this in a network namespace of its own (unshare --net)."
                        )
