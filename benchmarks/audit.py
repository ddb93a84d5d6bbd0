"""What the audit log costs: entries a second, bytes an entry, and how long a long log takes to open and to verify.

Run `make bench-audit` for the table of docs/performance.md (a minute or two). The entries are those of a rollout with
two gates, an approval and two weights, as the operator makes them. Each append is on the disk before the next.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.audit.test_facts import entries, promotion
from verdigris.adapters.audit.folder import CHECKPOINTS, read, segments
from verdigris.adapters.audit.log import Log
from verdigris.audit.check import Sound, check
from verdigris.audit.merkle import Tree, leaf_hash
from verdigris.audit.note import Signer

BATCH = 100
ALONE = 500


@dataclass(frozen=True)
class Figures:
    """Times in seconds, sizes in bytes."""

    entries: int
    bytes_an_entry: float
    bytes_a_checkpoint: float
    entries_a_rollout: int
    alone_per_second: float
    batch_per_second: float
    open_seconds: float
    verify_seconds: float
    proofs_per_second: float


def main() -> None:
    """Measure, print the table, write out/bench/audit.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("out/bench/audit.json"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-audit-"))
    try:
        figures = measure(folder, options.entries)
    finally:
        shutil.rmtree(folder)
    about = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": platform.machine()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({**about, **asdict(figures)}, indent=2) + "\n")
    for name, value in asdict(figures).items():
        print(f"{name.replace('_', ' '):22} {value:,.1f}")


def measure(folder: Path, count: int) -> Figures:
    """Write so many entries into this folder, some of them one by one, and read them again."""
    signer = Signer.generate("bench.example/audit")
    rollout = [entry.dump() for entry in entries(*promotion())]
    events = [_of_rollout(rollout, number) for number in range(count)]
    log = Log.open(folder, signer, lambda: datetime.now(UTC))
    alone = min(ALONE, count // 2)
    took_alone = _took(lambda: [log.append([event]) for event in events[:alone]])
    rest = [events[at : at + BATCH] for at in range(alone, count, BATCH)]
    took_batches = _took(lambda: [log.append(batch) for batch in rest])
    log.close()
    took_open = _took(lambda: Log.open(folder, signer, lambda: datetime.now(UTC)).close())
    copy = read(folder)
    found: list[Any] = []
    took_verify = _took(lambda: found.append(check(copy.lines, copy.checkpoints, signer.verifier)))
    assert isinstance(found[0], Sound)
    tree = Tree([leaf_hash(line) for line in copy.lines])
    took_proofs = _took(lambda: [tree.inclusion_proof(number) for number in range(0, count, 10)])
    return Figures(
        entries=count,
        bytes_an_entry=sum(path.stat().st_size for path in segments(folder)) / count,
        bytes_a_checkpoint=(folder / CHECKPOINTS).stat().st_size / count,
        entries_a_rollout=len(rollout),
        alone_per_second=alone / took_alone,
        batch_per_second=(count - alone) / took_batches,
        open_seconds=took_open,
        verify_seconds=took_verify,
        proofs_per_second=len(range(0, count, 10)) / took_proofs,
    )


def _of_rollout(rollout: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """The entry of another rollout, which has another id."""
    event = rollout[number % len(rollout)]
    return {**event, "id": f"{event['id']}/{number // len(rollout)}"}


def _took(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
