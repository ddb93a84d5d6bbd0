"""A server that stands in front of another: what it is told, and what it has counted."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.serving.support import ServerProcess, eventually
from verdigris_serving.http.shield.outcomes import Outcome
from verdigris_serving.http.shield.shadow.comparing import Likeness

REVISION = "r2"
#: Seconds that a version which does answer is given: never too few, on whatever machine.
PATIENT = 20.0
INFER = "/v2/models/demo/infer"


def order(front: ServerProcess, port: int, share: int = 10_000, within: float = PATIENT, **more: Any) -> None:
    """Have the front pass that share on, and wait until it does, and nothing of an order before."""
    write(front.shield, "")
    eventually(lambda: max(told(front)) <= 0, "the front has no order")
    text = {"host": "127.0.0.1", "port": port, "revision": REVISION, "share": share, "within": within, **more}
    write(front.shield, json.dumps(text))
    shares = share / 10_000, more.get("shadow", 0) / 10_000
    eventually(lambda: told(front) == shares, "the front knows its share")


def told(front: ServerProcess) -> tuple[float, float]:
    """The shares that the front passes on, and copies; -1 where it has never had an order."""
    seen = front.metrics()
    share, shadow = (
        seen.get(f'verdigris_{name}_share{{revision="{REVISION}"}}', -1.0) for name in ("shield", "shadow")
    )
    return share, shadow


def write(file: Path, text: str) -> None:
    """Write a file at once, as the kubelet does."""
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


def counts(front: ServerProcess) -> dict[Outcome, int]:
    """What the front has counted, without what never was."""
    seen = front.metrics()
    found = {
        outcome: int(seen.get(f'verdigris_forwarded_total{{outcome="{outcome}",revision="{REVISION}"}}', 0))
        for outcome in Outcome
    }
    return {outcome: count for outcome, count in found.items() if count}


def spared(front: ServerProcess, active: str = "answered") -> int:
    """Faults behind which the active version stood."""
    return int(front.metric(f'verdigris_spared_total{{active="{active}",revision="{REVISION}"}}'))


def answered_by(answer: tuple[int, dict[str, str], bytes]) -> str:
    """The version that gave a sound answer."""
    status, fields, body = answer
    assert status == 200, body
    return fields["verdigris-version"]


def shadow(front: ServerProcess, port: int, within: float = PATIENT, **more: Any) -> None:
    """Have the front pass nothing on and compare all that it answers."""
    order(front, port, share=0, within=within, shadow=10_000, **more)


def likenesses(front: ServerProcess) -> dict[Likeness, int]:
    """How many copies went how, without what never was."""
    seen = front.metrics()
    found = {
        likeness: int(seen.get(f'verdigris_shadow_total{{outcome="{likeness}",revision="{REVISION}"}}', 0))
        for likeness in Likeness
    }
    return {likeness: count for likeness, count in found.items() if count}


def compared(front: ServerProcess, ask: Callable[[], Any], copies: int = 5) -> dict[Likeness, int]:
    """Ask until so many further copies have ended; how they went, without those that there was no time for."""
    before = _ended(front)

    def enough() -> bool:
        ask()
        return (_ended(front) - before).total() >= copies

    eventually(enough, f"{copies} copies have ended")
    return dict(_ended(front) - before)


def _ended(front: ServerProcess) -> Counter[Likeness]:
    return Counter(likenesses(front) | {Likeness.DROPPED: 0})


def rows_compared(front: ServerProcess) -> tuple[int, int]:
    """Rows that agreed, and rows that did not."""
    seen = front.metrics()
    agreed, differed = (
        int(seen[f'verdigris_shadow_rows_total{{agreed="{word}",revision="{REVISION}"}}']) for word in ("true", "false")
    )
    return agreed, differed
