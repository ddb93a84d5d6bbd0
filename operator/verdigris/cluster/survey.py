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

from verdigris.cluster import kinds
from verdigris.cluster.errors import ApiError, Forbidden
from verdigris.cluster.kinds import Resource
from verdigris.cluster.observe import Reader
from verdigris.cluster.survey_views import add_requests, limit_range_view, node_view, pod_events, quota_view
from verdigris.rollout import capacity, stuck
from verdigris.rollout.observed import Amounts, LimitRangeView, NodeView, Observed, PodEvent, QuotaView, Survey

FRESH_SECONDS = 5.0
"""How long a look at the nodes, or at a pod's Events, serves all models."""
FORBIDDEN_SECONDS = 60.0
"""How long a right that is missing is not asked for again."""
PATIENCE_SECONDS = 3.0
"""How long a reconcile waits for what it can do without."""
PODS_WITH_EVENTS = 5
"""Of so many pods the Events are read at once."""
HOLDING_ROOM = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
"""Field selector of the pods that their nodes hold room for."""

T = TypeVar("T")


class PagedReader(Reader, Protocol):
    """What the survey needs of the client."""

    def pages(
        self, resource: Resource, namespace: str | None, labels: str = "", *, fields: str = ""
    ) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """Like `list`, page by page."""


class _Memory(Generic[T]):
    """What was found, by key, for a while."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, T]] = {}

    def get(self, key: str) -> T | None:
        until, value = self._kept.get(key, (0.0, None))
        return value if self._clock() < until else None

    def keep(self, key: str, value: T, seconds: float) -> T:
        now = self._clock()
        self._kept = {known: kept for known, kept in self._kept.items() if now < kept[0]}
        self._kept[key] = (now + seconds, value)
        return value


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
        self._nodes: _Memory[_Nodes] = _Memory(clock)
        self._refused_limits: _Memory[_Limits] = _Memory(clock)
        self._events: _Memory[tuple[PodEvent, ...]] = _Memory(clock)
        self._flight: asyncio.Task[_Nodes] | None = None

    async def look_further(self, observed: Observed, seen_at: datetime) -> Observed:
        """With what the plan wants to know beside the picture that was begun at `seen_at`. Never raises ApiError."""
        observed = replace(observed, seen_at=seen_at)
        namespace = observed.owner.namespace
        if capacity.wants_survey(observed) or stuck.wants_nodes(observed):
            observed = replace(observed, survey=await self.survey(namespace))
        wanted = stuck.wanted_events(observed, seen_at)
        return replace(observed, events=await self.events(namespace, wanted)) if wanted else observed

    async def survey(self, namespace: str) -> Survey:
        """The nodes, at most FRESH_SECONDS old, and this namespace's limits as they are now.

        `problem` says what could not be seen. When it is set and there are no nodes, nothing is known about nodes.
        """
        nodes, limits = await asyncio.gather(self._see_nodes(), self._see_limits(namespace))
        problems = [problem for problem in (nodes.problem, limits.problem) if problem]
        return Survey(
            at=nodes.at,
            nodes=nodes.views,
            quotas=limits.quotas,
            limit_ranges=limits.ranges,
            problem=" ".join(problems) or None,
        )

    async def events(self, namespace: str, uids: Iterable[str]) -> Mapping[str, tuple[PodEvent, ...]]:
        """The Events about the first PODS_WITH_EVENTS of these pods, by UID, the newest last; none that fail."""
        asked = list(uids)[:PODS_WITH_EVENTS]
        found = await asyncio.gather(*(self._see_events(namespace, uid) for uid in asked))
        return dict(zip(asked, found, strict=True))

    async def _see_nodes(self) -> _Nodes:
        kept = self._nodes.get("")
        if kept is not None:
            return kept
        # One flight for all who ask meanwhile. It goes on when they lose patience: the next look finds what it brought.
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._read_nodes(), name="survey of the nodes")
        try:
            return await _patiently(asyncio.shield(self._flight))
        except TimeoutError:
            return _Nodes(self._now(), problem=f"The nodes could not be read within {PATIENCE_SECONDS:.0f} s.")

    async def _read_nodes(self) -> _Nodes:
        at = self._now()
        try:
            nodes = [node_view(raw) async for page in self._reader.pages(kinds.NODE, None) for raw in page]
            requested = await self._requested()
            views = tuple(replace(node, requested=requested.get(node.name, {})) for node in nodes)
            return self._nodes.keep("", _Nodes(at, views), FRESH_SECONDS)
        except Forbidden as error:
            problem = (
                f"The nodes may not be read, so nobody knows what room they have ({error}). An operator that serves "
                "all namespaces gets the right by capacity.readNodes of its chart; one with watchNamespaces cannot."
            )
            return self._nodes.keep("", _Nodes(at, problem=problem), FORBIDDEN_SECONDS)
        except (ApiError, ValueError) as error:
            return _Nodes(at, problem=f"The nodes could not be read: {error}.")

    async def _requested(self) -> Mapping[str, Amounts]:
        """By node, what its pods have been promised."""
        total: dict[str, dict[str, Decimal]] = {}
        # All pods of a large cluster are more than the operator's memory: each page is summed up as it comes. That is
        # also why no resourceVersion is given: the API server answers "any version" in one piece.
        async for page in self._reader.pages(kinds.POD, None, fields=HOLDING_ROOM):
            add_requests(total, page)
        return total

    async def _see_limits(self, namespace: str) -> _Limits:
        kept = self._refused_limits.get(namespace)
        if kept is not None:
            return kept
        try:
            quotas, ranges = await _patiently(
                asyncio.gather(
                    self._reader.list(kinds.RESOURCE_QUOTA, namespace), self._reader.list(kinds.LIMIT_RANGE, namespace)
                )
            )
            return _Limits(
                tuple(sorted(map(quota_view, quotas), key=lambda quota: quota.name)),
                tuple(sorted(map(limit_range_view, ranges), key=lambda limits: limits.name)),
            )
        except Forbidden as error:
            problem = (
                f"The quotas of namespace {namespace} may not be read ({error}): upgrade the operator's chart, which "
                "lets it list resourcequotas and limitranges."
            )
            return self._refused_limits.keep(namespace, _Limits(problem=problem), FORBIDDEN_SECONDS)
        except (ApiError, ValueError, TimeoutError) as error:
            why = str(error) or f"no answer within {PATIENCE_SECONDS:.0f} s"
            return _Limits(problem=f"The quotas of namespace {namespace} could not be read: {why}.")

    async def _see_events(self, namespace: str, uid: str) -> tuple[PodEvent, ...]:
        kept = self._events.get(uid)
        if kept is not None:
            return kept
        try:
            raws = await _patiently(self._reader.list(kinds.EVENT, namespace, fields=f"involvedObject.uid={uid}"))
            return self._events.keep(uid, pod_events(raws), FRESH_SECONDS)
        except Forbidden:
            return self._events.keep(uid, (), FORBIDDEN_SECONDS)
        except (ApiError, ValueError, TimeoutError):
            return ()


async def _patiently(answer: Awaitable[T]) -> T:
    """Raises TimeoutError after PATIENCE_SECONDS."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await answer
