"""What the demo tells while it goes: one line a fact, with the seconds since the act began."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from dev.demo.figures import ON_TRIAL

Status = Mapping[str, Any]


def stage_of(status: Status) -> str:
    """One phrase for where the rollout stands: `1.2.0 Baking`, or `1.1.0 active`, or `nothing yet`."""
    rollout, active = status.get("rollout"), status.get("active")
    if rollout:
        return f"{rollout['version']} {rollout['stage']}"
    return f"{active['version']} active" if active else "nothing yet"


def traffic_of(status: Status) -> str:
    """Who gets new connections: `1.1.0 100 %`."""
    shares = [f"{share['version']} {share['weight']} %" for share in status.get("traffic", ())]
    return ", ".join(shares) or "nowhere"


def changes(before: Status, after: Status) -> Iterator[tuple[str, str]]:
    """What differs between two statuses and is worth a line: (who, what)."""
    if stage_of(before) != stage_of(after):
        yield "rollout", _with_message(stage_of(after), after.get("rollout"))
    if traffic_of(before) != traffic_of(after):
        yield "traffic", f"new connections go to {traffic_of(after)}"
    verdict, old = _evidence(after), _evidence(before)
    if verdict and (verdict.get("verdict"), verdict.get("reason")) != (old.get("verdict"), old.get("reason")):
        yield "verdict", f"{verdict['verdict']}: {verdict.get('message') or verdict.get('reason')}"
    back, older = after.get("lastRollback") or {}, before.get("lastRollback") or {}
    if back.get("decidedAt") != older.get("decidedAt"):
        yield "rollback", f"decided, {back['fromVersion']} -> {back['toVersion']}: {back['message']}"
    if back.get("trafficRestoredAt") and back.get("trafficRestoredAt") != older.get("trafficRestoredAt"):
        yield "rollback", f"traffic is back on {back['toVersion']}"


def marks(before: Status, after: Status) -> Iterator[tuple[str | None, str]]:
    """The operator's decisions that a picture should show: (when, as the status says, or None; what)."""
    rollout, old = after.get("rollout") or {}, before.get("rollout") or {}
    if rollout and rollout["stage"] in _STAGE_MARKS and stage_of(before) != stage_of(after):
        yield rollout.get("since"), _STAGE_MARKS[rollout["stage"]].format(version=rollout["version"])
    back, older = after.get("lastRollback") or {}, before.get("lastRollback") or {}
    if back.get("decidedAt") != older.get("decidedAt"):
        yield back["decidedAt"], "rollback decided"
    if back.get("trafficRestoredAt") and back.get("trafficRestoredAt") != older.get("trafficRestoredAt"):
        yield back["trafficRestoredAt"], f"traffic on {back['toVersion']}"
    if old and not rollout and (after.get("active") or {}).get("version") == old["version"]:
        yield None, "promoted"


READY = "pods ready"
_STAGE_MARKS = {
    "Starting": "{version} starts",
    "AwaitingApproval": "awaits approval",
    "Measuring": READY,
    "OnTrial": f"{{version}} {ON_TRIAL}",
    "Baking": "traffic on {version}",
}


def event_line(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """A Kubernetes Event of a ModelDeployment as a line; None for Events of anything else."""
    if event.get("involvedObject", {}).get("kind") != "ModelDeployment":
        return None
    return "event", f"{event['reason']}: {event['message']}"


@dataclass
class Timeline:
    """Prints lines, and remembers the time that the seconds count from."""

    begin: float
    out: TextIO = field(default_factory=lambda: sys.stdout)

    def act(self, title: str, begin: float) -> None:
        """A new act begins: from here on the seconds count from `begin`."""
        self.begin = begin
        print(f"\n== {title}", file=self.out, flush=True)

    def tell(self, at: float, who: str, what: str) -> None:
        """One line."""
        print(f"  {at - self.begin:7.1f} s  {who:<9}{what}", file=self.out, flush=True)


def _with_message(stage: str, rollout: Mapping[str, Any] | None) -> str:
    message = (rollout or {}).get("message")
    return f"{stage}: {message}" if message else stage


def _evidence(status: Status) -> Mapping[str, Any]:
    rollout = status.get("rollout") or {}
    evidence: Mapping[str, Any] = rollout.get("evidence") or {}
    return evidence
