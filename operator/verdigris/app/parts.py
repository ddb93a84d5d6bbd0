"""The parts of the running operator, wired by the settings."""

from __future__ import annotations

import socket
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp

from verdigris.adapters.kube.lease import Elector, LeaseTerms
from verdigris.adapters.kube.reading.admission import Guard
from verdigris.adapters.kube.reading.memory import Memory
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.reading.survey import Surveyor
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.connection import Connection
from verdigris.adapters.kube.writing.events import Recorder
from verdigris.adapters.prometheus.access import Access
from verdigris.adapters.prometheus.session import open_session
from verdigris.adapters.prometheus.source import PrometheusSource
from verdigris.adapters.registry.mlflow import MlflowRegistry
from verdigris.app import audit_setup, webhook_setup
from verdigris.app.aliases import AliasDesk
from verdigris.app.evidence import GRACE, EvidenceDesk
from verdigris.app.metrics import Metrics, QueueMetrics
from verdigris.app.namespaces import NamespaceAccess
from verdigris.app.queue import WorkQueue
from verdigris.app.reconcile import Reconciler
from verdigris.app.settings import Settings
from verdigris.app.statuses import Statuses
from verdigris.app.tags import TagDesk
from verdigris.children.names import Defaults

if TYPE_CHECKING:
    # Imported once they are asked for.
    from verdigris.app.audit import Trail
    from verdigris.app.webhooks import Webhooks

PER_NAMESPACE = 2
"""Looks that one namespace may have under way at once, for each worker, slow ones included."""


@dataclass(frozen=True)
class Parts:
    """What one operator process is made of. `Runtime` starts and ends what runs."""

    metrics: Metrics
    questions: aiohttp.ClientSession
    """Asks everybody but the API server."""
    client: Client
    queue: WorkQueue[Key]
    namespaces: NamespaceAccess
    identity: str
    """Who this process is when it leads."""
    elector: Elector
    desk: EvidenceDesk
    aliases: AliasDesk
    tags: TagDesk
    guard: Guard
    memory: Memory
    trail: Trail | None
    webhooks: Webhooks | None
    reconciler: Reconciler

    @property
    def tellers(self) -> list[Trail | Webhooks]:
        """Who tells others what each status says has happened, beside the reconciles."""
        return [one for one in (self.trail, self.webhooks) if one is not None]

    async def close(self) -> None:
        """Close the connections."""
        await self.questions.close()
        await self.client.close()


def build(settings: Settings, connection: Connection) -> Parts:
    """Nothing of it runs yet. Call it in the event loop that will run it."""
    metrics = Metrics(_now)
    questions = open_session()
    client = Client(connection, metrics.wrote)
    queue = _queue(settings, metrics)
    namespaces = NamespaceAccess()
    metrics.watch_namespaces(lambda: tuple(namespaces.lost_namespaces))
    terms = _terms(settings)
    desk = _desk(settings, questions, queue, metrics)
    registry = _registry(settings, questions)
    aliases = AliasDesk(registry, queue.add, now=_now)
    tags = TagDesk(registry, queue.add, settings.registry_cluster)
    guard = Guard(client, settings.decision_policy, time.monotonic)
    memory = Memory(client, time.monotonic)
    statuses = Statuses()
    trail = audit_setup.trail(settings, client, statuses, metrics.registry, identity=terms.identity, now=_now)
    webhooks = webhook_setup.webhooks(settings.webhooks, questions, metrics.registry, _now)
    statuses.follow(*([trail.notes] if trail else ()), *([webhooks] if webhooks else ()))

    def gone(key: Key) -> None:
        desk.forget(key)
        statuses.gone(key)

    reconciler = Reconciler(
        client=client,
        evidence=desk,
        usage=desk,
        grace=GRACE,
        on_gone=gone,
        # All of them are kept: where nobody follows them, none.
        saw=statuses.saw if trail or webhooks else None,
        aliases=aliases,
        tags=tags,
        recorder=Recorder(client, time.monotonic, _now, socket.gethostname()),
        metrics=metrics,
        defaults=_defaults(settings),
        memory=memory,
        surveyor=Surveyor(client, time.monotonic, _now),
        guard=guard,
    )
    return Parts(
        metrics=metrics,
        questions=questions,
        client=client,
        queue=queue,
        namespaces=namespaces,
        identity=terms.identity,
        elector=Elector(client, terms, time.monotonic, _now),
        desk=desk,
        aliases=aliases,
        tags=tags,
        guard=guard,
        memory=memory,
        trail=trail,
        webhooks=webhooks,
        reconciler=reconciler,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _queue(settings: Settings, metrics: Metrics) -> WorkQueue[Key]:
    queue: WorkQueue[Key] = WorkQueue(
        observer=QueueMetrics(metrics.registry, lambda: queue.depth),
        namespace_of=lambda key: key.namespace,
        per_namespace=settings.workers * PER_NAMESPACE,
    )
    return queue


def _terms(settings: Settings) -> LeaseTerms:
    return LeaseTerms(
        settings.lease_namespace,
        settings.lease_name,
        f"{settings.identity}_{uuid.uuid4().hex[:8]}",
        settings.lease_duration,
        settings.lease_renew_deadline,
        settings.lease_retry_period,
    )


def _desk(
    settings: Settings, questions: aiohttp.ClientSession, queue: WorkQueue[Key], metrics: Metrics
) -> EvidenceDesk:
    own = [settings.prometheus_address] if settings.prometheus_address is not None else []
    prometheus = PrometheusSource(questions, access=Access(own, settings.prometheus_credentials))
    return EvidenceDesk(prometheus, prometheus, queue.add, time.monotonic, metrics.asked)


def _registry(settings: Settings, questions: aiohttp.ClientSession) -> MlflowRegistry | None:
    address = settings.registry_address
    if address is None:
        return None
    return MlflowRegistry(questions, address, Access([address], settings.registry_credentials).papers)


def _defaults(settings: Settings) -> Defaults:
    return Defaults(
        settings.serving_image,
        settings.prometheus_address,
        {"onnx": settings.serving_image_onnx, "sklearn": settings.serving_image_sklearn},
        prometheus_allowed=settings.prometheus_allowed,
        prometheus_matchers=settings.prometheus_matchers,
        isolated_queries=settings.isolate_queries,
        pull_secrets=settings.serving_pull_secrets,
        any_user=settings.any_user,
        runbooks=settings.runbooks,
    )
