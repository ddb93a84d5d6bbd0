"""A look beyond the model: nodes, the namespace's limits, and the Events of pods that are stuck.

What cannot be seen is told in a sentence and stops nothing: a rollout, and above all a rollback, goes on without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from verdigris.adapters.kube.reading.port import Reader
from verdigris.adapters.kube.reading.survey_views import (
    add_requests,
    limit_range_view,
    node_view,
    pod_events,
    quota_view,
)
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Forbidden
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.core.facts.observed import Observed, PodEvent
from verdigris.core.facts.survey import Amounts, LimitRangeView, NodeView, QuotaView, Survey
from verdigris.core.pods.diagnosis import chain as stuck
from verdigris.core.pods.room import fit as capacity
from verdigris.core.routing.service import may_go_back

FRESH_SECONDS = 5.0
"""How long a look at the nodes, or at a pod's Events, serves all models."""
FORBIDDEN_SECONDS = 60.0
"""How long a right that is missing is not asked for again."""
PATIENCE_SECONDS = 3.0
"""How long a reconcile waits for what it can do without."""
ROLLBACK_PATIENCE_SECONDS = 0.2
"""The same where clients may have to go back: nothing delays that (law 1)."""
LAST_SECONDS = 30.0
"""How long a look that is no longer fresh stands in for one that takes long, so that messages do not come and go."""
PODS_WITH_EVENTS = 5
"""Of how many pods the Events are read in one look."""
HOLDING_ROOM = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
"""Field selector of the pods that their nodes hold room for."""

T = TypeVar("T")


def goes_further(observed: Observed, now: datetime) -> bool:
    """Whether a look at this picture would read more than the picture: pods are stuck, end, or wait for a place."""
    return _wants_survey(observed) or bool(stuck.wanted_events(observed, now))


def _wants_survey(observed: Observed) -> bool:
    return capacity.wants_survey(observed) or stuck.wants_nodes(observed)


