"""What the site answers: the headers of each answer, who is turned away, and what a decision becomes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from tests.web.people import (
    HOST,
    ORIGIN,
    Browser,
    MemoryCluster,
    cluster_of,
    csrf_of,
    let_in,
    opened,
)
from tests.web.scenes import Scene, scene
from verdigris.web.port import Away, Denied
from verdigris.web.site.messages import Answer
from verdigris.web.site.site import ASSETS
from verdigris.web.site.streams import MOST_OF_ONE, TICK

MODEL = "/models/clinic/diabetes"
DECIDE = f"{MODEL}/decisions"


@pytest.fixture
def waiting() -> Scene:
    """A model that waits for an approval."""
    return scene("waiting")


@pytest.fixture
def cluster(waiting: Scene) -> MemoryCluster:
    return cluster_of(waiting.now, waiting.model, waiting.pods)


@pytest.fixture
async def browser(cluster: MemoryCluster, waiting: Scene) -> Browser:
    """Somebody who is in."""
    return await let_in(cluster, waiting.now)


async def form(browser: Browser, **other: str) -> dict[str, str]:
    """The approval that the model's page offers."""
    page = (await browser.get(MODEL)).body
    return {"csrf": csrf_of(page), "verb": "approve", "revision": "v1-47d0ebfbc1", "reason": "looked at it", **other}


def headers(answer: Answer) -> dict[str, str]:
    return answer.all_headers()


async def test_every_answer_has_the_headers_that_keep_others_out(browser: Browser, cluster: MemoryCluster) -> None:
    answers = [await browser.get(path) for path in ("/", MODEL, "/nothing", "/assets/page.css", "/assets/nothing")]
    answers.append(await browser.post(DECIDE, {}))
    cluster.trouble = Away("the API server does not answer.")
    answers.append(await browser.get("/"))
    browser.host = "elsewhere.example"
    answers.append(await browser.get("/"))
    assert [one.status for one in answers] == [200, 200, 404, 200, 404, 403, 503, 403]
    for answer in answers:
        given = headers(answer)
        assert given["X-Content-Type-Options"] == "nosniff"
        assert given["Referrer-Policy"] == "same-origin"
        assert given["X-Frame-Options"] == "DENY"
        assert given["Cache-Control"] in ("no-store", "no-cache")


async def test_the_policy_of_the_page_trusts_its_own_files_and_nothing_else(browser: Browser) -> None:
    policy = headers(await browser.get("/"))["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert set(rules.values()) == {"'none'", "'self'"}
    assert "unsafe" not in policy


async def test_files_are_asked_for_again_only_when_they_have_changed(browser: Browser) -> None:
    for name, of_type in ASSETS.items():
        first = await browser.get(f"/assets/{name}")
        assert first.headers["Content-Type"] == of_type
        assert first.body
        again = await browser.get(f"/assets/{name}", if_none_match=first.headers["ETag"])
        assert (again.status, again.body) == (304, b"")


async def test_the_address_opens_once_and_then_the_cookie_does(cluster: MemoryCluster, waiting: Scene) -> None:
    site, door = opened(cluster, waiting.now)
    first, second = Browser(site), Browser(site)
    given = (await first.get(door.opening.removeprefix(ORIGIN))).headers["Set-Cookie"]
    assert given.endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert "token" not in given
    assert (await first.get("/")).status == 200
    assert "token=None" in door.opening
    for path in ("/?token=None", "/?token=", "/", MODEL):
        assert (await second.get(path)).status == 403


@pytest.mark.parametrize("token", ["", "x", "None", "é"])
async def test_no_other_token_opens(cluster: MemoryCluster, waiting: Scene, token: str) -> None:
    site, _ = opened(cluster, waiting.now)
    assert (await Browser(site).get(f"/?token={token}")).status == 403


@pytest.mark.parametrize("host", ["elsewhere.example", "elsewhere.example:8123", "127.0.0.1", "localhost:1", ""])
async def test_another_host_is_refused_although_the_cookie_is_there(browser: Browser, host: str) -> None:
    browser.host = host
    answer = await browser.get("/")
    assert answer.status == 403
    assert f"open {ORIGIN}".encode() in answer.body


async def test_both_names_of_the_own_machine_are_taken(browser: Browser) -> None:
    browser.host = HOST.replace("127.0.0.1", "localhost")
    assert (await browser.get("/")).status == 200


@pytest.mark.parametrize(
    "bad",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": ORIGIN, "sec_fetch_site": "cross-site"},
        {"origin": ORIGIN, "sec_fetch_site": "same-site"},
        {"origin": ORIGIN.replace("http:", "https:")},
    ],
)
async def test_a_form_of_another_site_does_nothing(
    browser: Browser, cluster: MemoryCluster, bad: dict[str, str]
) -> None:
    given = await form(browser)
    answer = await browser.post(DECIDE, given, **bad)
    assert answer.status == 403
    assert cluster.decided == []


@pytest.mark.parametrize("csrf", ["", "x", "é"])
async def test_a_form_without_the_sessions_token_does_nothing(
    browser: Browser, cluster: MemoryCluster, csrf: str
) -> None:
    answer = await browser.post(DECIDE, await form(browser, csrf=csrf))
    assert answer.status == 403
    assert cluster.decided == []


