"""What a status says has happened, as entries of the log.

Each entry's id is made of what the status itself says, times and all. So the same fact has the same id however often,
and by whichever process, it is read, and what a crash kept from being recorded is read again from the status.

No sentence of a pod, a gate or a query is taken over: such may quote what a container has said of a request. What is
recorded are words of closed sets, names, counts and limits, and the reason that a person has given for a decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verdigris.api.status import (
    ActiveStatus,
    DecisionRecord,
    EvidenceStatus,
    FollowedStatus,
    HistoryEntry,
    LastRollback,
    ModelDeploymentStatus,
    RemovedPod,
    RolloutStatus,
    StepStatus,
    Verdict,
)
from verdigris.audit.event import Entry, What, entry_of, timestamp
from verdigris.audit.model import Model

_OUTCOME: Mapping[Verdict, str] = {"Pass": "pass", "Fail": "fail", "Inconclusive": "error"}
"""The words of CDEvents: an error is a test that came to no verdict."""


def changes(
    before: ModelDeploymentStatus | None, after: ModelDeploymentStatus, model: Model, now: datetime
) -> tuple[Entry, ...]:
    """What has happened between two statuses, the oldest first. None: all that the status still tells.

    `now` is the time of what has none in the status, a gate's answer.
    """
    known = {entry.id for entry in _facts(before, None, model, now)} if before is not None else set()
    left = before.rollout if before is not None else None
    found: dict[str, Entry] = {}
    for entry in _facts(after, left, model, now):
        if entry.id not in known:
            found.setdefault(entry.id, entry)
    return tuple(sorted(found.values(), key=lambda entry: entry.at))


def removed(status: ModelDeploymentStatus | None, model: Model, at: datetime) -> Entry:
    """The model was deleted, and all its pods with it. `status` is what was last known of it."""
    active = status.active if status is not None else None
    data = {"version": active.version, "revision": active.revision} if active is not None else {}
    artifact = _artifact(model, active.version, active.sha256) if active is not None else _artifact(model, "", "")
    content = {**_environment(model), "artifactId": artifact}
    return entry_of(model, "removed", ("removed",), at, data=data, content=content)


def _facts(status: ModelDeploymentStatus, left: RolloutStatus | None, model: Model, now: datetime) -> Iterator[Entry]:
    """`left` is the rollout of the status before: what it knew of a version that has been promoted since."""
    yield from (_decision(record, model) for record in status.decisions)
    if status.followed is not None:
        yield _moved(status.followed, model)
    if status.rollout is not None:
        yield from _rollout(_Run(model, status.rollout, now), status.active)
        yield from _shares(_Run(model, status.rollout, now), _given(status, status.rollout))
    yield from _rollback(status.last_rollback, model)
    yield from _history(status, left, model)
    yield from _active(status, model)
    yield from (_pod(entry, model) for entry in status.removed)


def _decision(record: DecisionRecord, model: Model) -> Entry:
    data = {
        "verb": record.verb,
        "revision": record.revision or None,
        "by": record.by,
        "reason": record.reason,
        "outcome": record.outcome,
        "name": record.name,
        "created": timestamp(record.created) if record.created is not None else None,
    }
    return entry_of(model, "decision", ("decision", record.uid), record.at, data=data)


def _moved(followed: FollowedStatus, model: Model) -> Entry:
    """What an alias of the registry was first seen to be, or has moved to: from then on that is what is wished."""
    named = ("model", "alias", "number", "version", "uri", "sha256")
    data = {name: getattr(followed, name) for name in named}
    key = ("moved", followed.alias, followed.number, timestamp(followed.since))
    return entry_of(model, "moved", key, followed.since, data=data)


@dataclass(frozen=True)
class _Run:
    """A rollout: whose it is, and what all of its entries say."""

    model: Model
    rollout: RolloutStatus
    now: datetime

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from any other rollout of the model."""
        return (self.rollout.revision, timestamp(self.rollout.started_at))

    @property
    def about(self) -> dict[str, Any]:
        """Which version it is of."""
        return {"version": self.rollout.version, "revision": self.rollout.revision}


