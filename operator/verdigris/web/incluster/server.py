"""The site behind aiohttp: TLS is ended before it, by an Ingress or a gateway."""

from __future__ import annotations

import gzip
from contextlib import suppress

from aiohttp import web

from verdigris.web.site.messages import MOST_BODY, STREAM_HEADERS, Answer, Request
from verdigris.web.site.site import Site
from verdigris.web.store import Store

_SMALL = 2048
"""Bytes that are not worth packing."""


async def serve(site: Site, store: Store, port: int) -> tuple[web.AppRunner, int]:
    """Listen on all addresses. Returns the runner to clean up with, and the port (a free one for 0).

    /healthz and /readyz are for the kubelet, which comes under any name. A dead API server makes the page no less
    ready: it says so.
    """
    app = web.Application(client_max_size=MOST_BODY)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        away = store.away
        return web.Response(text=f"ok, but {away}\n" if away else "ok\n")

    async def page(request: web.Request) -> web.StreamResponse:
        return _sent(await site.answer(await _read(request)), request)

    async def stream(request: web.Request) -> web.StreamResponse:
        found = await site.stream(await _read(request))
        if isinstance(found, Answer):
            return _sent(found, request)
        response = web.StreamResponse(headers=STREAM_HEADERS)
        await response.prepare(request)
        # Who has gone away has heard enough.
        with suppress(ConnectionResetError):
            async for one in found:
                await response.write(one)
        return response

    app.router.add_get("/healthz", healthy)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/events", stream)
    app.router.add_get("/{path:.*}", page, allow_head=False)
    app.router.add_post("/{path:.*}", page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    ports = sorted((len(address), address[1]) for address in runner.addresses)
    return runner, ports[0][1]


async def _read(request: web.Request) -> Request:
    form = await request.post() if request.method == "POST" else {}
    return Request(
        method=request.method,
        path=request.path,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        cookies=dict(request.cookies),
        form={name: value for name, value in form.items() if isinstance(value, str)},
    )


def _sent(answer: Answer, request: web.Request) -> web.Response:
    """Packed where the browser takes it: when a change is told, everybody's page is on its way at the same time.

    That its length tells of what is in it helps nobody: no other site can make a browser ask for it (SameSite).
    """
    body, headers = answer.body, answer.all_headers()
    if len(body) > _SMALL and "gzip" in request.headers.get("Accept-Encoding", ""):
        body, headers = gzip.compress(body, 5, mtime=0), {**headers, "Content-Encoding": "gzip"}
    return web.Response(status=answer.status, body=body, headers={**headers, "Vary": "Accept-Encoding"})
