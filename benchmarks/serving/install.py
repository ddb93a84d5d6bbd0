"""What the benchmark needs and a machine may lack: Debian's wrk and nginx, and one environment a server."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from benchmarks.serving.errors import BenchError
from dev.cluster.settings import REPOSITORY, Settings
from dev.cluster.shell import environment, exclusive, run, run_logged, step, succeeds

PEERS = Path(__file__).parent / "peers"
LOCKS = REPOSITORY / "requirements"

_DEBIAN = {"wrk": "wrk", "nginx": "nginx-light", "taskset": "util-linux"}
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def cache(settings: Settings) -> Path:
    """Where environments are kept: VERDIGRIS_BENCH_CACHE, or `bench` in the project's cache."""
    return Path(os.environ.get("VERDIGRIS_BENCH_CACHE") or settings.cache / "bench").absolute()


def program(name: str) -> str:
    """The path of an installed program. Raises BenchError."""
    found = shutil.which(name, path=environment()["PATH"])
    if found is None:
        raise BenchError(f"{name} is not installed: install it, then run this again.")
    return found


def programs(logs: Path) -> None:
    """Install the Debian packages that are missing (as root). Raises BenchError where there is no apt-get."""
    path = environment()["PATH"]
    missing = sorted(package for name, package in _DEBIAN.items() if shutil.which(name, path=path) is None)
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise BenchError(f"Install these, then try again (there is no apt-get here): {' '.join(missing)}.")
    with step(f"Installing {len(missing)} Debian packages ({' '.join(missing)})"):
        run_logged(["apt-get", "update"], logs / "apt.log", env=_QUIET)
        install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
        run_logged(install, logs / "apt-install.log", env=_QUIET)
        if "nginx-light" in missing and Path("/run/systemd/system").exists():
            # The package starts an nginx of its own at once; we run ours with its own configuration instead.
            succeeds(["systemctl", "disable", "--now", "nginx"])


def python(settings: Settings, name: str, requirements: Path) -> Path:
    """The interpreter of an environment with exactly these requirements, made when there is none.

    Raises ClusterError with what uv said when it cannot be made.
    """
    recipe = f"{sys.version_info[:3]}\n{requirements.read_text()}"
    folder = cache(settings) / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    interpreter, complete = folder / "bin" / "python", folder / ".complete"
    with exclusive(cache(settings) / "environments.lock"):
        if not complete.exists():
            with step(f"Installing {name} into an environment of its own (once)"):
                _make(_uv(settings), folder, requirements, cache(settings) / "logs" / f"install-{name}.log")
            complete.touch()
    return interpreter


def _make(uv: Path, folder: Path, requirements: Path, log: Path) -> None:
    # Hosts with a certificate authority of their own keep it in the system's store.
    env = {"UV_SYSTEM_CERTS": "1", "VIRTUAL_ENV": str(folder)}
    run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], env=env)
    # Byte code now: a first start would otherwise spend its time on compiling.
    run_logged([uv, "pip", "sync", "--compile-bytecode", requirements], log, env=env)


def _uv(settings: Settings) -> Path:
    found = sorted(settings.cache.glob("uv-*/bin/uv"))
    if not found:
        raise BenchError(f"There is no uv in {settings.cache}: run `make setup`, then this again.")
    return found[-1]