class PagedReader(Reader, Protocol):
    """What the survey needs of the client."""

    def pages(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """Like `list`, page by page."""


class _Reads(Generic[T]):
    """Reads by key. One at a time for each, which goes on when those who wait for it lose patience.

    `read` gives what it has found, and for how many seconds that serves everybody.
    """

    def __init__(self, clock: Callable[[], float], read: Callable[..., Awaitable[tuple[T, float]]]) -> None:
        self._clock = clock
        self._read = read
        self._kept: dict[tuple[str, ...], tuple[float, T]] = {}
        self._flights: dict[tuple[str, ...], asyncio.Task[T]] = {}

    async def see(self, *key: str, patience: float) -> T | None:
        """What is fresh, else what a read brings within `patience`, else what was found last; None: nothing."""
        until, last = self._kept.get(key, (0.0, None))
        if self._clock() < until:
            return last
        flight = self._flights.get(key)
        if flight is None or flight.done():
            flight = self._flights[key] = asyncio.create_task(self._fly(key), name=f"survey {' '.join(key)}")
        await asyncio.wait({flight}, timeout=patience)
        if flight.done():
            return flight.result()
        return last if self._clock() < until + LAST_SECONDS else None

    async def _fly(self, key: tuple[str, ...]) -> T:
        try:
            found, seconds = await self._read(*key)
        finally:
            del self._flights[key]
        now = self._clock()
        self._kept = {known: kept for known, kept in self._kept.items() if now < kept[0] + LAST_SECONDS}
        self._kept[key] = (now + seconds, found)
        return found


@dataclass(frozen=True)
class _Nodes:
    at: datetime
    views: tuple[NodeView, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class _Limits:
    quotas: tuple[QuotaView, ...] = ()
    ranges: tuple[LimitRangeView, ...] = ()
    problem: str | None = None


class Surveyor:
    """Looks for all models of this process. `clock` is monotonic, in seconds."""

    def __init__(self, reader: PagedReader, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._now = now
        self._nodes = _Reads(clock, self._read_nodes)
        self._limits = _Reads(clock, self._read_limits)
        self._events = _Reads(clock, self._read_events)

    async def look_further(self, observed: Observed, seen_at: datetime) -> Observed:
        """With what the plan wants to know beside the picture that was begun at `seen_at`. Never raises ApiError."""
        observed = replace(observed, seen_at=seen_at)
        namespace = observed.owner.namespace
        patience = ROLLBACK_PATIENCE_SECONDS if may_go_back(observed) else PATIENCE_SECONDS
        if _wants_survey(observed):
            observed = replace(observed, survey=await self.survey(namespace, patience))
        wanted = stuck.wanted_events(observed, seen_at)
        return replace(observed, events=await self.events(namespace, wanted, patience)) if wanted else observed

    async def survey(self, namespace: str, patience: float | None = None) -> Survey:
        """The nodes, at most FRESH_SECONDS old, and this namespace's limits as they are now.

        What takes longer than `patience` (default: PATIENCE_SECONDS) is as it was seen last, or a `problem`, which says
        what could not be seen. When it is set and there are no nodes, nothing is known about nodes.
        """
        patience = PATIENCE_SECONDS if patience is None else patience
        nodes, limits = await asyncio.gather(
            self._nodes.see(patience=patience), self._limits.see(namespace, patience=patience)
        )
        nodes = nodes or _Nodes(self._now(), problem="The nodes could not be read in time.")
        limits = limits or _Limits(problem=f"The quotas of namespace {namespace} could not be read in time.")
        problems = [problem for problem in (nodes.problem, limits.problem) if problem]
        return Survey(
            at=nodes.at,
            nodes=nodes.views,
            quotas=limits.quotas,
            limit_ranges=limits.ranges,
            problem=" ".join(problems) or None,
        )

    async def events(
        self, namespace: str, uids: Iterable[str], patience: float | None = None
    ) -> Mapping[str, tuple[PodEvent, ...]]:
        """The Events about the first PODS_WITH_EVENTS of these pods, by UID, the newest last; none that fail."""
        patience = PATIENCE_SECONDS if patience is None else patience
        asked = list(uids)[:PODS_WITH_EVENTS]
        found = await asyncio.gather(*(self._events.see(namespace, uid, patience=patience) for uid in asked))
        return {uid: events or () for uid, events in zip(asked, found, strict=True)}

    async def _read_nodes(self) -> tuple[_Nodes, float]:
        at = self._now()
        try:
            nodes = [node_view(raw) async for page in self._reader.pages(kinds.NODE, None) for raw in page]
            requested = await self._requested()
            views = tuple(replace(node, requested=requested.get(node.name, {})) for node in nodes)
            return _Nodes(at, views), FRESH_SECONDS
        except Forbidden as error:
            problem = (
                f"The nodes may not be read, so nobody knows what room they have ({error}). An operator that serves "
                "all namespaces gets the right by capacity.readNodes of its chart; one with watchNamespaces cannot."
            )
            return _Nodes(at, problem=problem), FORBIDDEN_SECONDS
        except (ApiError, ValueError) as error:
            return _Nodes(at, problem=f"The nodes could not be read: {error}."), 0

    async def _requested(self) -> Mapping[str, Amounts]:
        """By node, what its pods have been promised."""
        total: dict[str, dict[str, Decimal]] = {}
        # All pods of a large cluster are more than the operator's memory: each page is summed up as it comes. That is
        # also why no resourceVersion is given: the API server answers "any version" in one piece.
        async for page in self._reader.pages(kinds.POD, None, fields=HOLDING_ROOM):
            add_requests(total, page)
        return total

    async def _read_limits(self, namespace: str) -> tuple[_Limits, float]:
        try:
            quotas, ranges = await asyncio.gather(
                self._reader.list(kinds.RESOURCE_QUOTA, namespace), self._reader.list(kinds.LIMIT_RANGE, namespace)
            )
            limits = _Limits(
                tuple(sorted(map(quota_view, quotas), key=lambda quota: quota.name)),
                tuple(sorted(map(limit_range_view, ranges), key=lambda limits: limits.name)),
            )
            return limits, 0
        except Forbidden as error:
            problem = (
                f"The quotas of namespace {namespace} may not be read ({error}): upgrade the operator's chart, which "
                "lets it list resourcequotas and limitranges."
            )
            return _Limits(problem=problem), FORBIDDEN_SECONDS
        except (ApiError, ValueError) as error:
            return _Limits(problem=f"The quotas of namespace {namespace} could not be read: {error}."), 0

    async def _read_events(self, namespace: str, uid: str) -> tuple[tuple[PodEvent, ...], float]:
        try:
            raws = await self._reader.list(kinds.EVENT, namespace, fields=f"involvedObject.uid={uid}")
            return pod_events(raws), FRESH_SECONDS
        except Forbidden:
            return (), FORBIDDEN_SECONDS
        except (ApiError, ValueError):
            return (), 0
