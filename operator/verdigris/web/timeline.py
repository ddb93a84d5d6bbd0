"""Evidence over time: what Prometheus has of a model, and what its status has said, as curves with marks. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from verdigris.cli.model.deployment import Model, Rollout
from verdigris.cli.model.figures import names_step, share_reached, share_wanted
from verdigris.cli.model.reading import Raw, part, parts, text, time_of

Sample = tuple[float, float]
"""Unix seconds, and a value."""

LONGEST, SHORTEST = 6 * 3600.0, 300.0
"""Seconds that are shown at most and at least."""
_AT_REST = 1800.0
_BEFORE = 60.0
_POINTS = 120
_FINEST = 5.0

ACTIVE, CANDIDATE, LIMIT, WISHED, SCORE = "active", "candidate", "limit", "wished", "score"


@dataclass(frozen=True)
class Span:
    """From `begin` to `end` (unix seconds), one value each `step` seconds."""

    begin: float
    end: float
    step: float


@dataclass(frozen=True)
class Measured:
    """By colour: requests a second, and those of them that failed. `problem`: why there are none, as a sentence."""

    requests: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    errors: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Seen:
    """What a status said of a rollout when it was read. Shares in percent; requests and errors since its beginning."""

    at: float
    revision: str
    requests: int
    errors: int
    score: float
    threshold: float
    wished: float
    reached: float


@dataclass(frozen=True)
class Curve:
    """`role` says how it is drawn. `stepped`: it keeps its value until the next point."""

    label: str
    role: str
    points: tuple[Sample, ...]
    stepped: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves of one unit. `empty`: what to say where there are none."""

    title: str
    unit: str
    curves: tuple[Curve, ...]
    empty: str


@dataclass(frozen=True)
class Mark:
    """Something happened: a step began, a person decided, clients were taken back."""

    at: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """Panels over one span of time. `told`: what they rest on."""

    span: Span
    panels: tuple[Panel, ...]
    marks: tuple[Mark, ...]
    told: str


def seen_of(model: Model, now: datetime) -> Seen | None:
    """What the status says now; None where no rollout is under way."""
    rollout = model.rollout
    if rollout is None:
        return None
    return Seen(
        at=now.timestamp(),
        revision=rollout.revision,
        requests=rollout.evidence.candidate.requests,
        errors=rollout.evidence.candidate.errors,
        score=rollout.evidence.score,
        threshold=rollout.evidence.threshold,
        wished=share_wanted(rollout),
        reached=share_reached(rollout),
    )


def span_of(model: Model, now: datetime) -> Span:
    """The rollout under way, else the last one if it has just ended, else the last half hour."""
    end = now.timestamp()
    begin = end - _AT_REST
    last = model.history[-1] if model.history else None
    if model.rollout is not None:
        begin = _unix(model.rollout.started, begin) - _BEFORE
    elif last is not None and end - _unix(last.ended, 0.0) < _AT_REST:
        begin = _unix(last.started, begin) - _BEFORE
    begin = min(max(begin, end - LONGEST), end - SHORTEST)
    return Span(begin, end, max(_FINEST, (end - begin) / _POINTS))


def questions(namespace: str, name: str, span: Span, matchers: Mapping[str, str]) -> dict[str, str]:
    """PromQL by what it answers: the counters that the judge reads, the callers' own faults (4xx) left out.

    `matchers`: labels that every series of this cluster has in a Prometheus over several.
    """
    wanted = {"namespace": namespace, "model": name, **matchers}
    labels = ",".join(f'{label}="{_quoted(value)}"' for label, value in wanted.items())
    window = f"{max(30, round(2 * span.step))}s"
    return {
        "requests": f'sum by (color) (rate(verdigris_requests_total{{{labels},code!~"4.."}}[{window}]))',
        "errors": f'sum by (color) (rate(verdigris_requests_total{{{labels},code=~"5.."}}[{window}]))',
    }


def _quoted(text_: str) -> str:
    return text_.replace("\\", "\\\\").replace('"', '\\"')


def read(answer: Raw) -> dict[str, tuple[Sample, ...]]:
    """Prometheus' answer to one of the questions, by colour. Raises ValueError where it is none."""
    if text(answer, "status") != "success" or text(part(answer, "data"), "resultType") != "matrix":
        raise ValueError(text(answer, "error") or "it is not the answer of a Prometheus")
    found: dict[str, tuple[Sample, ...]] = {}
    for one in parts(answer, "data", "result"):
        color = text(part(one, "metric"), "color")
        if color:
            found[color] = tuple(_samples(one.get("values")))
    return found


def _samples(values: object) -> Iterator[Sample]:
    for pair in values if isinstance(values, list) else ():
        try:
            at, value = float(pair[0]), float(pair[1])
        except (TypeError, ValueError, IndexError, KeyError):
            continue
        # NaN is equal to nothing, not to itself either.
        if value == value and abs(value) != float("inf"):  # noqa: PLR0124
            yield at, value