async def test_a_decision_is_made_as_the_person_about_the_revision_that_was_shown(
    browser: Browser, cluster: MemoryCluster
) -> None:
    answer = await browser.post(DECIDE, await form(browser))
    assert (answer.status, answer.headers["Location"]) == (303, f"{MODEL}#h-history")
    (decided,) = cluster.decided
    assert decided["metadata"] == {"generateName": "diabetes-approve-", "namespace": "clinic"}
    assert decided["spec"] == {
        "modelDeployment": "diabetes",
        "revision": "v1-47d0ebfbc1",
        "verb": "approve",
        "reason": "looked at it",
        "requestedBy": "bob",
    }


async def test_a_decision_about_what_has_moved_on_is_refused(browser: Browser, cluster: MemoryCluster) -> None:
    answer = await browser.post(DECIDE, await form(browser, revision="v1-0000000000"))
    assert answer.status == 409
    assert b"has moved on from v1-0000000000 to v1-47d0ebfbc1" in answer.body
    assert cluster.decided == []


@pytest.mark.parametrize("other", [{"verb": "delete"}, {"verb": ""}, {"revision": ""}])
async def test_there_are_no_other_decisions(browser: Browser, cluster: MemoryCluster, other: dict[str, str]) -> None:
    assert (await browser.post(DECIDE, await form(browser, **other))).status == 404
    assert cluster.decided == []


async def test_what_the_api_server_refuses_is_told_in_its_words(browser: Browser, cluster: MemoryCluster) -> None:
    given = await form(browser)
    cluster.trouble = Denied("bob may not approve diabetes.")
    answer = await browser.post(DECIDE, given)
    assert answer.status == 403
    assert b"bob may not approve diabetes." in answer.body


async def test_an_api_server_that_is_away_gives_a_page_that_says_so(browser: Browser, cluster: MemoryCluster) -> None:
    cluster.trouble = Away("reading modeldeployments: the API server did not answer within 15 s.")
    answer = await browser.get("/")
    assert answer.status == 503
    assert b"<h1>The API server does not answer</h1>" in answer.body
    assert b"did not answer within 15 s" in answer.body


@pytest.mark.parametrize(
    ("rights", "shown"),
    [(("create", "abort"), ["abort"]), (("approve", "promote", "abort"), []), ((), [])],
)
async def test_only_what_one_may_do_is_offered(
    cluster: MemoryCluster, waiting: Scene, rights: tuple[str, ...], shown: list[str]
) -> None:
    cluster.rights = rights
    page = (await (await let_in(cluster, waiting.now)).get(MODEL)).body.decode()
    assert [verb for verb in ("approve", "promote", "abort") if f'id="decide-{verb}"' in page] == shown
    assert "You may not" in page


async def test_a_model_that_is_not_there_is_said_to_be_unknown_or_hidden(browser: Browser) -> None:
    answer = await browser.get("/models/clinic/nothing")
    assert answer.status == 404
    assert b"There is no model nothing in namespace clinic, or you may not see it." in answer.body


def address_of(page: bytes) -> str:
    """Where the page listens."""
    found = re.search(rb'data-live="([^"]+)"', page)
    assert found is not None
    return found[1].decode().replace("&amp;", "&")


async def read(stream: Answer | AsyncIterator[bytes], number: int) -> list[bytes]:
    """The first things that a stream says."""
    assert not isinstance(stream, Answer)
    return [await anext(stream) for _ in range(number)]


async def test_a_stream_says_that_a_model_has_changed_and_nothing_of_it(
    browser: Browser, cluster: MemoryCluster, waiting: Scene
) -> None:
    stream = await browser.stream(address_of((await browser.get(MODEL)).body))
    assert await read(stream, 1) == [b"retry: 3000\n\n"]
    told = asyncio.ensure_future(read(stream, 1))
    assert (await asyncio.wait({told}, timeout=0.2))[0] == set()
    cluster.store.put({**waiting.model, "metadata": {**waiting.model["metadata"], "resourceVersion": "8"}})
    assert (await asyncio.wait({told}, timeout=TICK / 2))[0] == {told}
    assert told.result() == [b"event: changed\ndata: \n\n"]


async def test_what_changed_before_the_stream_began_is_told_at_once(
    browser: Browser, cluster: MemoryCluster, waiting: Scene
) -> None:
    address = address_of((await browser.get("/")).body)
    cluster.store.put({**waiting.model, "metadata": {**waiting.model["metadata"], "resourceVersion": "8"}})
    told = asyncio.ensure_future(read(await browser.stream(address), 2))
    assert (await asyncio.wait({told}, timeout=TICK / 2))[0] == {told}


async def test_nobody_listens_without_being_in(cluster: MemoryCluster, waiting: Scene) -> None:
    site, _ = opened(cluster, waiting.now)
    answer = await Browser(site).stream("/events")
    assert isinstance(answer, Answer)
    assert answer.status == 403


async def test_the_streams_of_a_session_are_bounded(browser: Browser) -> None:
    streams = [await browser.stream("/events") for _ in range(MOST_OF_ONE + 1)]
    for stream in streams[:-1]:
        assert await read(stream, 1) == [b"retry: 3000\n\n"]
    with pytest.raises(StopAsyncIteration):
        await read(streams[-1], 1)
    for stream in streams[:-1]:
        assert not isinstance(stream, Answer)
        await stream.aclose()  # type: ignore[attr-defined]
    assert await read(await browser.stream("/events"), 1) == [b"retry: 3000\n\n"]
