"""The demo's models: trained and packed here, by the example that a reader is pointed to; nothing is prepared."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.diabetes.patients import HOLDOUT
from examples.diabetes.request_bodies import bodies

REPOSITORY = Path(__file__).resolve().parents[2]
TRAIN = "examples.diabetes.train"


class TrainingError(Exception):
    """The example did not train; the text holds what it said."""


@dataclass(frozen=True)
class Artifact:
    """A packed model: its version, where the cluster finds it, its checksum, and its format where that is not usual."""

    version: str
    uri: str
    sha256: str
    format: str | None = None


@dataclass(frozen=True)
class Models:
    """The packed versions and the held-out rows (file name -> bytes), and the clients' request bodies, one a line."""

    files: Mapping[str, bytes]
    bodies: bytes

    def artifact(self, version: str, uri: str) -> Artifact:
        """The artifact of that version, to be found at `uri`."""
        return Artifact(version, uri, hashlib.sha256(self.files[file_name(version)]).hexdigest())


def file_name(version: str) -> str:
    """Name of a version's artifact, in the folder of the training and on the artifact server."""
    return f"diabetes-{version}.vmodel"


def train(folder: Path) -> Models:
    """Train and pack 1.0.0, 1.1.0 and 1.2.0 into the folder. Raises TrainingError with what the training said."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", TRAIN, "--out", str(folder.absolute())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    if done.returncode != 0:
        raise TrainingError(f"python -m {TRAIN} ended with {done.returncode}: {done.stderr[-2000:]}")
    print(done.stdout, end="", flush=True)
    files = {path.name: path.read_bytes() for path in sorted([*folder.glob("*.vmodel"), folder / HOLDOUT])}
    return Models(files, b"".join(body + b"\n" for body in bodies(folder / "requests.json")))


def model_deployment(name: str, artifact: Artifact, **spec: Mapping[str, Any]) -> dict[str, Any]:
    """A ModelDeployment for the artifact; `spec` are the other parts of its spec, as a user writes them."""
    model = {"name": "diabetes", "version": artifact.version, "uri": artifact.uri, "sha256": artifact.sha256}
    if artifact.format:
        model["format"] = artifact.format
    return {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {"model": model, **spec},
    }


def decision(name: str, *, model: str, revision: str, verb: str, by: str) -> dict[str, Any]:
    """A RolloutDecision."""
    spec = {
        "modelDeployment": model,
        "revision": revision,
        "verb": verb,
        "requestedBy": by,
        "reason": "for the demo",
    }
    return {
        "apiVersion": "verdigris.dev/v1alpha1",
        "kind": "RolloutDecision",
        "metadata": {"name": name},
        "spec": spec,
    }