def timeline(model: Model, seen: Sequence[Seen], measured: Measured, span: Span) -> Timeline:
    """The curves of a model. `seen`: what its status said while somebody watched, oldest first."""
    seen = tuple(one for one in seen if span.begin <= one.at <= span.end)
    roles = _roles(model)
    panels = (
        Panel("Requests", "/s", tuple(_requests(measured, seen, roles)), "No requests are known of this time."),
        Panel("Failed", "%", tuple(_failed(model, measured, seen, roles)), "No requests are known of this time."),
        Panel("Share of the clients", "%", tuple(_shares(model, seen)), "No rollout is under way."),
        Panel("Judge's score", "", tuple(_scores(seen)), "No rollout is under way, so nothing is judged."),
    )
    return Timeline(span, panels, tuple(_marks(model, span)), _told(measured, seen))


def _told(measured: Measured, seen: Sequence[Seen]) -> str:
    status = "Shares and the score are what the status has said since this page began to watch."
    if not measured.problem:
        return f"Requests and failures are Prometheus' counters, as each pod's own server counts. {status}"
    of = "All of it is" if seen else "What there is comes"
    return f"Prometheus is not asked: {measured.problem} {of} from the status alone."


def _roles(model: Model) -> dict[str, tuple[str, str]]:
    """By colour: how it is drawn, and what it is called."""
    found: dict[str, tuple[str, str]] = {}
    for role, ref in ((ACTIVE, model.active), (CANDIDATE, model.rollout), (CANDIDATE, model.warm)):
        if ref is not None and ref.color not in found:
            found[ref.color] = (role, f"{ref.color} {ref.version}")
    return found


def _drawn(color: str, roles: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    return roles.get(color, (CANDIDATE, color))


def _requests(measured: Measured, seen: Sequence[Seen], roles: Mapping[str, tuple[str, str]]) -> Iterator[Curve]:
    for color, points in sorted(measured.requests.items()):
        role, label = _drawn(color, roles)
        yield Curve(label, role, points)
    if measured.problem:
        rates = [
            (two.at, (two.requests - one.requests) / (two.at - one.at))
            for one, two in zip(seen, seen[1:])
            if two.at > one.at and two.revision == one.revision and two.requests >= one.requests
        ]
        if rates:
            yield Curve("on trial, as judged", CANDIDATE, tuple(rates))


def _failed(
    model: Model, measured: Measured, seen: Sequence[Seen], roles: Mapping[str, tuple[str, str]]
) -> Iterator[Curve]:
    for color, points in sorted(measured.requests.items()):
        failures = dict(measured.errors.get(color, ()))
        role, label = _drawn(color, roles)
        share = tuple((at, 100 * min(1.0, failures.get(at, 0.0) / rate)) for at, rate in points if rate > 0)
        if share:
            yield Curve(label, role, share)
    judged = tuple((one.at, 100 * one.errors / one.requests) for one in seen if one.requests)
    if judged:
        yield Curve("on trial, as judged, in all", WISHED, judged, stepped=True)
    rollout = model.rollout
    if rollout is not None and rollout.evidence.limit and seen:
        limit = 100 * rollout.evidence.limit
        yield Curve("limit", LIMIT, ((seen[0].at, limit), (seen[-1].at, limit)))


def _shares(model: Model, seen: Sequence[Seen]) -> Iterator[Curve]:
    rollout = model.rollout
    if rollout is None:
        return
    wished = tuple(_by_steps(rollout))
    # The last value holds until now.
    if wished and seen:
        wished = (*wished, (seen[-1].at, share_wanted(rollout)))
    if wished:
        yield Curve("wished", WISHED, wished, stepped=True)
    if seen:
        yield Curve("reached", CANDIDATE, tuple((one.at, one.reached) for one in seen), stepped=True)


def _by_steps(rollout: Rollout) -> Iterator[Sample]:
    share = 0.0
    for step in rollout.steps:
        at = time_of(step.began)
        if at is None:
            continue
        if step.kind == "Trial":
            share = step.weight or 0.0
        elif step.kind == "Bake":
            share = 100.0
        yield at.timestamp(), share


def _scores(seen: Sequence[Seen]) -> Iterator[Curve]:
    judged = [one for one in seen if one.threshold]
    if judged:
        yield Curve("score", SCORE, tuple((one.at, one.score) for one in judged), stepped=True)
        yield Curve("fails at", LIMIT, tuple((one.at, one.threshold) for one in judged), stepped=True)


def _marks(model: Model, span: Span) -> Iterator[Mark]:
    """In the order of time; those of the same second are one."""
    found: dict[float, list[str]] = {}
    for at, label in _happened(model):
        moment = time_of(at)
        if moment is not None and span.begin <= moment.timestamp() <= span.end:
            found.setdefault(moment.timestamp(), []).append(label)
    for when in sorted(found):
        yield Mark(when, "; ".join(found[when]))


def _happened(model: Model) -> Iterable[tuple[str, str]]:
    if model.rollout is not None:
        yield model.rollout.started, f"rollout of {model.rollout.version} began"
        yield from ((step.began, f"{names_step(step)} began") for step in model.rollout.steps)
    for one in model.history:
        yield one.ended, f"{one.version}: {one.outcome}"
    for decided in model.decisions:
        yield decided.at, f"{decided.verb} by {decided.by}: {decided.outcome or 'open'}"
    last = model.last_rollback
    if last is not None:
        yield last.decided, f"clients taken back from {last.from_version}"


def _unix(written: str, default: float) -> float:
    at = time_of(written)
    return at.timestamp() if at is not None else default
