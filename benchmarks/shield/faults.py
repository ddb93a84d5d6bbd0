"""Servers of the version on trial that are killed or frozen, and an operator and an API server that are frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from benchmarks.shield.common import (
    AS_USUAL,
    FIRST,
    GOOD,
    HELD,
    Row,
    all_clients,
    asked_of,
    end_clients,
    let_pass,
    numbered,
    on_trial,
    seen,
    servers_of,
    spans,
    taken_back,
    tell,
    until_told,
)
from dev.cluster import ClusterError
from dev.cluster.local import Local
from dev.demo.install import NAMESPACE, operator_pods
from dev.demo.kube import Kube
from dev.faults import processes
from tests.e2e.rounds import BAD
from tests.e2e.scene import Scene, merged

ANSWER_WITHIN = 0.4
"""Seconds after which the active pod answers itself: what a limit of 100 ms on the 95th percentile comes to."""
STRUCK = 10.0
"""Seconds for which clients are watched before a fault, and in it."""
BLIND = 60.0
"""Seconds for which the operator and the API server are frozen."""
RARELY_SCRAPED = "15s"
"""Seen seldom enough to be still on trial when the operator is frozen."""

Strike = Callable[[Iterable[int]], AbstractContextManager[None]]


@contextmanager
def _killed(pids: Iterable[int]) -> Iterator[None]:
    processes.kill(pids)
    yield


STRIKES: dict[str, Strike] = {"killed": _killed, "frozen": processes.frozen}


def killed(scene: Scene, *, rate: float) -> Iterator[Row]:
    """One row: all servers of a version that is asked everything get SIGKILL."""
    yield _struck(scene, "killed", rate)


def frozen(scene: Scene, *, rate: float) -> Iterator[Row]:
    """One row: all servers of a version that is asked everything get SIGSTOP."""
    yield _struck(scene, "frozen", rate)


def _struck(scene: Scene, name: str, rate: float) -> Row:
    spec = merged(AS_USUAL, {"rollout": {"bake": "1h", "answerWithin": f"{ANSWER_WITHIN * 1000:g}ms"}})
    scene.given_active(FIRST, **spec)
    with all_clients(scene, rate) as clients:
        scene.apply(GOOD, **spec)
        until_told(scene, 1.0)
        before = let_pass(STRUCK)
        with STRIKES[name](servers_of(scene, GOOD)):
            during = let_pass(STRUCK)
    end_clients(scene)
    calm, asked = spans(clients, before, during)
    row = {
        **seen(asked),
        "answer_within_ms": round(1000 * ANSWER_WITHIN),
        "p99_before_ms": seen(calm)["p99_ms"],
        "asked_before": asked_of(calm, GOOD),
    }
    return tell(row, f"all servers on trial {name}")


def blind(scene: Scene, *, rate: float) -> Iterator[Row]:
    """One row: nobody decides and nobody can be told anything, while a version on trial fails half its calls."""
    rarely = {"monitoring": {"serviceMonitor": {"interval": RARELY_SCRAPED}}}
    spec = merged(merged(AS_USUAL, HELD), rarely)
    scene.given_active(FIRST, **spec)
    victims = _deciders(scene)
    with all_clients(scene, rate) as clients:
        scene.apply(BAD, **numbered(spec, 0))
        scene.until(f"{BAD} to be on trial", on_trial)
        clients.until_answered_by(BAD)
        with processes.frozen(victims):
            span = let_pass(BLIND)
        _, ended = span
        # What was frozen comes round first: nothing is known of how long that takes.
        status = scene.until(f"{BAD} to be taken back", taken_back(), 180)
    end_clients(scene)
    asked, last, after = spans(clients, span, (ended - 10, ended), (ended, clients.requests[-1].due))
    afterwards = seen(after)
    row = {
        **seen(asked),
        "seconds": round(ended - span[0], 1),
        "answered_by_it_in_the_last_10_s": asked_of(last),
        "bad_afterwards": afterwards["bad"],
        "lost_afterwards": afterwards["lost"],
        "outcomes_afterwards": afterwards["outcomes"],
        "spared": status["lastRollback"]["evidence"]["candidate"]["errors"],
    }
    yield tell(row, "operator and API server frozen")


def _deciders(scene: Scene) -> list[int]:
    """The pids of both operators and of the API server. Raises ClusterError where they run elsewhere."""
    backend = scene.cluster.backend
    api_server = backend.daemons.running("kube-apiserver") if isinstance(backend, Local) else None
    if api_server is None:
        raise ClusterError("The API server is no process of this machine: run this with VERDIGRIS_PROVIDER=local.")
    kube = Kube(scene.cluster, NAMESPACE)
    pods = [kube.get("pod", name) or {} for name in operator_pods(scene.cluster)]
    return [pid for pod in pods for pid in processes.of_pod(pod)] + [api_server]


def front(scene: Scene, *, rate: float) -> Iterator[Row]:
    """A row for an active pod that is killed as it is, one that is deleted in a split, and one that is killed there."""
    halved = merged(merged(AS_USUAL, HELD), {"rollout": {"steps": [{"weight": 50, "hold": "1h"}]}})
    scene.given_active(FIRST, **halved)
    with all_clients(scene, rate) as clients:
        struck = {"killed, no split": _lost_front(scene, _kill)}
        scene.apply(GOOD, **halved)
        until_told(scene, 0.5)
        struck["deleted"] = _lost_front(scene, _delete)
        until_told(scene, 0.5)
        struck["killed"] = _lost_front(scene, _kill)
    end_clients(scene)
    for how, span in struck.items():
        (asked,) = spans(clients, span)
        open_then = [request for request in clients.requests if request.due <= span[0] < request.ended]
        yield tell(
            {
                "how": how,
                **seen(asked),
                "open_then_lost": sum(request.result == "lost" for request in open_then),
                "answered_by_the_version_on_trial": asked_of(asked, GOOD),
            },
            f"active pod {how}",
        )


def _lost_front(scene: Scene, strike: Callable[[Scene, str], None]) -> tuple[float, float]:
    """An active pod is lost; the span in which clients may notice. Both active pods are ready again afterwards."""
    before = scene.ready()
    strike(scene, scene.active_pod())
    span = let_pass(STRUCK)
    scene.until("the lost pod to be back", lambda _: scene.ready() == before)
    return span


def _kill(scene: Scene, pod: str) -> None:
    processes.kill(processes.of_pod(scene.kube.get("pod", pod) or {}))


def _delete(scene: Scene, pod: str) -> None:
    scene.kube.delete("pod", pod, "--wait=false")
