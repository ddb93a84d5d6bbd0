"""The page as a Deployment, over HTTP: two people, two namespaces, an API server that knows what each may do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest

from dev.cluster.patience import stretched
from tests.web.scenes import named, scene
from tests.web.stub_api import OWN, StubApi, served
from verdigris.adapters.kube.transport.connection import Connection
from verdigris.app.settings import Settings
from verdigris.web.incluster.__main__ import begin

ALICE, BOB = "token-of-alice", "token-of-bob"
SETTINGS = Settings(port=0, page_url=None, prometheus_address=None)
READS = {("get", "modeldeployments"), ("list", "modeldeployments"), ("list", "pods"), ("list", "rolloutdecisions")}
READS |= {("list", "deployments"), ("list", "services")}


@dataclass
class Visitor:
    """A browser over real HTTP. `host`: what it believes to talk to."""

    session: aiohttp.ClientSession
    address: str
    host: str
    cookies: dict[str, str] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, Any, str]:
        """Status, headers and body; cookies are kept, redirects not followed."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"Host": self.host, "Cookie": cookie, "Origin": f"http://{self.host}", **headers}
        async with self.session.request(
            method, self.address + path, data=form, headers=sent, allow_redirects=False
        ) as answer:
            for one in answer.headers.getall("Set-Cookie", []):
                self.given.append(one)
                name, _, value = one.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.headers, await answer.text()

    async def sign_in(self, token: str, **headers: str) -> int:
        """As a person does: open the form, paste the token."""
        _, _, page = await self.ask("GET", "/login")
        status, _, _ = await self.ask("POST", "/login", {"csrf": csrf_of(page), "token": token}, **headers)
        return status


@dataclass
class Page:
    """The page that is served, and who visits it."""

    api: StubApi
    address: str
    session: aiohttp.ClientSession

    def visitor(self, host: str = "localhost:8080") -> Visitor:
        return Visitor(self.session, self.address, host)

    async def somebody(self, token: str) -> Visitor:
        """Who is in."""
        one = self.visitor()
        assert await one.sign_in(token) == 303
        return one


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None, page[:300]
    return found[1]


def api_of_two() -> StubApi:
    """alice sees and decides in clinic, bob sees lab alone."""
    api = StubApi(people={ALICE: "alice", BOB: "bob"})
    api.rights["alice"] = {(verb, resource, "clinic") for verb, resource in READS}
    decides = {("approve", "modeldeployments"), ("create", "rolloutdecisions")}
    api.rights["alice"] |= {(verb, resource, "clinic") for verb, resource in decides}
    api.rights["bob"] = {(verb, resource, "lab") for verb, resource in READS - {("list", "pods")}}
    one = scene("waiting")
    api.put(named(one, "clinic", "diabetes"))
    api.put(named(one, "lab", "imaging"))
    api.others = one.pods
    return api


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """By kubectl port-forward, as far as it knows."""
    async with AsyncExitStack() as stack:
        yield await serving(stack, SETTINGS)


async def serving(stack: AsyncExitStack, settings: Settings) -> Page:
    api = api_of_two()
    connection = Connection(await stack.enter_async_context(served(api)), None, lambda: OWN)
    port = await begin(settings, connection, stack)
    session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
    made = Page(api, f"http://127.0.0.1:{port}", session)
    await until(lambda: bool(api.watchers))
    return made


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(stretched(20)):
        while not holds():
            await asyncio.sleep(0.02)


async def test_two_people_see_two_namespaces(page: Page) -> None:
    alice, bob = await page.somebody(ALICE), await page.somebody(BOB)
    _, _, of_alice = await alice.ask("GET", "/")
    _, _, of_bob = await bob.ask("GET", "/")
    assert "as <strong>alice</strong>" in of_alice
    assert re.findall(r'href="(/models/[^"]+)"', of_alice) == ["/models/clinic/diabetes"]
    assert "Waits for you (1)" in of_alice
    assert re.findall(r'href="(/models/[^"]+)"', of_bob) == ["/models/lab/imaging"]
    assert "Waits for somebody else (1)" in of_bob
    hidden, absent = await bob.ask("GET", "/models/clinic/diabetes"), await bob.ask("GET", "/models/clinic/nothing")
    assert (hidden[0], absent[0]) == (404, 404)
    assert hidden[2].replace("diabetes", "nothing") == absent[2]


