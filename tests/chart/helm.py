"""Helm, as the tests of the chart use it: render with values, and read what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.patience import patient, stretched
from dev.cluster.settings import from_environment
from dev.cluster.toolchain import Toolchain

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "verdigris"
NAMESPACE = "verdigris-system"

Manifest = dict[str, Any]
Values = Mapping[str, Any]


class Refused(Exception):
    """Helm said no; the text is all it said."""


@dataclass(frozen=True)
class Helm:
    """One helm program. `render` needs no cluster."""

    program: Path

    def run(self, *arguments: str | Path, values: Values | None = None) -> str:
        """Run helm with `values` on its stdin. Raises Refused when it ends with an error."""
        words = [str(self.program), *patient(arguments)]
        if values is not None:
            words += ["--values", "-"]
        done = subprocess.run(
            words, input=json.dumps(values or {}), capture_output=True, text=True, timeout=stretched(300), check=False
        )
        if done.returncode != 0:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    def render(
        self, values: Values | None = None, *, release: str = "verdigris", chart: Path = CHART
    ) -> list[Manifest]:
        """Every manifest of the release, the hooks too. Raises Refused for values that the chart does not take."""
        text = self.run(
            "template", release, chart, "--namespace", NAMESPACE, "--kube-version", "1.35.0", values=values or {}
        )
        return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def find() -> Helm:
    """The pinned helm from the cluster's cache, else the machine's own, else one compiled now (a minute)."""
    toolchain = Toolchain(from_environment())
    on_path = shutil.which("helm")
    if not toolchain.cached("helm").exists() and on_path:
        return Helm(Path(on_path))
    return Helm(toolchain.path("helm"))


def of_kind(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    """The manifests of one kind, in order."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def only(manifests: Sequence[Manifest], kind: str) -> Manifest:
    """The one manifest of a kind; fails the test when there are none or several."""
    (manifest,) = of_kind(manifests, kind)
    return manifest


def pod_specs(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """(kind/name, pod spec) of everything that runs containers."""
    for manifest in manifests:
        spec = (
            manifest["spec"] if manifest["kind"] == "Pod" else manifest.get("spec", {}).get("template", {}).get("spec")
        )
        if spec:
            yield f"{manifest['kind']}/{manifest['metadata']['name']}", spec
