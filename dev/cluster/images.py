"""Builds the project's own images from its Dockerfiles, when their inputs have changed, and loads them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import rootfs
from dev.cluster.archive import forget_older
from dev.cluster.provider import Provider
from dev.cluster.settings import REPOSITORY, Settings
from dev.cluster.shell import ClusterError, run, run_logged, say, step, succeeds

_MANY_LAYERS = 60
"""A build leaves about ten layers of up to 160 MB for the next one; beyond this many, the old ones are removed."""

_HOST_CERTIFICATES = Path("/etc/ssl/certs")


@dataclass(frozen=True)
class ProjectImage:
    """An image of this project: its full name, the Dockerfile (relative to the context) that makes it, and with what.

    ``arguments`` are build arguments, NAME=VALUE.
    """

    name: str
    dockerfile: str
    context: Path = REPOSITORY
    arguments: tuple[str, ...] = ()


PROJECT_IMAGES = (
    ProjectImage("docker.io/verdigris/operator:0.1.0", "Dockerfile.operator"),
    ProjectImage("docker.io/verdigris/serving:0.1.0", "Dockerfile.serving"),
)
"""What a cluster needs for a model of format ``linear``; every test and the demo make do with these."""

VARIANT_IMAGES = tuple(
    ProjectImage(f"docker.io/verdigris/{variant}:0.1.0", "Dockerfile.serving", arguments=(f"VARIANT={variant}",))
    for variant in ("serving-onnx", "serving-sklearn", "serving-grpc")
)
"""The serving image for the other formats and for gRPC, built on demand: what they need is large."""


def build_and_load(settings: Settings, provider: Provider, images: tuple[ProjectImage, ...] = PROJECT_IMAGES) -> None:
    """Build each image whose inputs have changed and give it to the provider, once for each cluster and version."""
    up = settings.kubeconfig.exists()
    for image in images:
        archive = build(settings, provider, image)
        _say_size(image, archive)
        if not up:
            continue
        loaded = settings.state / "loaded" / _short(image)
        if not loaded.exists() or loaded.read_text() != archive.name:
            with step(f"Loading {image.name}"):
                provider.load(archive)
            loaded.parent.mkdir(parents=True, exist_ok=True)
            loaded.write_text(archive.name)
    if not up:
        say("There is no cluster to give them to: `python -m dev.cluster up`, then this again.")


def build(settings: Settings, provider: Provider, image: ProjectImage) -> Path:
    """The archive of an image, built unless there is one of the very same inputs.

    Raises ClusterError with the build's log when it fails.
    """
    docker = provider.name == "kind"
    archive = settings.image_archives / f"{_short(image)}-{provider.name}-{inputs_hash(image)}.tar"
    if not archive.exists():
        settings.image_archives.mkdir(parents=True, exist_ok=True)
        log = settings.cache / "logs" / f"image-{_short(image)}.log"
        with step(f"Building {image.name} from {image.dockerfile}"):
            unfinished = archive.with_suffix(".unfinished")
            unfinished.unlink(missing_ok=True)
            if docker:
                _build_with_docker(image, unfinished, log)
            else:
                _build_with_buildah(settings, image, unfinished, log)
            unfinished.rename(archive)
        forget_older(archive, f"{_short(image)}-{provider.name}-*.tar")
    return archive


def inputs_hash(image: ProjectImage) -> str:
    """Changes with the base image, the Dockerfile, its arguments, and every file that this copies from the context."""
    dockerfile = image.context / image.dockerfile
    if not dockerfile.exists():
        raise ClusterError(f"There is no {dockerfile}, from which {image.name} is built.")
    digest = hashlib.sha256(rootfs.recipe().encode() + dockerfile.read_bytes())
    digest.update("".join(f"{argument}\0" for argument in image.arguments).encode())
    for path in sorted(set(_copied(dockerfile, image.context))):
        digest.update(f"{path.relative_to(image.context)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def layer_sizes(archive: Path) -> list[int]:
    """The unpacked size in bytes of each layer of an image archive, the base first."""
    with tarfile.open(archive) as tar:
        content = tar.extractfile("manifest.json")
        manifest = json.loads(content.read()) if content else []
        return [_files_size(tar, layer) for layer in manifest[0]["Layers"]]


def _files_size(archive: tarfile.TarFile, layer: str) -> int:
    with tarfile.open(fileobj=archive.extractfile(layer)) as tar:
        return sum(member.size for member in tar if member.isreg())


def _say_size(image: ProjectImage, archive: Path) -> None:
    sizes = layer_sizes(archive)
    total, above = sum(sizes) / 1e6, sum(sizes[1:]) / 1e6
    say(f"{image.name}: {total:.0f} MB unpacked, {above:.0f} MB of it above its first layer.")


def _copied(dockerfile: Path, context: Path) -> Iterator[Path]:
    """The files that COPY and ADD take from the context (byte code aside, as in .dockerignore)."""
    text = dockerfile.read_text().replace("\\\n", " ")
    for line in re.findall(r"^\s*(?:COPY|ADD)\s+(.+)$", text, re.MULTILINE | re.IGNORECASE):
        words = line.split()
        if any(word.startswith("--from") for word in words):
            continue
        for source in [word for word in words if not word.startswith("--")][:-1]:
            for match in context.glob(source.strip("/") if source.strip("./") else "*"):
                found = match.rglob("*") if match.is_dir() else [match]
                yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _build_with_docker(image: ProjectImage, archive: Path, log: Path) -> None:
    command: list[str | Path] = [
        "docker",
        "build",
        "-f",
        image.context / image.dockerfile,
        "-t",
        image.name,
        *_build_arguments(image),
        image.context,
    ]
    run_logged(command, log)
    run(["docker", "save", "-o", archive, image.name])


def _build_with_buildah(settings: Settings, image: ProjectImage, archive: Path, log: Path) -> None:
    buildah = _buildah(settings)
    for name, source in zip((rootfs.BASE, rootfs.BUILD_BASE), rootfs.archives(settings), strict=True):
        marker = settings.cache / "buildah" / f"{source.stem}.pulled"
        if not marker.exists() or not succeeds([*buildah, "inspect", "--type", "image", name]):
            run([*buildah, "pull", f"docker-archive:{source}"])
            marker.touch()
    bases = ["--build-arg", f"BASE={rootfs.BASE}", "--build-arg", f"BUILD_BASE={rootfs.BUILD_BASE}"]
    options = [word for mount in _mounts(settings) for word in ("--volume", mount)]
    # chroot: the other ways to run a RUN step need privileges that a container may lack.
    command: list[str | Path] = [*buildah, "bud", "--isolation", "chroot", "--network", "host", *options]
    command += ["--layers", "--force-rm", "--pull-never", *bases, "-f", image.context / image.dockerfile]
    run_logged([*command, *_build_arguments(image), "-t", image.name, image.context], log)
    run([*buildah, "push", image.name, f"docker-archive:{archive}:{image.name}"])
    if len(run([*buildah, "images", "--all", "--quiet"]).split()) > _MANY_LAYERS:
        with step("Removing the layers of older builds"):
            run([*buildah, "rmi", "--prune", "--force"])


def _build_arguments(image: ProjectImage) -> list[str]:
    return [word for argument in image.arguments for word in ("--build-arg", argument)]


def _mounts(settings: Settings) -> list[str]:
    """What a build sees of this machine: its certificates and pip's settings. Nothing of it gets into the image."""
    config = settings.cache / "buildah" / "pip.conf"
    lines = ["[global]", "disable-pip-version-check = true", "root-user-action = ignore"]
    if (_HOST_CERTIFICATES / "ca-certificates.crt").exists():
        lines.append(f"cert = {_HOST_CERTIFICATES}/ca-certificates.crt")
    if index := os.environ.get("PIP_INDEX_URL"):
        lines.append(f"index-url = {index}")
    config.write_text("\n".join(lines) + "\n")
    return [f"{_HOST_CERTIFICATES}:{_HOST_CERTIFICATES}:ro", f"{config}:/etc/pip.conf:ro"]


def _buildah(settings: Settings) -> list[str | Path]:
    storage = settings.cache / "buildah"
    storage.mkdir(parents=True, exist_ok=True)
    return [
        "buildah",
        "--root",
        storage / "root",
        "--runroot",
        storage / "run",
        "--storage-driver",
        "overlay",
    ]


def _short(image: ProjectImage) -> str:
    return image.name.rsplit("/", 1)[-1].replace(":", "-")
