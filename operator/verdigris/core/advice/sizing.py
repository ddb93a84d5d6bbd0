"""Right-sizing: which requests the model's own use suggests. Only advice: nothing here changes a pod."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from verdigris.api.schema.fields import parse_duration, spell_duration
from verdigris.api.schema.quantity import amount_of, canonical
from verdigris.api.spec import ModelDeploymentSpec
from verdigris.api.status import Recommendation
from verdigris.children.hpa import CPU_PERCENT
from verdigris.core.facts.evidence import Usage, UsageQuestion
from verdigris.core.facts.observed import Observed
from verdigris.core.routing.service import may_go_back
from verdigris.core.turn import Turn
from verdigris.core.words import clip

WINDOW = timedelta(hours=24)
"""A day has its rush hour. Older use is of traffic that may not come back."""

STEP = timedelta(minutes=1)
"""CPU is averaged over so long: a burst of a second is what the slack of a node is for."""

SCRAPES = 4
"""A step has at least so many scrapes: the rate over fewer is noise."""

PERCENTILE = 95
MIN_SAMPLES = 60
"""With fewer, the percentile is one of the three highest samples, of an hour that may have been a quiet one."""

PERIOD = timedelta(hours=1)
"""How often each model's use is asked for."""

STEADY = 0.10
"""What differs from what is needed by less than this share, or is above it by one rounding step, is left alone."""

NEAR = 0.80
"""From this share of its limit up, a container is near it."""


@dataclass(frozen=True)
class _Kind:
    """How one resource is sized. Amounts are in `unit`s: millicores of CPU, Mi of memory."""

    name: Literal["cpu", "memory"]
    title: str
    unit: float
    suffix: str
    margin: float
    floor: int
    step: int
    at_limit: str

    def up(self, amount: float) -> int:
        """In whole steps of units, never less than the amount, never less than the floor."""
        return max(self.floor, math.ceil(round(amount / self.unit / self.step, 6)) * self.step)

    def spell(self, units: int) -> str:
        """As the API server spells it."""
        return canonical(f"{units}{self.suffix}")

    def used(self, amount: float) -> str:
        """A measured amount, in whole units."""
        return self.spell(math.ceil(round(amount / self.unit, 6)))


_CPU = _Kind("cpu", "CPU", 1e-3, "m", 1.15, 10, 5, "it is slowed down")
_MEMORY = _Kind("memory", "Memory", 2.0**20, "Mi", 1.2, 32, 8, "the kernel ends it (OOMKilled)")


@dataclass(frozen=True)
class _Advice:
    """The size of one resource, with its sentence and what the user should do, if anything."""

    size: str
    message: str
    todo: str


def due(uid: str, before: datetime | None, now: datetime) -> bool:
    """Whether this look is the first within the model's hour; `before` is the one before it, of this process.

    Each model's hour begins at a minute of its own, so that the models share Prometheus instead of asking it together;
    hence the first look, when an operator starts, only begins to count.
    """
    return before is not None and _hour(uid, before) != _hour(uid, now)


def _hour(uid: str, at: datetime) -> int:
    seconds = PERIOD // timedelta(seconds=1)
    offset = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4]) % seconds
    return (int(at.timestamp()) + offset) // seconds


def usage_question(observed: Observed, now: datetime) -> UsageQuestion | None:
    """What to ask about the active pods; None while a rollout is under way or somebody has decided something, when they
    are not what the spec asks for, or too young to have MIN_SAMPLES.

    Asked is about the time since they became active: how a pod starts says nothing about what it needs later.
    """
    active, address = observed.status.active, observed.prometheus_address
    if active is None or address is None or observed.status.rollout is not None or may_go_back(observed):
        return None
    if active.revision != observed.target:
        return None
    step = max(STEP, SCRAPES * parse_duration(observed.spec.monitoring.service_monitor.interval))
    window = min(WINDOW, now - active.since)
    if window < MIN_SAMPLES * step:
        return None
    owner = observed.owner
    matchers = {**observed.defaults.prometheus_matchers, **observed.spec.analysis.prometheus.matchers}
    return UsageQuestion(
        address, owner.namespace, owner.name, active.color, active.revision, window, step, owner.uid, matchers
    )


def advise(turn: Turn) -> Turn:
    """Link of the chain: forget the advice about pods that are not active any more, take in what was learnt."""
    last, active, usage = turn.status.recommendation, turn.active, turn.evidence.usage
    if active is None or (last is not None and last.at < active.since):
        last = None
    if active is not None and turn.status.rollout is None and usage is not None:
        last = recommend(usage, turn.observed.spec, turn.now, last)
    return turn if last == turn.status.recommendation else turn.change(recommendation=last)


