"""The machine of a second node: a kubelet and a containerd of its own, with an address, a pod range and a cgroup.

Nothing here asks the API server; what the cluster sees of the node is in second_node.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dev.cluster import cgroups, containerd, network, node, pki
from dev.cluster.control_plane import Binary
from dev.cluster.processes import Daemons
from dev.cluster.settings import Settings

NODE_NAME = "second"
_DAEMONS = ("containerd", "kubelet")


@dataclass(frozen=True)
class SecondMachine:
    """`cluster` are the settings of the cluster whose second node this is, or may be."""

    cluster: Settings

    @property
    def settings(self) -> Settings:
        """The machine's own paths, names and addresses. Its state is in the cluster's, and goes with it."""
        return replace(
            self.cluster,
            state=self.cluster.state / NODE_NAME,
            # No cluster can have this name: theirs have no hyphen.
            name=f"{self.cluster.name}-{NODE_NAME}",
            node_ip="10.244.1.1",
            pod_cidr="10.244.1.0/24",
        )

    @property
    def daemons(self) -> Daemons:
        """The machine's own processes."""
        return Daemons(self.settings.state / "pids", self.settings.logs)

    @property
    def exists(self) -> bool:
        """Whether the node was brought up and not taken down since; it may be stopped."""
        return self.settings.state.exists()

    def boot(self, binary: Binary, *, labels: Mapping[str, str], more: Mapping[str, Any]) -> bool:
        """Start what does not run; images that node 1 has and this one lacks are copied. Says whether the kubelet was
        started: `labels` and `more` (see node.start_kubelet) count only then.
        """
        machine, daemons = self.settings, self.daemons
        started = not daemons.running("kubelet")
        machine.state.mkdir(parents=True, exist_ok=True)
        network.reconnect(machine)
        network.add_machine(self.cluster, machine)
        cgroups.create(machine)
        containerd.start(machine, daemons)
        containerd.copy_images(self.cluster, machine)
        keys = pki.create_for_machine(self.cluster, machine, NODE_NAME)
        # Its usual address is the loopback's, where node 1 has the port.
        more = {**more, "healthzBindAddress": machine.node_ip}
        node.start_kubelet(machine, daemons, binary, keys, name=NODE_NAME, labels=labels, more=more)
        return started

    def stop_kubelet(self) -> None:
        """End the kubelet alone; its pods go on."""
        self.daemons.stop("kubelet", grace=1)

    def cut_power(self) -> None:
        """End all of its processes and its network at once: clients hear nothing any more, not even a refusal."""
        network.cut_off(self.settings)
        self.daemons.stop("kubelet", grace=0)
        containerd.end_abruptly(self.settings, self.daemons)

    def load(self, archive: Path) -> None:
        """Import an image archive when the machine is on; when it is not, `boot` makes up for it."""
        if self.daemons.running("containerd"):
            containerd.import_image(self.settings, archive)

    def remove(self) -> None:
        """End its processes, then its pods, then remove everything else of it; repeatable."""
        if not self.exists:
            return
        self.daemons.stop("kubelet", grace=1)
        containerd.remove_everything(self.settings, self.daemons)
        network.remove_machine(self.cluster, self.settings)
        cgroups.remove(self.settings)
        if not self.leftovers():
            shutil.rmtree(self.settings.state)

    def status(self) -> list[tuple[str, bool]]:
        """One line a process, when there is such a machine."""
        daemons = self.daemons
        return [
            (f"process {name} of node {NODE_NAME}", bool(daemons.running(name))) for name in _DAEMONS if self.exists
        ]

    def leftovers(self) -> list[str]:
        """What `remove` left, one phrase each."""
        machine, daemons = self.settings, self.daemons
        where = f"of node {NODE_NAME}"
        found = [f"process {name} {where} still runs" for name in daemons.names() if daemons.running(name)]
        found += [f"container shim {pid} {where} still runs" for pid in containerd.shims(machine)]
        found += [f"{point} is still mounted" for point in containerd.mounts_below(machine.state)]
        found += [f"the cgroup {path} is still there" for path in cgroups.remaining(machine)]
        return found + network.machine_leftovers(machine)
