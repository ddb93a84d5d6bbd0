"""A second cluster beside the tests' own: its own name, state and network namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.settings import REPOSITORY


@dataclass(frozen=True)
class Instance:
    """`state` and the network namespace `name` exist for this instance alone."""

    name: str
    state: Path

    def cluster(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m dev.cluster ...` as a person would, inside the namespace."""
        return self.inside(sys.executable, "-m", "dev.cluster", *arguments)

    def inside(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command inside the namespace."""
        own = {"VERDIGRIS_STATE": str(self.state), "VERDIGRIS_CLUSTER": self.name, "VERDIGRIS_PROVIDER": "local"}
        enter = ["nsenter", f"--net=/run/netns/{self.name}"]
        environment = {**os.environ, **own, "KUBECONFIG": str(self.state / "kubeconfig")}
        return subprocess.run(
            [*enter, *map(str, command)], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
        )

    def traces(self) -> list[str]:
        """Everything on this machine that shows that the instance is, or was, there."""
        state = str(self.state)
        found = [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if state in line]
        found += [f"process {pid}" for pid in self.processes()]
        found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"**/{self.name}*")]
        found += [f"cache {path}" for path in Path("/var/lib/cni/results").glob(f"{self.name}-*")]
        links = self.inside("ip", "-oneline", "link").stdout.splitlines()
        found += [f"device {line}" for line in links if ": lo:" not in line]
        found += [f"route {line}" for line in self.inside("ip", "route").stdout.splitlines()]
        found += [f"nftables {line}" for line in self.inside("nft", "list", "ruleset").stdout.splitlines()]
        return found + ([f"folder {state}"] if self.state.exists() else [])

    def processes(self) -> list[int]:
        """The pids of all processes that name the state directory on their command line: daemons and shims."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and str(self.state).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found
