"""What a period's entries tell of each model: which versions served, by whose yes, and by which evidence. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from verdigris.audit.event import WHAT, What, sequence_of


@dataclass(frozen=True)
class Line:
    """One entry: its number, when it happened, and what this log says of it."""

    entry: int
    what: What
    at: datetime
    data: Mapping[str, Any]

    @property
    def run(self) -> tuple[Any, ...]:
        """The version that it is about, as far as it says."""
        return (self.data.get("version"), self.data.get("revision"))


@dataclass(frozen=True)
class Served:
    """A version that clients were served by. `until` None: it still did at the end of the period."""

    began: Line
    until: datetime | None
    approvals: tuple[Line, ...]
    gates: tuple[Line, ...]
    shares: tuple[Line, ...]
    limits: Line | None
    """The beginning of its rollout, which says by what it was to be judged; None when the log does not have it."""


@dataclass(frozen=True)
class Refused:
    """A rollout that ended without a promotion, and what was recorded of it."""

    ended: Line
    gates: tuple[Line, ...]


@dataclass
class ModelStory:
    """One model."""

    subject: str
    served: list[Served] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    rollbacks: list[tuple[Line, Line | None]] = field(default_factory=list)
    """Each with the entry that says when clients were back, if there is one."""
    moves: list[Line] = field(default_factory=list)
    """Of the alias that it follows."""
    decisions: list[Line] = field(default_factory=list)
    pods: list[Line] = field(default_factory=list)
    deleted: Line | None = None


@dataclass(frozen=True)
class Story:
    """The whole report."""

    since: datetime | None
    until: datetime | None
    models: tuple[ModelStory, ...]
    gaps: tuple[Line, ...]
    operators: tuple[Line, ...]

    @property
    def numbers(self) -> list[int]:
        """The entries that it rests on, in their order."""
        return sorted({line.entry for line in self._lines()})

    def _lines(self) -> Iterator[Line]:
        yield from (*self.gaps, *self.operators)
        for model in self.models:
            yield from (*model.moves, *model.decisions, *model.pods)
            yield from [model.deleted] if model.deleted is not None else []
            for back, restored in model.rollbacks:
                yield from [back, restored] if restored is not None else [back]
            for ended in model.refused:
                yield from (ended.ended, *ended.gates)
            for served in model.served:
                yield from (served.began, *served.approvals, *served.gates, *served.shares)
                yield from [served.limits] if served.limits is not None else []


def of(events: Iterable[Mapping[str, Any]], since: datetime | None, until: datetime | None) -> Story:
    """The story of all entries up to `until`. What served as the period began has its evidence from before it."""
    by_model: dict[str, list[Line]] = defaultdict(list)
    for event in events:
        line = _line(event)
        if line is not None and (until is None or line.at < until):
            by_model[event["subject"] if line.what not in ("operator", "gap") else ""].append(line)
    for lines in by_model.values():
        lines.sort(key=lambda line: (line.at, line.entry))
    own = by_model.pop("", [])
    models = [_model(subject, lines, since) for subject, lines in sorted(by_model.items())]
    return Story(
        since,
        until,
        tuple(model for model in models if model != ModelStory(model.subject)),
        tuple(line for line in own if line.what == "gap" and _is_in(line, since)),
        tuple(line for line in own if line.what == "operator" and _is_in(line, since)),
    )


def _line(event: Mapping[str, Any]) -> Line | None:
    what, number = WHAT.get(event["type"]), sequence_of(event)
    if what is None or number is None:
        return None
    return Line(number, what, datetime.fromisoformat(event["time"]), event["data"].get("customData") or {})


def _is_in(line: Line, since: datetime | None) -> bool:
    return since is None or line.at >= since


def _model(subject: str, lines: list[Line], since: datetime | None) -> ModelStory:
    story = ModelStory(subject, served=list(_served(lines, since)))
    for line in (line for line in lines if _is_in(line, since)):
        if line.what == "ended":
            begun = _begun(lines, line)
            story.refused.append(Refused(line, _of(lines, "gate", line, begun)))
        elif line.what == "rolledback":
            story.rollbacks.append((line, _restored(lines, line)))
        elif line.what == "moved":
            story.moves.append(line)
        elif line.what == "decision":
            story.decisions.append(line)
        elif line.what == "pod":
            story.pods.append(line)
        elif line.what == "removed":
            story.deleted = line
    return story


def _restored(lines: list[Line], back: Line) -> Line | None:
    """When the clients were back: before the next rollback, as what comes later is about that one."""
    after = lines[lines.index(back) + 1 :]
    found = next((one for one in after if one.what in ("restored", "rolledback")), None)
    return found if found is not None and found.what == "restored" else None


def _served(lines: list[Line], since: datetime | None) -> Iterator[Served]:
    turns = [line for line in lines if line.what in ("deployed", "serves", "removed")]
    for at, line in enumerate(turns):
        until = turns[at + 1].at if at + 1 < len(turns) else None
        if line.what == "removed" or (since is not None and until is not None and until <= since):
            continue
        begun = _begun(lines, line)
        yes = (one for one in _of(lines, "decision", line, begun) if one.data.get("verb") in ("approve", "promote"))
        approvals = tuple(one for one in yes if one.data.get("outcome") == "Accepted")
        yield Served(line, until, approvals, _of(lines, "gate", line, begun), _of(lines, "share", line, begun), begun)


def _begun(lines: list[Line], end: Line) -> Line | None:
    """The beginning of the rollout that ended so: the last one of this version before."""
    begun = [one for one in lines if one.what == "began" and one.run == end.run and one.at <= end.at]
    return begun[-1] if begun else None


def _of(lines: list[Line], what: What, end: Line, begun: Line | None) -> tuple[Line, ...]:
    """What was recorded of that rollout. A decision names the revision alone."""
    return tuple(
        one
        for one in lines
        if one.what == what
        and one.data.get("revision") == end.data.get("revision")
        and one.at <= end.at
        and (begun is None or one.at >= begun.at)
    )
