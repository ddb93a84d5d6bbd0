"""The base images of a machine without Docker: a small Debian with Python, made by debootstrap.

Everybody else builds on `python:3.11-slim`; the Dockerfiles take either as a build argument.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from dev.cluster.archive import forget_older, write_layer
from dev.cluster.settings import Settings
from dev.cluster.shell import run, run_logged, step

SUITE = "bookworm"
BASE = "docker.io/verdigris/base:dev"
BUILD_BASE = "docker.io/verdigris/base-build:dev"

_PACKAGES = ("ca-certificates", "python3", "python3-venv")

# What a running service never opens. The build image keeps all of it.
_NOT_AT_RUN_TIME = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bash-completion",
    "usr/share/python-wheels",
    "usr/share/perl5",
    "usr/share/pixmaps",
    "usr/lib/apt",
    "usr/lib/python3",
    "usr/lib/python3.11/ensurepip",
    "usr/lib/python3.11/idlelib",
    "usr/lib/python3.11/lib2to3",
    "usr/lib/python3.11/pydoc_data",
    "usr/lib/python3.11/test",
    "usr/lib/python3.11/tkinter",
    "usr/lib/python3.11/turtledemo",
    "usr/lib/*-linux-gnu/gconv",
    "usr/lib/*-linux-gnu/perl-base",
    "usr/lib/*-linux-gnu/systemd",
    "usr/lib/systemd",
    "usr/lib/udev",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/log",
    # Nothing is installed any more, and nothing else needs these libraries.
    "usr/bin/apt*",
    "usr/bin/dpkg*",
    "usr/bin/gpgv",
    "usr/bin/perl*",
    "usr/lib/*-linux-gnu/libapt-*",
    "usr/lib/*-linux-gnu/libgnutls.*",
    "usr/lib/*-linux-gnu/libp11-kit.*",
    "usr/lib/*-linux-gnu/libunistring.*",
)
_NOWHERE = ("var/cache/apt", "var/lib/apt/lists")


def recipe() -> str:
    """Changes with what goes into the base images."""
    return hashlib.sha256(repr((SUITE, _PACKAGES, _NOT_AT_RUN_TIME, _NOWHERE)).encode()).hexdigest()[:12]


def archives(settings: Settings) -> tuple[Path, Path]:
    """The archives of the base image and of the one to build on, made when missing (about 45 s, once)."""
    base = settings.image_archives / f"base-{recipe()}.tar"
    build = settings.image_archives / f"base-build-{recipe()}.tar"
    if not (base.exists() and build.exists()):
        root = settings.cache / "rootfs"
        shutil.rmtree(root, ignore_errors=True)
        with step(f"Making the base image (Debian {SUITE} with Python), once"):
            _debootstrap(settings, root)
            _remove(root, _NOWHERE)
            write_layer(build, name=BUILD_BASE, layer=_tar(root))
            _remove(root, _NOT_AT_RUN_TIME)
            write_layer(base, name=BASE, layer=_tar(root))
        forget_older(base, f"base-{'?' * len(recipe())}.tar")
        forget_older(build, "base-build-*.tar")
        shutil.rmtree(root)
    return base, build


def _debootstrap(settings: Settings, root: Path) -> None:
    include = f"--include={','.join(_PACKAGES)}"
    command: list[str | Path] = ["debootstrap", "--variant=minbase", include, SUITE, root]
    command += _mirror()
    run_logged(command, settings.cache / "logs" / "debootstrap.log")


def _mirror() -> list[str]:
    """The mirror that this machine's apt uses for the suite, else debootstrap's own default."""
    site = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    lines = [line.split() for line in run(site).splitlines()]
    return next(([uri] for codename, uri in lines if codename == SUITE), [])


def _remove(root: Path, paths: tuple[str, ...]) -> None:
    for path in paths:
        for match in sorted(root.glob(path)):
            if match.is_dir() and not match.is_symlink():
                shutil.rmtree(match)
            else:
                match.unlink()


def _tar(root: Path) -> bytes:
    """A tar file of a folder, the same for the same content."""
    options = ["--numeric-owner", "--sort=name", "--mtime=@0", "--exclude=./dev/*", "--exclude=./proc/*"]
    return subprocess.run(["tar", *options, "-C", root, "-c", "."], capture_output=True, check=True).stdout
