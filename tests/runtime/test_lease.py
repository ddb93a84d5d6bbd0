"""Leadership: one at a time, through API errors, and given back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev.cluster import Cluster
from tests.runtime.fake_api import FakeApi
from tests.runtime.test_queue import Clock
from verdigris.adapters.kube.lease import Elector, LeaseTerms
from verdigris.adapters.kube.transport.client import Client
from verdigris.adapters.kube.transport.connection import from_kubeconfig
from verdigris.adapters.kube.transport.errors import Unreachable
from verdigris.adapters.kube.transport.kinds import LEASE

NAMESPACE = "system"


def elector(
    api: Any, identity: str, clock: Callable[[], float], namespace: str = NAMESPACE, scale: float = 1
) -> Elector:
    terms = LeaseTerms(
        namespace,
        "operator",
        identity,
        duration=timedelta(seconds=15 * scale),
        renew_deadline=timedelta(seconds=10 * scale),
        retry_period=timedelta(seconds=2 * scale),
    )
    return Elector(api, terms, clock, lambda: datetime.now(UTC))


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_the_first_one_leads_and_the_second_stands_by(api: FakeApi, clock: Clock) -> None:
    assert await elector(api, "a", clock).try_once()
    second = elector(api, "b", clock)
    assert not await second.try_once()
    assert second.holder == "a"


async def test_a_standby_takes_over_when_the_leader_falls_silent_and_not_before(api: FakeApi, clock: Clock) -> None:
    await elector(api, "a", clock).try_once()
    second = elector(api, "b", clock)
    await second.try_once()
    clock.now += 15
    assert not await second.try_once()
    clock.now += 0.1
    assert await second.try_once()
    assert api.at("Lease", NAMESPACE, "operator")["spec"]["leaseTransitions"] == 1


async def test_each_renewal_that_is_seen_starts_the_wait_anew(api: FakeApi, clock: Clock) -> None:
    first, second = elector(api, "a", clock), elector(api, "b", clock)
    await first.try_once()
    await second.try_once()
    clock.now += 14
    api.at("Lease", NAMESPACE, "operator")["spec"]["renewTime"] = "2026-11-23T10:00:14.000000Z"
    assert not await second.try_once()
    clock.now += 14
    assert not await second.try_once()


async def test_a_lease_that_was_given_back_is_taken_at_once(api: FakeApi, clock: Clock) -> None:
    first = elector(api, "a", clock)
    await first.try_once()
    await first.release()
    assert await elector(api, "b", clock).try_once()


async def test_only_the_holder_gives_it_back(api: FakeApi, clock: Clock) -> None:
    await elector(api, "a", clock).try_once()
    await elector(api, "b", clock).release()
    assert api.at("Lease", NAMESPACE, "operator")["spec"]["holderIdentity"] == "a"


async def test_the_duration_is_never_rounded_below_the_renew_deadline(api: FakeApi, clock: Clock) -> None:
    await elector(api, "a", clock, scale=0.1).try_once()
    assert api.at("Lease", NAMESPACE, "operator")["spec"]["leaseDurationSeconds"] == 2


async def test_of_two_that_try_at_once_one_leads(api: FakeApi, clock: Clock) -> None:
    api.put(
        {
            "kind": "Lease",
            "metadata": {"name": "operator", "namespace": NAMESPACE},
            "spec": {"holderIdentity": ""},
        }
    )
    tries = [elector(api, name, clock).try_once() for name in "ab"]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [result for result in results if result is True] == [True]


async def test_acquiring_survives_api_errors(api: FakeApi) -> None:
    failures = iter([Unreachable("no answer"), Unreachable("no answer"), None])
    api.fault = lambda verb, *_: next(failures, None) if verb == "get" else None
    await asyncio.wait_for(elector(api, "a", asyncio.get_running_loop().time, scale=0.01).acquire(), 5)
    assert api.at("Lease", NAMESPACE, "operator")["spec"]["holderIdentity"] == "a"


async def test_holding_survives_errors_that_are_shorter_than_the_deadline(api: FakeApi) -> None:
    held = elector(api, "a", asyncio.get_running_loop().time, scale=0.05)
    await held.try_once()
    failures = iter([Unreachable("no answer")] * 3)
    api.fault = lambda *_: next(failures, None)
    holding = asyncio.create_task(held.hold())
    done, _ = await asyncio.wait({holding}, timeout=0.9)
    assert not done
    assert len(api.calls) > 6
    holding.cancel()


async def test_holding_ends_at_the_deadline_when_the_api_stays_away(api: FakeApi) -> None:
    loop = asyncio.get_running_loop()
    held = elector(api, "a", loop.time, scale=0.02)
    await held.try_once()
    api.fault = lambda *_: Unreachable("no answer")
    began = loop.time()
    await asyncio.wait_for(held.hold(), 5)
    assert 0.2 <= loop.time() - began < 0.8


async def test_holding_ends_at_the_deadline_also_when_the_api_never_answers() -> None:
    class Silent(FakeApi):
        async def get(self, *_: Any) -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.wait_for(elector(Silent(), "a", loop.time, scale=0.02).hold(), 5)
    assert 0.2 <= loop.time() - began < 0.8


async def test_a_slow_renewal_counts_from_when_it_was_asked_for() -> None:
    """The standby may have seen the write long before we got the answer."""

    class Slow(FakeApi):
        async def replace(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            if any(verb == "replace" for verb, _, _ in self.calls):
                raise Unreachable("no answer")
            written = await super().replace(*args, **kwargs)
            await asyncio.sleep(0.6)
            return written

    loop = asyncio.get_running_loop()
    held = elector(Slow(), "a", loop.time, scale=0.1)
    await held.try_once()
    began = loop.time()
    await asyncio.wait_for(held.hold(), 5)
    assert 1 <= loop.time() - began < 1.5


async def test_a_renewal_is_a_single_write(api: FakeApi) -> None:
    held = elector(api, "a", asyncio.get_running_loop().time, scale=0.01)
    await held.try_once()
    api.calls.clear()
    holding = asyncio.create_task(held.hold())
    async with asyncio.timeout(5):
        while len(api.calls) < 3:
            await asyncio.sleep(0.01)
    holding.cancel()
    assert {verb for verb, _, _ in api.calls} == {"replace"}


async def test_holding_ends_when_another_has_taken_the_lease(api: FakeApi) -> None:
    held = elector(api, "a", asyncio.get_running_loop().time, scale=0.02)
    await held.try_once()
    await api.patch(LEASE, NAMESPACE, "operator", {"spec": {"holderIdentity": "b"}})
    await asyncio.wait_for(held.hold(), 5)
    assert held.holder == "b"


@pytest.fixture
async def real(cluster: Cluster) -> AsyncIterator[tuple[Client, str]]:
    namespace = f"lease-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", namespace)
    client = Client(from_kubeconfig(cluster.kubeconfig))
    yield client, namespace
    await client.close()
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.cluster
async def test_the_real_api_server_hands_leadership_over(real: tuple[Client, str]) -> None:
    client, namespace = real
    clock = asyncio.get_running_loop().time
    first, second = (elector(client, name, clock, namespace, scale=0.2) for name in "ab")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    holding = asyncio.create_task(first.hold())
    done, _ = await asyncio.wait({waiting, holding}, timeout=3.5)
    assert not done, "the leader renews, the standby waits"
    holding.cancel()
    await first.release()
    await asyncio.wait_for(waiting, 5)
    assert second.holder == "b"