async def test_what_a_person_may_not_list_is_not_read_for_them(page: Page) -> None:
    bob = await page.somebody(BOB)
    _, _, shown = await bob.ask("GET", "/models/lab/imaging")
    assert "Pods are not shown: bob may not list pods in namespace lab." in shown
    assert not [path for _, path, _ in page.api.asked if path.endswith("/namespaces/lab/pods")]
    assert "You may not approve, promote, abort." in shown


async def test_a_decision_is_created_with_the_persons_own_token(page: Page) -> None:
    alice = await page.somebody(ALICE)
    _, _, shown = await alice.ask("GET", "/models/clinic/diabetes")
    form = {"csrf": csrf_of(shown), "verb": "approve", "revision": "v1-47d0ebfbc1", "reason": "looked at it"}
    status, headers, _ = await alice.ask("POST", "/models/clinic/diabetes/decisions", form)
    assert (status, headers["Location"]) == (303, "/models/clinic/diabetes#h-history")
    ((who, made),) = page.api.created
    assert (who, made["spec"]["requestedBy"], made["spec"]["verb"]) == ("alice", "alice", "approve")
    writes = [(path, token) for method, path, token in page.api.asked if method == "POST" and "review" not in path]
    assert writes == [("/apis/verdigris.dev/v1alpha1/namespaces/clinic/rolloutdecisions", ALICE)]


async def test_who_may_not_decide_is_told_by_the_api_server_although_the_form_was_sent(page: Page) -> None:
    bob = await page.somebody(BOB)
    _, _, shown = await bob.ask("GET", "/")
    form = {"csrf": csrf_of(shown), "verb": "approve", "revision": "v1-47d0ebfbc1", "reason": "x"}
    status, _, told = await bob.ask("POST", "/models/lab/imaging/decisions", form)
    assert status == 403
    assert "User &quot;bob&quot; cannot create resource" in told
    assert page.api.created == []


async def test_the_form_of_one_person_is_of_no_use_to_another(page: Page) -> None:
    alice, bob = await page.somebody(ALICE), await page.somebody(BOB)
    _, _, shown = await bob.ask("GET", "/")
    form = {"csrf": csrf_of(shown), "verb": "approve", "revision": "v1-47d0ebfbc1", "reason": "x"}
    assert (await alice.ask("POST", "/models/clinic/diabetes/decisions", form))[0] == 403
    assert page.api.created == []


async def test_without_a_session_there_is_a_form_and_nothing_else(page: Page) -> None:
    nobody = page.visitor()
    for path in ("/", "/models/clinic/diabetes"):
        status, headers, body = await nobody.ask("GET", path)
        assert (status, headers["Location"], body) == (303, "/login", "")
    assert (await nobody.ask("GET", "/events"))[0] == 401
    assert (await nobody.ask("POST", "/models/clinic/diabetes/decisions", {}))[0] == 403
    assert not [path for _, path, _ in page.api.asked if "review" in path]


@pytest.mark.parametrize("token", ["nobody's token", "x", "", "tab\tin it", "y" * 9000])
async def test_a_token_that_is_nobodys_signs_nobody_in(page: Page, token: str) -> None:
    visitor = page.visitor()
    assert await visitor.sign_in(token) == 403
    assert (await visitor.ask("GET", "/"))[0] == 303


