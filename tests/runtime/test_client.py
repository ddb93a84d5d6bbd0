"""The client's manners over HTTP: pages, errors in words, time limits, writes counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from verdigris.cluster import client as module
from verdigris.cluster import errors, kinds
from verdigris.cluster.client import Client
from verdigris.cluster.connection import Connection

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Stage:
    """A client, and the server that it talks to."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[Any] = []
        self.written: list[str] = []
        self.answers: list[web.Response | Answer] = []
        self.client: Client

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        body = await request.read()
        self.bodies.append(json.loads(body) if body else None)
        answer = self.answers.pop(0)
        return answer if isinstance(answer, web.Response) else await answer(request)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stage.handle)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        stage.client = Client(Connection(url, None, lambda: None), stage.written.append)
        yield stage
        await stage.client.close()


def status(code: int, reason: str = "", message: str = "", **rest: Any) -> web.Response:
    body = {"kind": "Status", "reason": reason, "message": message} | rest
    return web.json_response(body, status=code)


async def test_a_list_is_read_page_by_page(stage: Stage) -> None:
    stage.answers = [
        web.json_response({"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "more"}}),
        web.json_response({"items": [{"metadata": {"name": "b"}}], "metadata": {}}),
    ]
    found = await stage.client.list(kinds.POD, "ns", "x=y")
    assert [raw["metadata"]["name"] for raw in found] == ["a", "b"]
    assert {raw["kind"] for raw in found} == {"Pod"}
    assert dict(stage.requests[1].query) == {"limit": "500", "labelSelector": "x=y", "continue": "more"}


async def test_a_large_list_can_be_read_without_holding_it_all(stage: Stage) -> None:
    stage.answers = [
        web.json_response({"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "more"}}),
        web.json_response({"items": [], "metadata": {}}),
    ]
    found = [page async for page in stage.client.pages(kinds.NODE, None, fields="spec.unschedulable!=true")]
    assert found == [[{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}], []]
    asked = {"limit": "500", "fieldSelector": "spec.unschedulable!=true"}
    assert [request.path for request in stage.requests] == ["/api/v1/nodes"] * 2
    assert [dict(request.query) for request in stage.requests] == [asked, asked | {"continue": "more"}]


async def test_names_cannot_leave_their_place_in_the_path(stage: Stage) -> None:
    stage.answers = [web.json_response({})]
    await stage.client.get(kinds.POD, "ns", "../../x?y")
    assert stage.requests[0].raw_path == "/api/v1/namespaces/ns/pods/..%2F..%2Fx%3Fy"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (status(404, "NotFound", "pods x not found"), errors.NotFound),
        (status(409, "Conflict", "changed"), errors.Conflict),
        (status(409, "AlreadyExists", "there"), errors.AlreadyExists),
        (status(403, "Forbidden", "no right"), errors.Forbidden),
        (status(403, "Forbidden", "exceeded quota: small"), errors.QuotaExceeded),
        (
            status(403, "Forbidden", "is being terminated", details={"causes": [{"reason": "NamespaceTerminating"}]}),
            errors.NamespaceTerminating,
        ),
        (status(422, "Invalid", "spec.x is wrong"), errors.Invalid),
        (
            status(422, "Invalid", "immutable", details={"causes": [{"field": "metadata.uid"}]}),
            errors.Conflict,
        ),
        (status(400, "BadRequest", "what?"), errors.Invalid),
        (status(401, "Unauthorized", "who?"), errors.Transient),
        (status(429, "TooManyRequests", "slowly"), errors.Transient),
        (status(500, "InternalError", "oh"), errors.Transient),
        (status(504, "Timeout", "oh"), errors.Transient),
    ],
)
async def test_an_answer_becomes_an_error_of_its_kind_that_says_what_was_asked(
    stage: Stage, answer: web.Response, kind: type[errors.ApiError]
) -> None:
    said = json.loads(answer.body)["message"]  # type: ignore[arg-type]
    stage.answers = [answer]
    with pytest.raises(errors.ApiError) as caught:
        await stage.client.get(kinds.POD, "ns", "x")
    assert type(caught.value) is kind
    assert str(caught.value) == f"reading Pod ns/x: {said}"
    assert stage.written == []


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=429, headers={"Retry-After": "7"}),
        status(503, "ServiceUnavailable", "later", details={"retryAfterSeconds": 7}),
    ],
)
async def test_the_wait_that_the_server_asks_for_is_passed_on(stage: Stage, answer: web.Response) -> None:
    stage.answers = [answer]
    with pytest.raises(errors.Transient) as caught:
        await stage.client.get(kinds.POD, "ns", "x")
    assert caught.value.retry_after == 7


