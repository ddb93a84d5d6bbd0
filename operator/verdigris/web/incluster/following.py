"""Keeps the store up to date: a list, then a watch, again and again."""

from __future__ import annotations

import asyncio
import logging

from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.adapters.kube.transport.kinds import MODEL_DEPLOYMENT
from verdigris.core.words import sentence
from verdigris.web.store import Store

WATCHED = 240
"""Seconds that a watch lasts. The list before the next one heals what was lost between the two."""
_AGAIN = 2.0

log = logging.getLogger(__name__)


async def follow(client: Client, store: Store, namespace: str | None) -> None:
    """For ever; None: all namespaces. While the API server is away the store says so."""
    while True:
        await _once(client, store, namespace)
        await asyncio.sleep(_AGAIN)


async def _once(client: Client, store: Store, namespace: str | None) -> None:
    try:
        store.replace(await client.list(MODEL_DEPLOYMENT, namespace), namespace)
        async for event in client.watch(MODEL_DEPLOYMENT, namespace, WATCHED):
            (store.drop if event.get("type") == "DELETED" else store.put)(event["object"])
    except ApiError as error:
        log.warning("%s", error)
        store.lost(sentence(str(error)))