def _rollout(run: _Run, active: ActiveStatus | None) -> Iterator[Entry]:
    rollout = run.rollout
    # A version that is taken back after its promotion has a rollout that begins with its last step.
    if rollout.steps and rollout.steps[0].kind != "Bake":
        data = {
            **run.about,
            "sha256": rollout.sha256,
            "color": rollout.color,
            "active": active.version if active is not None else None,
            "steps": [_asked(step) for step in rollout.steps],
            "policy": rollout.policy,
        }
        yield entry_of(run.model, "began", ("began", *run.key), rollout.started_at, data=data)
    for number, step in enumerate(rollout.steps):
        yield from _gate(run, number, step)
        yield from _end(run, number, step)


def _asked(step: StepStatus) -> dict[str, Any]:
    return {"kind": step.kind} | ({"weight": step.weight} if step.weight is not None else {})


def _gate(run: _Run, number: int, step: StepStatus) -> Iterator[Entry]:
    gate = step.gate
    if gate is None or gate.verdict is None:
        return
    # A step that begins again may get the same answer to the same question: that has been given twice.
    since = timestamp(step.began) if step.began is not None else ""
    key = ("gate", *run.key, str(number), since, gate.asked or gate.job, gate.verdict)
    content = {
        "outcome": _OUTCOME[gate.verdict],
        "reason": gate.reason,
        **_environment(run.model),
        "testSuite": {"id": run.rollout.name_of(step) or step.kind},
    }
    data = {
        **run.about,
        "gate": step.kind,
        "name": run.rollout.name_of(step),
        "step": number,
        "verdict": gate.verdict,
        "reason": gate.reason,
        "checks": [check.dump() for check in gate.checks],
        "groups": [group.dump() for group in gate.groups],
        "dataSha256": gate.data_sha256,
        "rows": gate.rows,
        "comparedWith": gate.active or None,
        "asked": gate.asked,
    }
    yield entry_of(run.model, "gate", key, step.ended or run.now, data=data, content=content)


def _end(run: _Run, number: int, step: StepStatus) -> Iterator[Entry]:
    """How a step ended, unless that is what its gate has answered."""
    if step.ended is None or (step.gate is not None and step.gate.verdict == step.verdict):
        return
    data = {
        **run.about,
        "step": number,
        **_asked(step),
        "verdict": step.verdict,
        "reason": step.reason,
        "began": timestamp(step.began) if step.began is not None else None,
    }
    yield entry_of(run.model, "step", ("step", *run.key, str(number), timestamp(step.ended)), step.ended, data=data)


def _given(status: ModelDeploymentStatus, rollout: RolloutStatus) -> Mapping[str, float]:
    """What the version was seen to be given, in percent, by the kind of step: what a step asks for is only a wish."""
    traffic = next((one for one in status.traffic if one.color == rollout.color), None)
    shares = (traffic.shielded or 0.0, traffic.routed or 0.0) if traffic is not None else (0.0,)
    compared = rollout.shadow is not None and rollout.shadow.candidate.requests > 0
    return {"Trial": max(shares), "Shadow": rollout.shadowed / 100 if compared else 0.0}


def _shares(run: _Run, given: Mapping[str, float]) -> Iterator[Entry]:
    rollout, at = run.rollout, run.rollout.step
    for number, step in enumerate(rollout.steps[: at + 1]):
        if step.kind not in given or step.weight is None:
            continue
        is_now = number == at and not rollout.taken_back and given[step.kind] >= round(step.weight, 2)
        if is_now or (number < at and not rollout.promote_now and _was_given(step)):
            yield from _share(run, number, step, step.weight)
    if rollout.taken_back or not rollout.weight or not 0 <= at < len(rollout.steps):
        return
    if rollout.steps[at].kind not in given:
        yield from _share(run, at, rollout.steps[at], rollout.weight)


def _was_given(step: StepStatus) -> bool:
    """Whether a step that is over had its share: it goes on by itself with that alone, or left out, or as declared."""
    without = ("Skipped", "NotPassedOn", "NotRouted")
    return step.verdict == "Pass" or (step.kind == "Trial" and step.verdict is not None and step.reason not in without)


