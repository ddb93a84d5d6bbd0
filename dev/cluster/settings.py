"""Where everything of the local cluster lives, and its addresses. Environment variables are read here only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

KUBERNETES_VERSION = "v1.35.4"
"""What `kubectl version` shows; the code itself is pinned in tools/cluster/go.mod."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One cluster: two of them can run on one machine when each has its own name, state and network namespace."""

    provider: str | None
    """VERDIGRIS_PROVIDER: "local" or "kind"; None chooses by what the machine has."""
    cache: Path
    """VERDIGRIS_CACHE: what is worth keeping between clusters (binaries, base images)."""
    state: Path
    """VERDIGRIS_STATE: all that belongs to the running cluster; `down` removes it."""
    name: str
    """VERDIGRIS_CLUSTER: names the cgroup and the network device, so at most 12 characters."""

    node_ip: str = "10.244.0.1"
    pod_cidr: str = "10.244.0.0/24"
    cluster_cidr: str = "10.244.0.0/16"
    """The pods of all nodes."""
    service_cidr: str = "10.96.0.0/16"
    kubernetes_service_ip: str = "10.96.0.1"
    dns_ip: str = "10.96.0.10"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """Audit events (JSON lines, level Metadata) of every write to the API server."""
        return self.state / "logs" / "audit.log"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.state / "logs"

    @property
    def api_url(self) -> str:
        """The API server, as everybody on this machine reaches it."""
        return f"https://{self.node_ip}:6443"

    @property
    def containerd_socket(self) -> Path:
        """Our own containerd, never the machine's."""
        return self.state / "containerd.sock"

    @property
    def image_archives(self) -> Path:
        """Image archives, ready to be imported."""
        return self.cache / "images"


def from_environment() -> Settings:
    """Read the settings from the environment. Raises ValueError for a name that no network device could bear."""
    home_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "verdigris"
    name = os.environ.get("VERDIGRIS_CLUSTER") or "verdigris"
    if len(name) > 12 or not name.isalnum():
        raise ValueError(f"VERDIGRIS_CLUSTER={name!r} must be 1 to 12 letters and digits: it names a network device.")
    return Settings(
        provider=os.environ.get("VERDIGRIS_PROVIDER") or None,
        cache=Path(os.environ.get("VERDIGRIS_CACHE") or home_cache).absolute(),
        state=Path(os.environ.get("VERDIGRIS_STATE") or "/var/tmp/verdigris").absolute(),
        name=name,
    )
