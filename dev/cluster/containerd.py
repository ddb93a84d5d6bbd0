"""Our own containerd: its configuration, its images, and the end of everything that it runs."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from dev.cluster import cgroups
from dev.cluster.processes import Daemons
from dev.cluster.settings import Settings
from dev.cluster.shell import run, step, succeeds, wait_for

PAUSE_IMAGE = "docker.io/verdigris/pause:dev"

# restrict_oom_score_adj: without CAP_SYS_RESOURCE runc cannot lower oom_score_adj and no sandbox would start.
# netns_mounts_under_state_dir: else network namespaces appear under /run/netns, among those of other programs.
_CONFIG = """\
version = 2
root = "{state}/containerd/root"
state = "{state}/containerd/run"

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{state}/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{state}/containerd/runc"
"""


def start(settings: Settings, daemons: Daemons) -> None:
    """Start containerd and wait until it answers. Raises ClusterError with its log when it does not."""
    config = settings.state / "containerd.toml"
    config.write_text(_CONFIG.format(state=settings.state, socket=settings.containerd_socket, pause=PAUSE_IMAGE))
    daemons.start("containerd", ["containerd", "--config", config])

    def answers() -> bool:
        daemons.require("containerd")
        return settings.containerd_socket.exists() and succeeds([*_ctr(settings), "version"], timeout=5)

    wait_for("containerd to answer", answers, timeout=30, hint=f"Its log is {settings.logs / 'containerd.log'}.")


def image_names(settings: Settings) -> set[str]:
    """The names of all images that the kubelet can use."""
    return set(run([*_ctr(settings), "images", "list", "-q"]).split())


def import_image(settings: Settings, archive: Path) -> None:
    """Load an image archive (docker or OCI format). The kubelet finds it under the name in the archive."""
    run([*_ctr(settings), "images", "import", archive], timeout=300)


def copy_images(source: Settings, target: Settings) -> None:
    """Give one containerd the images that another one has and that it lacks, or has in another version."""
    present = _image_digests(target)
    missing = [name for name, digest in _image_digests(source).items() if present.get(name) != digest]
    if not missing:
        return
    archive = target.state / "images.tar"
    with step(f"Copying {len(missing)} images"):
        run([*_ctr(source), "images", "export", archive, *missing], timeout=300)
        import_image(target, archive)
        archive.unlink()


def end_abruptly(settings: Settings, daemons: Daemons) -> None:
    """End containerd, its shims and all that ran in pods at once, as when the power fails, and what is lost with it.

    What containerd keeps on its disk (images, the records of containers) stays for its next start.
    """
    daemons.stop("containerd", grace=0)
    for pid in shims(settings):
        _kill(pid)
    cgroups.kill(settings)
    unmount_below(settings.state)
    run_state = settings.state / "containerd" / "run"
    for address in run_state.glob("io.containerd.runtime.v2.task/*/*/address"):
        # Shims keep their sockets outside of our state directory.
        Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)
    for lost in (run_state, settings.state / "containerd" / "runc"):
        shutil.rmtree(lost, ignore_errors=True)
    cgroups.remove(settings)


def remove_everything(settings: Settings, daemons: Daemons) -> None:
    """End every container of this containerd, then containerd itself, then unmount what they left."""
    cgroups.kill(settings)
    if daemons.running("containerd"):
        tasks = run([*_ctr(settings), "tasks", "list", "-q"], timeout=30).split()
        if tasks:
            # Lets each shim end by itself and remove its socket.
            succeeds([*_ctr(settings), "tasks", "delete", "--force", *tasks], timeout=60)
    for pid in shims(settings):
        _kill(pid)
    daemons.stop("containerd")
    unmount_below(settings.state)


def shims(settings: Settings) -> list[int]:
    """The pids of the shim processes that belong to our containerd (they name its socket on their command line)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"containerd-shim" in words[0] and str(settings.containerd_socket).encode() in words:
                found.append(int(entry.name))
    return found


def mounts_below(directory: Path) -> list[str]:
    """Mount points under a directory, the deepest first."""
    points = [line.split()[4].replace("\\040", " ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(f"{directory}/")), key=len, reverse=True)


def unmount_below(directory: Path) -> None:
    """Unmount everything under a directory; what is busy is detached."""
    for point in mounts_below(directory):
        if not succeeds(["umount", point]):
            run(["umount", "--lazy", point])


def _image_digests(settings: Settings) -> dict[str, str]:
    """The digest of each image by its name; the names that the kubelet makes of digests are left out."""
    lines = [line.split() for line in run([*_ctr(settings), "images", "list"]).splitlines()[1:]]
    return {words[0]: words[2] for words in lines if not words[0].startswith("sha256:")}


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _ctr(settings: Settings) -> list[str]:
    return ["ctr", "--address", str(settings.containerd_socket), "--namespace", "k8s.io"]
