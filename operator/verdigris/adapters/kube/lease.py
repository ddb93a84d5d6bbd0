"""Leadership by a Lease of our own: survives API errors until the renew deadline, then gives up for good."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.errors import ApiError, Conflict, NotFound
from verdigris.adapters.kube.transport.kinds import Resource

log = logging.getLogger(__name__)


class LeaseApi(Protocol):
    """What of the client is needed here."""

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """Raises NotFound."""

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Raises AlreadyExists."""

    async def replace(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Raises Conflict when the object has changed since it was read."""


@dataclass(frozen=True)
class LeaseTerms:
    """The lease's name and times. A standby takes over `duration` after the last renewal that it has seen."""

    namespace: str
    name: str
    identity: str
    duration: timedelta = timedelta(seconds=15)
    renew_deadline: timedelta = timedelta(seconds=10)
    retry_period: timedelta = timedelta(seconds=2)


class Elector:
    """Acquires the lease, keeps it, gives it back.

    Other holders are judged by when *we* saw their record change, on our own steady clock: wall clocks of two
    nodes need not agree. `clock` is in seconds; `now` is only written into the lease, for people.
    """

    def __init__(
        self,
        api: LeaseApi,
        terms: LeaseTerms,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._terms = terms
        self._clock = clock
        self._now = now
        self._live: dict[str, Any] | None = None
        self._seen_at = 0.0
        self.heard_at: float | None = None
        """When the API server last answered about the lease, by `clock`; None before the first time."""

    async def acquire(self) -> None:
        """Returns as soon as we lead, however long that takes."""
        while True:
            try:
                if await self.try_once():
                    log.info("this replica leads now: it holds the lease %s", self._terms.name)
                    return
            except ApiError as error:
                log.warning("the lease could not be tried for: %s", error)
            await asyncio.sleep(self._terms.retry_period.total_seconds())

    async def hold(self) -> None:
        """Keeps renewing; returns only when leadership is lost. Then the process must end."""
        renewed = self._clock()
        while self._clock() - renewed < self._terms.renew_deadline.total_seconds():
            await asyncio.sleep(self._terms.retry_period.total_seconds())
            before = self._clock()
            left = renewed + self._terms.renew_deadline.total_seconds() - before
            try:
                async with asyncio.timeout(max(0.0, left)):
                    held = await self._renew()
            except (ApiError, TimeoutError) as error:
                log.warning("the lease could not be renewed: %s", error or "no answer in time")
                continue
            if not held:
                log.error("the lease %s is held by %s now", self._terms.name, self.holder or "nobody")
                return
            # From before the request: the standby counts from when it sees the write, never earlier.
            renewed = before
        log.error("the lease %s could not be renewed for %s", self._terms.name, self._terms.renew_deadline)

    async def release(self) -> None:
        """Give it back, so that a standby need not wait. Best effort: what fails here expires by itself."""
        try:
            # Read again: a renewal that was cut off may have been carried out.
            self._observe(await self._api.get(kinds.LEASE, self._terms.namespace, self._terms.name))
            if self._live is None or self.holder != self._terms.identity:
                return
            await self._replace(self._live, {**self._spec(), "holderIdentity": "", "leaseDurationSeconds": 1})
        except ApiError as error:
            log.warning("the lease could not be given back and will expire: %s", error)

    async def _renew(self) -> bool:
        """Write over what we wrote last; only when that was not the last word, look who has the lease."""
        if self._live is not None and self.holder == self._terms.identity:
            try:
                await self._replace(self._live, self._spec())
            except (Conflict, NotFound):
                return await self.try_once()
            return True
        return await self.try_once()

    async def try_once(self) -> bool:
        """Take or renew the lease if that is possible now. Raises ApiError when the API server fails us."""
        try:
            live = await self._api.get(kinds.LEASE, self._terms.namespace, self._terms.name)
        except NotFound:
            await self._create()
            return True
        self._observe(live)
        if not self._may_take():
            return False
        await self._replace(live, self._spec())
        return True

    @property
    def holder(self) -> str:
        """Who holds the lease as far as we have seen; empty: nobody."""
        spec = (self._live or {}).get("spec") or {}
        return str(spec.get("holderIdentity") or "")

    def _observe(self, live: dict[str, Any]) -> None:
        self.heard_at = self._clock()
        if self._live is None or self._live.get("spec") != live.get("spec"):
            self._seen_at = self._clock()
        self._live = live

    def _may_take(self) -> bool:
        if self.holder in ("", self._terms.identity):
            return True
        seconds = ((self._live or {}).get("spec") or {}).get("leaseDurationSeconds")
        duration = float(seconds) if seconds is not None else self._terms.duration.total_seconds()
        return self._clock() - self._seen_at > duration

    def _spec(self) -> dict[str, Any]:
        old = (self._live or {}).get("spec") or {}
        at = self._now().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        mine = old.get("holderIdentity") == self._terms.identity
        return {
            "holderIdentity": self._terms.identity,
            # Whole seconds, says the API; rounded down, a standby would not wait for the renew deadline.
            "leaseDurationSeconds": math.ceil(self._terms.duration.total_seconds()),
            "acquireTime": old.get("acquireTime", at) if mine else at,
            "renewTime": at,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if mine else 1),
        }

    async def _create(self) -> None:
        self._live = None
        meta = {"name": self._terms.name, "namespace": self._terms.namespace}
        body = {
            "apiVersion": kinds.LEASE.api_version,
            "kind": kinds.LEASE.kind,
            "metadata": meta,
            "spec": {**self._spec(), "leaseTransitions": 0},
        }
        self._observe(await self._api.create(kinds.LEASE, self._terms.namespace, body))

    async def _replace(self, live: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        meta = {
            "name": self._terms.name,
            "namespace": self._terms.namespace,
            "resourceVersion": views.metadata(live)["resourceVersion"],
        }
        body = {"apiVersion": kinds.LEASE.api_version, "kind": kinds.LEASE.kind, "metadata": meta, "spec": dict(spec)}
        self._observe(await self._api.replace(kinds.LEASE, self._terms.namespace, self._terms.name, body))
