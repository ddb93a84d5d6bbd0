"""`dashboard [--port N]`: serve the page on 127.0.0.1 until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import time
from dataclasses import replace

from verdigris.cli import asking
from verdigris.cli.commands.common import connection, now
from verdigris.cli.exits import CliError
from verdigris.cli.kubectl import Asked, Kubectl
from verdigris.cli.model.reading import part, text
from verdigris.cli.refusals import Refused
from verdigris.web.loopback.cluster import KubectlCluster
from verdigris.web.loopback.door import LoopbackDoor
from verdigris.web.loopback.following import Follower
from verdigris.web.loopback.server import Server, wait
from verdigris.web.site.site import Site
from verdigris.web.store import Store


def run(options: argparse.Namespace) -> int:
    """Print the address and serve. Ends with Ctrl-C, or with the error that nothing could be listed."""
    given = connection(options)
    everywhere = Kubectl(replace(given, namespace=""))
    store = Store(now)
    follower, told = _following(Kubectl(given), everywhere, store, given.namespace)
    with Server(options.port) as server:
        cluster = KubectlCluster(everywhere, store, _person(everywhere), told)
        door = LoopbackDoor(cluster, server.port)
        follower.start()
        print(f"Open {door.opening}")
        print("It opens once, in one browser, and shows what you may see. End it with Ctrl-C.", flush=True)
        # Whoever ends the process by a signal means the same as by Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            server.begin(Site(door, now, time.monotonic, wait))
        finally:
            follower.stop()
    return 0


def _following(own: Kubectl, everywhere: Kubectl, store: Store, namespace: str) -> tuple[Follower, tuple[str, ...]]:
    """All namespaces, or, where one was named or only one may be listed, that one; with the sentence that says so."""
    if not namespace:
        follower = Follower(everywhere, store, _all(watch=False), _all(watch=True))
        try:
            follower.relist()
        except Refused as error:
            told = f"Only the models of one namespace are shown: {error}"
        else:
            return follower, ()
    else:
        told = f"Only the models of namespace {namespace} are shown, as -n asks for it."
    follower = Follower(own, store, asking.models(), asking.models(watch=True))
    follower.relist()
    return follower, (told,)


def _all(*, watch: bool) -> Asked:
    return asking.models(everywhere=True, watch=watch)


def _person(kubectl: Kubectl) -> str:
    answer = kubectl.documents([asking.whoami()])[0]
    name = "" if isinstance(answer, CliError) else text(part(answer, "status", "userInfo"), "username")
    if not name:
        raise CliError(
            "The API server does not say who you are (kubectl auth whoami). Log in again, as for kubectl get."
        )
    return name
