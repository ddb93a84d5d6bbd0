"""What every test may ask for, and the order in which `make test` runs them: see `tests/order.py`."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from dev.cluster import Cluster, ensure_up
from dev.cluster.patience import PACE
from dev.cluster.settings import from_environment
from dev.demo.install import install_operator
from dev.demo.probe import probe
from tests import order
from tests.e2e.places import MLFLOW

# The same examples in every run: a change is judged by itself, not by luck. `--hypothesis-profile=explore` looks for
# new ones. How long an example takes says nothing on a machine that runs a cluster beside it.
settings.register_profile(
    "same", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put them in order, and keep what shares the cluster in one process.

    First, because pytest-xdist reads the groups in the same hook: what it does not know of runs in any process.
    """
    order.arrange(items)
    for item in items:
        # Beside a cluster that takes both cores a thread or a socket may come a second late. What only computes fails
        # again; all else is shown in full, below.
        if not item.get_closest_marker("lifecycle"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show which scenarios took longest, and in full why a test failed before it passed.

    It is a fault of somebody's all the same.
    """
    reports = [
        report for some in terminalreporter.stats.values() for report in some if hasattr(report, "user_properties")
    ]
    played = {report.nodeid: dict(report.user_properties).get(order.PLAYED) for report in reports}
    longest = sorted(((seconds, name) for name, seconds in played.items() if seconds), reverse=True)[:SHOWN]
    if longest:
        terminalreporter.section(f"slowest {len(longest)} scenarios, each without what it waited for others")
        for seconds, name in longest:
            terminalreporter.write_line(f"{seconds:.1f}s {name}")
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"failed once, run again: {report.nodeid}", red=True)
        terminalreporter.write_line(report.longreprtext)


SHOWN = 15
"""So many of the slowest scenarios."""
ONLY_COMPUTES = 15
"""How nice a process is while it runs tests that need no cluster."""
_TURNS = order.Turns(from_environment().cache / "tests.lock")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """A test that changes the whole cluster waits for those that ask it in another process, and they for it.

    What only computes fills the gaps: clients, pods and probes wait for the processor less.
    """
    slot = order.slot_of(item)
    with suppress(PermissionError):  # of who may not take back what they gave away
        os.setpriority(os.PRIO_PROCESS, 0, ONLY_COMPUTES if order.only_computes(item) else 0)
    _TURNS.begin(slot)
    try:
        return (yield)
    finally:
        if nextitem is None or order.slot_of(nextitem) is not slot:
            _TURNS.end()


def pytest_xdist_auto_num_workers() -> int:
    """A process for the tests on the cluster, and at least one for the others."""
    return min(8, max(2, os.cpu_count() or 1))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A real Kubernetes cluster with DNS, metrics-server and Prometheus; brought up when it is not up yet."""
    return ensure_up()


@pytest.fixture(scope="session")
def operator(cluster: Cluster) -> Cluster:
    """The cluster with the project's images on its nodes and the operator installed as a user would."""
    cluster.load_images()
    with cluster.alone():
        install_operator(
            cluster,
            "gatewayApi.enabled=true",
            "serviceMonitor.enabled=true",
            "serviceMonitor.interval=2s",
            f"registry.address={MLFLOW}",
        )
    PACE.started(probe(cluster))
    return cluster
