"""Watches, by kopf: the only module that imports it. An event enqueues a key, or is only heard; kopf writes nothing.

What changed is not passed on: the reconcile reads for itself. An event whose meaning is only that somebody's status
ticked over (an HPA's, every 15 s) does nothing. One that brings no look may still be news to the next (`Hear`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain, repeat
from typing import Any, cast

import kopf

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.port import Key
from verdigris.adapters.kube.transport import kinds
from verdigris.adapters.kube.transport.connection import Connection
from verdigris.adapters.kube.transport.kinds import Resource
from verdigris.children.names import CLAIM_ANNOTATION, MODEL_LABEL, SHIELD_ANNOTATION, TRAFFIC_ANNOTATION
from verdigris.core.facts.urgency import Urgency, urgency_of_decision

log = logging.getLogger(__name__)

Enqueue = Callable[[Key, Urgency], None]
"""What is told of an event: which model it is about, and how soon that has to be looked at."""
Hear = Callable[[Key, str | None, Mapping[str, Any]], None]
"""What is told of every event after which a look from memory might differ from a live one: model, kind, object."""

_SERVER_TIMEOUT = 600
_TOLD = (TRAFFIC_ANNOTATION, SHIELD_ANNOTATION)
_DEPLOYMENT_STATUS = ("readyReplicas", "availableReplicas", "updatedReplicas", "replicas")


async def watch(
    connection: Connection,
    namespaces: Collection[str],
    resources: Collection[Resource],
    *,
    enqueue: Enqueue,
    hear: Hear,
    started: asyncio.Event,
) -> None:
    """Watch until cancelled. Returns or raises only when the watching is broken: then the process must end.

    `resources` are kinds that the API server knows. `started` is set when kopf has set up its signal handlers,
    which the caller will want to take back.
    """
    registry = kopf.OperatorRegistry()
    settings = _settings(resources)
    events = Filter(enqueue, hear)

    async def on_event(event: Mapping[str, Any], **_: Any) -> None:
        events.take(event["type"], event["object"])

    for resource in resources:
        on = kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=resource.plural)
        on(on_event)

    @kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def login(**_: Any) -> kopf.AiohttpSession:
        # kopf closes the session on its own terms, so it gets one of its own. Our session renews tokens by itself.
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=connection.session())

    await kopf.operator(
        registry=registry,
        settings=settings,
        standalone=True,
        # Else kopf looks up the name of the user that it runs as, and an image need not know 65532.
        identity=cast(Any, "verdigris"),
        clusterwide=not namespaces,
        namespaces=tuple(namespaces),
        ready_flag=started,
    )


class _Forever:
    """Delays for retries that never run out: an API server that is away is waited for, watches do not die of it."""

    def __iter__(self) -> Iterator[float]:
        return chain((0.2, 0.5, 1.0, 2.0, 3.0), repeat(5.0))


def _settings(resources: Collection[Resource]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # The kinds are given and were checked; watching CRDs and namespaces would need rights that nothing else does.
    settings.scanning.disabled = True
    settings.networking.error_backoffs = _Forever()
    settings.networking.request_timeout = 30.0
    settings.networking.connect_timeout = 5.0
    settings.watching.server_timeout = _SERVER_TIMEOUT
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 0.2
    settings.process.ultimate_exiting_timeout = None
    for resource in resources:
        if resource in kinds.WATCHED:
            settings.watching.label_selectors[resource.group, resource.version, resource.plural] = MODEL_LABEL
    return settings


class Filter:
    """Turns events into keys, and leaves out those that change nothing a reconcile looks at.

    `hear` is told of every event but the ticks of an autoscaler: one too many costs no more than a live look.
    """

    def __init__(self, enqueue: Enqueue, hear: Hear = lambda *_: None) -> None:
        self._enqueue = enqueue
        self._hear = hear
        self._last: dict[str, tuple[Key, str]] = {}

    def take(self, kind: str | None, raw: Mapping[str, Any]) -> None:
        """One event: `kind` is ADDED, MODIFIED, DELETED, or None when `raw` comes from a listing."""
        uid = views.metadata(raw)["uid"]
        key = key_of(raw) or self._last.get(uid, (None, ""))[0]
        if key is None:
            return
        if _is_history(raw):
            self._last.pop(uid, None)
            return
        if raw.get("kind") == kinds.POD.kind:
            self._hear(key, kind, raw)
            self._told(key, kind, raw)
            return
        about, before = self._last.pop(uid, (key, None))
        if about != key:
            # Its label names another model now. The one that it was taken from has to know as well.
            self._hear(about, "DELETED", raw)
            self._enqueue(about, urgency_by(raw))
        seen = None if kind == "DELETED" else fingerprint(raw)
        if seen is not None:
            self._last[uid] = key, seen
        # A listing is passed on always: what was lost between two watches may be why there is one.
        is_new = seen != before or seen is None or kind is None
        if is_new or raw.get("kind") != kinds.AUTOSCALER.kind:
            self._hear(key, kind, raw)
        if is_new:
            self._enqueue(key, urgency_by(raw))

    def _told(self, key: Key, kind: str | None, raw: Mapping[str, Any]) -> None:
        """What a pod goes through brings no look: its Deployment and its endpoints tell when it matters.

        What it is told about its clients does: a write of ours that is carried out late would stay until the resync.
        """
        meta = views.metadata(raw)
        _, before = self._last.pop(meta["uid"], (key, None))
        if kind == "DELETED":
            return
        told = json.dumps([(meta.get("annotations") or {}).get(name) for name in _TOLD])
        self._last[meta["uid"]] = key, told
        if before is not None and told != before:
            self._enqueue(key, urgency_by(raw))


def urgency_by(raw: Mapping[str, Any]) -> Urgency:
    """How soon this event has to be looked at; a model that is known to be more urgent stays that.

    Of what a person has done (a new spec, a decision) and of a rollout under way, which a restarted operator learns so.
    """
    if raw.get("kind") == kinds.ROLLOUT_DECISION.kind:
        return urgency_of_decision(str((raw.get("spec") or {}).get("verb")))
    if raw.get("kind") != kinds.MODEL_DEPLOYMENT.kind:
        return Urgency.STEADY
    status = raw.get("status") or {}
    rollout = status.get("rollout")
    if isinstance(rollout, Mapping):
        if rollout.get("stage") == "RollingBack" or (rollout.get("evidence") or {}).get("verdict") == "Fail":
            return Urgency.ROLLBACK
        return Urgency.EXPOSED if rollout.get("weight") and status.get("active") else Urgency.ROLLOUT
    is_new = status.get("observedGeneration") != views.metadata(raw).get("generation")
    return Urgency.ROLLOUT if is_new else Urgency.STEADY


def _is_history(raw: Mapping[str, Any]) -> bool:
    """A decision that has been answered: there may be thousands, and nobody looks at them again."""
    return raw.get("kind") == kinds.ROLLOUT_DECISION.kind and bool((raw.get("status") or {}).get("outcome"))


def key_of(raw: Mapping[str, Any]) -> Key | None:
    """Which ModelDeployment an object is about; None when it is about none."""
    meta = views.metadata(raw)
    if raw.get("kind") == kinds.MODEL_DEPLOYMENT.kind:
        name = meta.get("name")
    elif raw.get("kind") == kinds.ROLLOUT_DECISION.kind:
        name = (raw.get("spec") or {}).get("modelDeployment")
    else:
        name = (meta.get("labels") or {}).get(MODEL_LABEL)
        if raw.get("kind") == kinds.HTTP_ROUTE.kind:
            # A user's own route has no label of ours; a model that writes its weights says so.
            name = (meta.get("annotations") or {}).get(CLAIM_ANNOTATION) or name
    return Key(meta["namespace"], name) if isinstance(name, str) and name else None


def fingerprint(raw: Mapping[str, Any]) -> str:
    """Equal for two states of an object between which a reconcile need not look."""
    meta = views.metadata(raw)
    seen: dict[str, Any] = {
        name: meta.get(name) for name in ("labels", "annotations", "ownerReferences", "deletionTimestamp")
    }
    seen |= {name: value for name, value in raw.items() if name not in ("metadata", "status")}
    if raw.get("kind") == kinds.MODEL_DEPLOYMENT.kind and not _is_looked_at(raw):
        # A write of ours that is carried out late would stay until the resync.
        seen["status"] = raw.get("status")
    if raw.get("kind") == kinds.DEPLOYMENT.kind:
        status = raw.get("status") or {}
        seen["status"] = [status.get(name) for name in _DEPLOYMENT_STATUS]
        seen["conditions"] = [(c.get("type"), c.get("status"), c.get("reason")) for c in status.get("conditions") or ()]
        # Written by the Deployment controller on each roll-out of its own.
        annotations = dict(meta.get("annotations") or {})
        annotations.pop("deployment.kubernetes.io/revision", None)
        seen["annotations"] = annotations
    if raw.get("kind") == kinds.HTTP_ROUTE.kind:
        # What the gateways say about it, and of which state of it.
        parents = (raw.get("status") or {}).get("parents") or ()
        seen["parents"] = [
            [(c.get("type"), c.get("status"), c.get("observedGeneration")) for c in parent.get("conditions") or ()]
            for parent in parents
        ]
    if raw.get("kind") == kinds.AUTOSCALER.kind:
        # Two on one Deployment are told here, and nowhere else, for as long as neither scales.
        conditions = (raw.get("status") or {}).get("conditions") or ()
        seen["scaling"] = [c.get("reason") for c in conditions if c.get("type") == "ScalingActive"]
    return hashlib.sha256(json.dumps(seen, sort_keys=True, default=str).encode()).hexdigest()


def _is_looked_at(parent: Mapping[str, Any]) -> bool:
    """Whether a rollout is under way, or a version watched on: then looks come by themselves anyway."""
    status = parent.get("status") or {}
    return bool(status.get("rollout") or (status.get("warm") or {}).get("evidence"))