def recommend(
    usage: Usage, spec: ModelDeploymentSpec, now: datetime, last: Recommendation | None
) -> Recommendation | None:
    """Requests for the serving container; `last` when they are about the same, or too little is known to say.

    CPU is the 95th percentile of the busiest pod's use and 15 %, memory the most that was seen and 20 %: too little CPU
    makes a pod slower, too little memory ends it. Never below what was used.
    """
    if usage.problem is not None or len(usage.cpu) < MIN_SAMPLES or usage.memory <= 0:
        return last
    used, span = percentile(value for _, value in usage.cpu), _span(usage)
    seen = f"{PERCENTILE} % of {len(usage.cpu)} samples over {span} were at or below {_CPU.used(used)}"
    cpu = _advice(_CPU, _cpu(used, spec), used, seen, spec)
    seen = f"used at most {_MEMORY.used(usage.memory)}"
    memory = _advice(_MEMORY, _MEMORY.up(usage.memory * _MEMORY.margin), usage.memory, seen, spec)
    if last is not None and _holds(_CPU, last.cpu, cpu.size) and _holds(_MEMORY, last.memory, memory.size):
        return last
    todo = " ".join(filter(None, (cpu.todo, memory.todo))) or "Nothing needs to be changed."
    return Recommendation(
        cpu=cpu.size,
        memory=memory.size,
        message=clip(f"{cpu.message} {memory.message} {todo}"),
        percentile=PERCENTILE,
        window=span,
        samples=len(usage.cpu),
        at=now,
    )


def percentile(values: Iterable[float]) -> float:
    """The least of the values that 95 % of them are not above (nearest rank)."""
    ranked = sorted(values)
    return ranked[math.ceil(len(ranked) * PERCENTILE / 100) - 1]


def _cpu(used: float, spec: ModelDeploymentSpec) -> int:
    """Millicores. An autoscaler that aims at a share of the request adds pods when the request falls below used/share:
    so far down and no further. It is not raised on that account, because then it would remove pods, the rest would use
    more, and the next advice would be higher again.
    """
    plain, share = _CPU.up(used * _CPU.margin), _autoscaled_at(spec)
    asked = _amount(_CPU, spec, "requests")
    if share is None or asked is None:
        return plain
    return max(plain, min(_CPU.up(used / share), _CPU.up(asked)))


def _autoscaled_at(spec: ModelDeploymentSpec) -> float | None:
    """The share of the CPU request that the autoscaler aims at, if it goes by that."""
    scaling = spec.autoscaling
    if scaling.external or scaling.min_replicas == scaling.max_replicas:
        return None
    if not scaling.metrics:
        return CPU_PERCENT / 100
    sources = (metric.resource or metric.container_resource or {} for metric in scaling.metrics)
    targets = (source.get("target") for source in sources if source.get("name") == "cpu")
    shares = (target.get("averageUtilization") for target in targets if isinstance(target, dict))
    return min((share / 100 for share in shares if isinstance(share, int) and share > 0), default=None)


def _advice(kind: _Kind, units: int, used: float, seen: str, spec: ModelDeploymentSpec) -> _Advice:
    size, asked, limit = kind.spell(units), _amount(kind, spec, "requests"), _amount(kind, spec, "limits")
    wanted = units * kind.unit
    if asked is None:
        verdict, fits = f"asks for nothing, {seen}: {size} would do.", False
    elif _suits(kind, asked, wanted):
        verdict, fits = f"asks for {kind.used(asked)}, {seen}: that fits.", True
    else:
        would = "would do" if wanted < asked else "is needed"
        verdict, fits = f"asks for {kind.used(asked)}, {seen}: {size} {would}.", False
    todo = [] if fits else [f"Set spec.serving.resources.requests.{kind.name} to {size}."]
    near = limit is not None and used > NEAR * limit
    if limit is not None and (near or (not fits and wanted > limit)):
        roomy = kind.spell(max(units, kind.up(used / NEAR)))
        if near:
            verdict += f" The limit of {kind.used(limit)}, where {kind.at_limit}, is near."
        todo.append(f"Raise spec.serving.resources.limits.{kind.name} to {roomy}.")
    return _Advice(size, f"{kind.title}: {verdict}", " ".join(todo))


def _amount(kind: _Kind, spec: ModelDeploymentSpec, which: Literal["requests", "limits"]) -> float | None:
    """In cores or bytes. Kubernetes takes the limit for a request that is not given."""
    resources = spec.serving.resources
    asked = resources.limits.get(kind.name)
    if which == "requests":
        asked = resources.requests.get(kind.name, asked)
    return None if asked is None else float(amount_of(asked))


def _holds(kind: _Kind, last: str, new: str) -> bool:
    return _suits(kind, float(amount_of(last)), float(amount_of(new)))


def _suits(kind: _Kind, present: float, wanted: float) -> bool:
    """Whether there is no reason to change it. It is then above what was used, since STEADY is below the margins."""
    room = max(STEADY * wanted, kind.step * kind.unit)
    return wanted <= present * (1 + STEADY) and present <= wanted + room


def _span(usage: Usage) -> str:
    """From the first to the last sample, to five minutes."""
    minutes = 5 * round((usage.cpu[-1][0] - usage.cpu[0][0]) / 300)
    return spell_duration(f"{minutes}m")
