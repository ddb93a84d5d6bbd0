"""Artifacts, data and documents for gates, and the gates themselves in this process."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.serving.support import contents
from verdigris_serving.artifact.archive import Contents, write_archive
from verdigris_serving.gate.outcome import outcome
from verdigris_serving.gate.result import Result
from verdigris_serving.model.linear import LinearModel
from verdigris_serving.model.schema import GoldenRows

#: The test model's features (tests/serving/support.py).
FEATURES = ("glucose", "insulin", "age")


@dataclass(frozen=True)
class Asked:
    """A gate's answer and exit code."""

    result: Result
    code: int

    @property
    def told(self) -> tuple[str, str, int]:
        """What a rollout goes by."""
        return self.result.verdict, self.result.reason, self.code


def ask(gate: str, document: dict[str, Any] | bytes, **env: str) -> Asked:
    """Run a gate."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Asked(*outcome(gate, data, env))


def file(path: Path) -> dict[str, str]:
    """Where a file is and its checksum, as documents have it."""
    return {"uri": path.as_uri(), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def artifact(path: Path, **changes: Any) -> dict[str, str]:
    """The test model, written to ``path``; ``changes`` are of its manifest, ``version`` among them."""
    base = contents()
    manifest = msgspec.structs.replace(base.manifest, **changes)
    spec: Any = base.model
    if manifest.task == "regression":
        spec = msgspec.structs.replace(spec, link="identity")
    golden = GoldenRows(base.golden.rows, [LinearModel(spec).scores(base.golden.rows[0])], 1e-6)  # type: ignore[arg-type]
    path.write_bytes(write_archive(Contents(manifest, spec, golden)))
    return file(path)


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, str]:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)
    return file(path)
