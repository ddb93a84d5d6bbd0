"""/healthz, /readyz and /metrics, for the kubelet and Prometheus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

Check = Callable[[], str | None]
"""None when all is well, else the sentence that says what is not."""


def _nothing() -> str | None:
    return None


async def serve(
    port: int, healthy: Check, ready: Check, metrics: Callable[[], bytes], notice: Check = _nothing
) -> tuple[web.AppRunner, int]:
    """Listen on all addresses. Returns the runner to clean up with, and the port (a free one for 0).

    `notice` is what people should know although the replica is ready; /readyz says it.

    That there is an answer at all shows that the event loop turns; `healthy` looks at what runs on it.
    """
    app = web.Application()
    app.router.add_get("/healthz", _answering(healthy, _nothing))
    app.router.add_get("/readyz", _answering(ready, notice))

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, port=port)
    await site.start()
    # For port 0, IPv4 and IPv6 get one each; addresses of IPv4 have two parts.
    ports = sorted((len(address), address[1]) for address in runner.addresses)
    return runner, ports[0][1]


def _answering(check: Check, notice: Check) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        problem, told = check(), notice()
        well = "ok" if told is None else f"ok, but {told}"
        return web.Response(text=f"{problem or well}\n", status=503 if problem else 200)

    return answer
