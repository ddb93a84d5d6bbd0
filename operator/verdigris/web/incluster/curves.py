"""Asks the operator's own Prometheus for the curves of a model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import aiohttp

from verdigris.adapters.prometheus.access import Access
from verdigris.adapters.prometheus.asking import ask
from verdigris.adapters.prometheus.wire import Unusable
from verdigris.core.words import sentence
from verdigris.web.port import Key
from verdigris.web.timeline import Measured, Span, questions, read

_PATIENCE, _MOST = 3.0, 2 * 1024 * 1024
_AT_ONCE = 8
"""Questions at the same time: the operator's judgement must not wait for pictures."""


class Curves:
    """`address` None: there is no Prometheus. `matchers`: of every series of this cluster."""

    def __init__(
        self, session: aiohttp.ClientSession, access: Access, address: str | None, matchers: Mapping[str, str]
    ) -> None:
        self._session = session
        self._access = access
        self._address = address
        self._matchers = matchers
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def measured(self, key: Key, span: Span) -> Measured:
        """Never raises: why there are none is a sentence in it."""
        if self._address is None:
            return Measured(problem="the page was given no address (prometheus.address of the chart).")
        asked = questions(key.namespace, key.name, span, self._matchers)
        try:
            answers = await asyncio.gather(*(self._ask(query, span) for query in asked.values()))
            found = {name: read(json.loads(one)) for name, one in zip(asked, answers, strict=True)}
        except Unusable as problem:
            return Measured(problem=sentence(f"Prometheus {problem}"))
        except ValueError as error:
            return Measured(problem=sentence(f"Prometheus' answer cannot be used: {error}"))
        return Measured(found["requests"], found["errors"])

    async def _ask(self, query: str, span: Span) -> bytes:
        fields = {"query": query, "start": f"{span.begin}", "end": f"{span.end}", "step": f"{span.step}"}
        async with self._turns:
            url = f"{self._address}/api/v1/query_range"
            return await ask(self._session, self._access, url, fields, seconds=_PATIENCE, most=_MOST)
