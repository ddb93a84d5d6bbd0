"""Write container image archives (the format of `docker save`) without a container engine: a layer is a tar file."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_image(
    archive: Path,
    *,
    name: str,
    files: Mapping[str, Path],
    entrypoint: Sequence[str],
    user: str = "65532:65532",
) -> None:
    """Write an image with one layer that holds `files` (path in the image -> file of this machine, made executable).

    `name` is in full, as `docker.io/verdigris/pause:dev`. Equal input gives an equal archive.
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tmp = tarfile.TarInfo("tmp")
        tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(tmp)
        for path, source in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode, entry.size = 0o755, source.stat().st_size
            with source.open("rb") as content:
                tar.addfile(entry, content)
    write_layer(archive, name=name, layer=layer.getvalue(), entrypoint=entrypoint, user=user)


def write_layer(archive: Path, *, name: str, layer: bytes, entrypoint: Sequence[str] = (), user: str = "") -> None:
    """Write an image whose only layer is the given tar file."""
    digest = hashlib.sha256(layer).hexdigest()
    environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    config = {
        "architecture": _architecture(),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "User": user, "Env": environment, "WorkingDir": "/"},
        # buildah wants one line of history a layer, else it cannot build upon the image.
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "verdigris dev/cluster"}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    config_bytes = json.dumps(config, sort_keys=True).encode()
    config_name = f"{hashlib.sha256(config_bytes).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]
    parts = {
        f"{digest}/layer.tar": layer,
        config_name: config_bytes,
        "manifest.json": json.dumps(manifest).encode(),
    }
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".unfinished")
    with tarfile.open(unfinished, mode="w") as tar:
        for path, content in parts.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    unfinished.rename(archive)


def forget_older(archive: Path, pattern: str) -> None:
    """Remove the archives beside this one that match `pattern`: what an older version left in the cache."""
    for other in archive.parent.glob(pattern):
        if other != archive:
            other.unlink(missing_ok=True)


def _architecture() -> str:
    """This machine's architecture in the words of container images."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