async def test_a_proxys_page_is_quoted(stage: Stage) -> None:
    stage.answers = [web.Response(status=502, text="<h1>bad gateway</h1>")]
    with pytest.raises(errors.Transient, match="bad gateway"):
        await stage.client.get(kinds.POD, "ns", "x")


async def test_an_answer_that_does_not_come_is_unreachable(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    monkeypatch.setattr(module, "TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    stage.answers = [never]
    with pytest.raises(errors.Unreachable, match=r"reading Pod ns/x: .* did not answer within 0.05 s"):
        await stage.client.get(kinds.POD, "ns", "x")


async def test_a_connection_that_breaks_is_unreachable(stage: Stage) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    stage.answers = [hang_up, hang_up, hang_up]
    with pytest.raises(errors.Unreachable, match="cannot be reached"):
        await stage.client.get(kinds.POD, "ns", "x")


async def test_every_write_that_was_carried_out_is_counted(stage: Stage) -> None:
    stage.answers = [*(web.json_response({}) for _ in range(5)), status(409, "Conflict", "changed")]
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "ns", "name": "x"}}
    await stage.client.apply(manifest)
    await stage.client.create(kinds.EVENT, "ns", {})
    await stage.client.replace(kinds.LEASE, "ns", "x", {})
    await stage.client.patch(kinds.POD, "ns", "x", {})
    await stage.client.delete(kinds.DEPLOYMENT, "ns", "x", "uid")
    with pytest.raises(errors.Conflict):
        await stage.client.patch(kinds.POD, "ns", "x", {})
    assert stage.written == ["Service", "Event", "Lease", "Pod", "Deployment"]
    assert stage.requests[0].content_type == "application/apply-patch+yaml"
    assert dict(stage.requests[0].query) == {"fieldManager": "verdigris", "force": "true"}
    assert stage.requests[3].content_type == "application/merge-patch+json"
    assert stage.bodies[4]["preconditions"] == {"uid": "uid"}


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (web.json_response({"resources": [{"name": "servicemonitors"}]}), True),
        (web.json_response({"resources": [{"name": "podmonitors"}]}), False),
        (status(404, "NotFound", "the server could not find the requested resource"), False),
    ],
)
async def test_it_is_found_out_which_kinds_are_served(stage: Stage, answer: web.Response, known: bool) -> None:
    stage.answers = [answer]
    assert await stage.client.knows(kinds.SERVICE_MONITOR) is known


async def test_an_eviction_names_the_very_pod(stage: Stage) -> None:
    stage.answers = [status(201)]
    await stage.client.evict("ns", "p", "uid-1")
    assert (stage.requests[0].method, stage.requests[0].path) == ("POST", "/api/v1/namespaces/ns/pods/p/eviction")
    assert stage.bodies[0]["kind"] == "Eviction"
    assert stage.bodies[0]["metadata"] == {"name": "p", "namespace": "ns"}
    assert stage.bodies[0]["deleteOptions"] == {"preconditions": {"uid": "uid-1"}}
    assert len(stage.written) == 1


async def test_an_eviction_that_a_disruption_budget_refuses_may_succeed_later(stage: Stage) -> None:
    stage.answers = [status(429, "TooManyRequests", "it would violate the pod's disruption budget")]
    with pytest.raises(errors.Transient, match="it would violate the pod's disruption budget"):
        await stage.client.evict("ns", "p", "uid-1")
    assert stage.written == []


@pytest.mark.parametrize(("grace", "asked"), [(None, {}), (0, {"gracePeriodSeconds": 0})])
async def test_a_deletion_leaves_the_grace_period_to_the_object_unless_told(
    stage: Stage, grace: int | None, asked: dict[str, int]
) -> None:
    stage.answers = [status(200)]
    await stage.client.delete(kinds.POD, "ns", "p", "uid-1", grace=grace)
    assert stage.requests[0].method == "DELETE"
    assert stage.bodies[0]["preconditions"] == {"uid": "uid-1"}
    assert {key: value for key, value in stage.bodies[0].items() if key == "gracePeriodSeconds"} == asked
