"""`python -m verdigris.web.incluster`: serve the page. Exit codes: 0 stopped as asked, 2 settings."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.connection import Connection, ConnectionFault, connect
from verdigris.adapters.prometheus.access import Access
from verdigris.adapters.prometheus.session import open_session
from verdigris.app import logs
from verdigris.app.settings import Settings, SettingsError, from_environment
from verdigris.web.incluster.cluster import Asking, Bell, PersonsCluster, Shared
from verdigris.web.incluster.curves import Curves
from verdigris.web.incluster.door import ClusterDoor
from verdigris.web.incluster.following import follow
from verdigris.web.incluster.people import People
from verdigris.web.incluster.server import serve
from verdigris.web.incluster.sessions import Session, Sessions
from verdigris.web.site.site import Site
from verdigris.web.store import Store


def main() -> int:
    """Read the settings, connect, serve until told to stop."""
    try:
        settings = from_environment()
        connection = connect()
    except (SettingsError, ConnectionFault) as fault:
        print(f"the page cannot start: {fault}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    asyncio.run(_run(settings, connection))
    return 0


async def _run(settings: Settings, connection: Connection) -> None:
    over = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, over.set)
    async with AsyncExitStack() as stack:
        await begin(settings, connection, stack)
        await over.wait()


async def begin(settings: Settings, connection: Connection, stack: AsyncExitStack) -> int:
    """Follow the models and serve; the port. What was begun ends with the stack."""
    client, store = Client(connection), Store(_now)
    stack.push_async_callback(client.close)
    session = open_session()
    stack.push_async_callback(session.close)
    own = [settings.prometheus_address] if settings.prometheus_address else []
    access = Access(own, settings.prometheus_credentials)
    curves = Curves(session, access, settings.prometheus_address, settings.prometheus_matchers)
    tasks = [asyncio.create_task(follow(client, store, one)) for one in settings.namespaces or (None,)]
    for task in tasks:
        stack.callback(task.cancel)
    site = site_of(client, store, connection, curves.measured, settings.page_url)
    runner, port = await serve(site, store, settings.port)
    stack.push_async_callback(runner.cleanup)
    return port


def site_of(client: Client, store: Store, connection: Connection, ask: Asking, url: str | None) -> Site:
    """The site over this store. Call it in the running loop."""
    people, shared, bell = People(client, time.monotonic), Shared(client, time.monotonic), Bell()
    store.on_change(bell.ring)

    def as_person(token: str) -> Client:
        return Client(connection.bearing(token))

    def as_seen_by(session: Session) -> PersonsCluster:
        return PersonsCluster(
            session, store=store, people=people, shared=shared, bell=bell, ask=ask, as_person=as_person
        )

    door = ClusterDoor(people, Sessions(time.monotonic), as_seen_by, url)
    return Site(door, _now, time.monotonic, asyncio.sleep)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