def _share(run: _Run, number: int, step: StepStatus, share: float) -> Iterator[Entry]:
    if step.began is None:
        return
    data = {**run.about, "step": number, "kind": step.kind, "share": share}
    key = ("share", *run.key, str(number), timestamp(step.began), f"{share:g}")
    yield entry_of(run.model, "share", key, step.began, data=data)


def _rollback(last: LastRollback | None, model: Model) -> Iterator[Entry]:
    if last is None:
        return
    data = {
        "from": last.from_version,
        "to": last.to_version,
        "reason": last.reason,
        "evidence": _numbers(last.evidence),
    }
    content = {**_environment(model), "artifactId": _artifact(model, last.to_version, "")}
    key = timestamp(last.decided_at)
    yield entry_of(model, "rolledback", ("rolledback", key), last.decided_at, data=data, content=content)
    restored = last.traffic_restored_at
    if restored is not None:
        took = {"to": last.to_version, "seconds": round((restored - last.decided_at).total_seconds(), 3)}
        yield entry_of(model, "restored", ("restored", key), restored, data=took)


def _history(status: ModelDeploymentStatus, left: RolloutStatus | None, model: Model) -> Iterator[Entry]:
    for number, past in enumerate(status.history):
        data: dict[str, Any] = {
            "version": past.version,
            "revision": past.revision,
            "outcome": past.outcome,
            "reason": past.reason,
            "started": timestamp(past.started_at),
        }
        if past.outcome != "Promoted":
            key = ("ended", past.revision, timestamp(past.ended_at))
            yield entry_of(model, "ended", key, past.ended_at, data=data)
            continue
        was = left if left is not None and _is_of(left, past) else None
        active = status.active
        sha256 = active.sha256 if active is not None and active.revision == past.revision else ""
        data |= {
            "sha256": sha256,
            "evidence": _numbers(was.evidence) if was is not None else None,
        }
        first = number == 0 and len(status.history) < _BOUND
        content = {**_environment(model), "artifactId": _artifact(model, past.version, sha256)}
        what: What = "deployed" if first else "serves"
        yield entry_of(model, what, _serving(past.revision, past.ended_at), past.ended_at, data=data, content=content)


_BOUND = 20
"""Entries of a status's history: in a full one the first of all may be gone."""


def _active(status: ModelDeploymentStatus, model: Model) -> Iterator[Entry]:
    """Who is active, however it came to be: taken back to, given the clients for want of another, or found so."""
    active = status.active
    if active is None:
        return
    data = {"version": active.version, "revision": active.revision, "sha256": active.sha256}
    content = {**_environment(model), "artifactId": _artifact(model, active.version, active.sha256)}
    yield entry_of(model, "serves", _serving(active.revision, active.since), active.since, data=data, content=content)


def _serving(revision: str, since: datetime) -> tuple[str, ...]:
    return ("serves", revision, timestamp(since))


def _is_of(rollout: RolloutStatus, past: HistoryEntry) -> bool:
    return (rollout.revision, rollout.started_at) == (past.revision, past.started_at)


def _pod(entry: RemovedPod, model: Model) -> Entry:
    data = {"pod": entry.pod, "color": entry.color, "node": entry.node, "kind": entry.kind, "remedy": entry.remedy}
    return entry_of(model, "pod", ("pod", entry.uid, timestamp(entry.at)), entry.at, data=data)


def _numbers(evidence: EvidenceStatus | None) -> dict[str, Any] | None:
    """What a verdict on errors rests on."""
    if evidence is None:
        return None
    return {
        "verdict": evidence.verdict,
        "reason": evidence.reason,
        "candidate": evidence.candidate.dump(),
        "baseline": evidence.baseline.dump(),
        "score": evidence.score,
        "threshold": evidence.threshold,
        "looks": evidence.looks,
    }


def _environment(model: Model) -> dict[str, Any]:
    return {"environment": {"id": model.namespace}}


def _artifact(model: Model, version: str, sha256: str) -> str:
    """A package URL of type generic."""
    checksum = f"?checksum=sha256:{sha256}" if sha256 else ""
    return f"pkg:generic/{model.name}{f'@{version}' if version else ''}{checksum}"
