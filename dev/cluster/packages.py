"""The Debian packages that a local cluster needs, installed when something is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

from dev.cluster.settings import Settings
from dev.cluster.shell import ClusterError, environment, run_logged, step, succeeds

# program or file that must be there -> the package that brings it
_NEEDED = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "socat": "socat",
    "ip": "iproute2",
    "openssl": "openssl",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}


def install_missing(settings: Settings) -> None:
    """Install what is missing with apt-get (as root). Raises ClusterError when this is no Debian."""
    packages = sorted({package for needed, package in _NEEDED.items() if not _present(needed)})
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise ClusterError(f"Install these, then try again (there is no apt-get here): {' '.join(packages)}.")
    log = settings.cache / "logs" / "apt.log"
    with step(f"Installing {len(packages)} Debian packages ({' '.join(packages)})"):
        run_logged(["apt-get", "update"], log, env=_ENVIRONMENT)
        install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
        run_logged(install, log.with_name("apt-install.log"), env=_ENVIRONMENT)
        if "containerd" in packages and Path("/run/systemd/system").exists():
            # The package starts a containerd of its own at once; we run ours with its own socket instead.
            succeeds(["systemctl", "disable", "--now", "containerd"])


def _present(needed: str) -> bool:
    if needed.startswith("/"):
        return Path(needed).exists()
    return shutil.which(needed, path=environment()["PATH"]) is not None