@pytest.mark.parametrize("headers", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_nobody_is_signed_in_from_another_site(page: Page, headers: dict[str, str]) -> None:
    assert await page.visitor().sign_in(ALICE, **headers) == 403
    visitor = page.visitor()
    assert (await visitor.ask("POST", "/login", {"csrf": "x" * 43, "token": ALICE}))[0] == 403


async def test_signing_out_forgets_the_token(page: Page) -> None:
    alice = await page.somebody(ALICE)
    _, _, shown = await alice.ask("GET", "/")
    kept = dict(alice.cookies)
    status, headers, _ = await alice.ask("POST", "/logout", {"csrf": csrf_of(shown)})
    assert (status, headers["Location"]) == (303, "/login")
    alice.cookies = kept
    assert (await alice.ask("GET", "/"))[0] == 303


async def test_the_token_is_in_no_cookie_and_on_no_page(page: Page) -> None:
    alice = await page.somebody(ALICE)
    _, _, shown = await alice.ask("GET", "/models/clinic/diabetes")
    assert ALICE not in "".join(alice.given) + shown
    for one in alice.given:
        assert "; HttpOnly; SameSite=Strict" in one


async def test_every_answer_has_the_policy(page: Page) -> None:
    alice = await page.somebody(ALICE)
    for path in ("/", "/nothing", "/login", "/assets/page.js", "/models/clinic/diabetes"):
        _, headers, _ = await alice.ask("GET", path)
        assert headers["Content-Security-Policy"].startswith("default-src 'none'"), path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_pages_are_packed_for_who_takes_it(page: Page) -> None:
    alice = await page.somebody(ALICE)
    _, packed, shown = await alice.ask("GET", "/models/clinic/diabetes")
    _, plain, same = await alice.ask("GET", "/models/clinic/diabetes", **{"Accept-Encoding": "identity"})
    assert (packed["Content-Encoding"], plain.get("Content-Encoding")) == ("gzip", None)
    assert int(packed["Content-Length"]) < int(plain["Content-Length"]) / 3
    assert "diabetes" in shown
    assert "diabetes" in same


async def test_by_port_forward_it_is_reached_by_names_of_the_own_machine_alone(page: Page) -> None:
    for host in ("verdigris-page.verdigris-system.svc", "10.0.0.7:8080", "localhost.example"):
        assert (await page.visitor(host).ask("GET", "/login"))[0] == 403
    for host in ("localhost:9999", "127.0.0.1:8080", "[::1]:8080"):
        assert (await page.visitor(host).ask("GET", "/login"))[0] == 200


async def test_behind_tls_cookies_are_for_tls_and_for_that_host_alone() -> None:
    async with AsyncExitStack() as stack:
        page = await serving(stack, replace(SETTINGS, page_url="https://models.example.com"))
        visitor = page.visitor("models.example.com")
        assert await visitor.sign_in(ALICE, Origin="https://models.example.com") == 303
        for one in visitor.given:
            assert one.startswith("__Host-verdigris")
            assert one.count("; Path=/; HttpOnly; SameSite=Strict; Secure") == 1
        assert (await page.visitor("localhost:8080").ask("GET", "/login"))[0] == 403
        assert await page.visitor("models.example.com").sign_in(ALICE) == 403


async def test_an_api_server_that_is_away_gives_a_page_that_says_so(page: Page) -> None:
    alice = await page.somebody(ALICE)
    page.api.away = True
    status, _, shown = await alice.ask("GET", "/")
    assert status == 503
    assert "<h1>The API server does not answer</h1>" in shown
    assert "unable to handle the request" in shown
    ready = await alice.ask("GET", "/readyz")
    assert ready[0] == 200


async def test_the_kubelet_may_ask_under_any_name(page: Page) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await page.visitor("10.0.0.7:8080").ask("GET", path))[0] == 200


async def test_a_change_is_told_to_those_who_may_see_it_and_to_nobody_else(page: Page) -> None:
    alice, bob = await page.somebody(ALICE), await page.somebody(BOB)
    streams = [asyncio.ensure_future(first_change(one)) for one in (alice, bob)]
    await asyncio.sleep(0)
    model = named(scene("waiting"), "clinic", "diabetes")
    number = iter(range(100, 10_000))

    def told_alice() -> bool:
        model["metadata"]["resourceVersion"] = str(next(number))
        page.api.put({**model, "metadata": dict(model["metadata"])})
        return streams[0].done()

    await until(told_alice)
    assert not streams[1].done()
    streams[1].cancel()


async def first_change(visitor: Visitor) -> None:
    """Until the stream of the list tells of a change since the page was drawn."""
    _, _, shown = await visitor.ask("GET", "/")
    live = re.search(r'data-live="([^"]+)"', shown)
    assert live is not None
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    headers = {"Host": visitor.host, "Cookie": cookie}
    async with visitor.session.get(visitor.address + live[1], headers=headers) as answer:
        async for line in answer.content:
            if line == b"event: changed\n":
                return
