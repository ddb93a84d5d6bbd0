"""The client's manners over HTTP: pages, errors in words, time limits, writes counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from verdigris.adapters.kube.transport import client as module
from verdigris.adapters.kube.transport import errors, kinds
from verdigris.adapters.kube.transport.client import Client, encoded
from verdigris.adapters.kube.transport.connection import Connection

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


def an_object(kind: str, name: str, api_version: str = "v1") -> web.Response:
    return web.json_response({"kind": kind, "apiVersion": api_version, "metadata": {"name": name}})


def listed(kind: str, *names: str, more: str = "", api_version: str = "v1") -> web.Response:
    items = [{"metadata": {"name": name}} for name in names]
    meta = {"resourceVersion": "1"} | ({"continue": more} if more else {})
    return web.json_response({"kind": f"{kind}List", "apiVersion": api_version, "metadata": meta, "items": items})


def served(*plurals: str) -> web.Response:
    return web.json_response({"kind": "APIResourceList", "resources": [{"name": name} for name in plurals]})


async def test_a_kind_is_waited_for_until_it_is_known_whatever_is_answered_meanwhile(stage: Stage) -> None:
    served = {"kind": "APIResourceList", "resources": [{"name": kinds.HTTP_ROUTE.plural}]}
    missing = web.Response(status=404, text="404 page not found")
    stage.answers = [status(503, message="etcd is away"), missing, web.json_response(served)]
    await stage.client.until_known(kinds.HTTP_ROUTE, 0.0)
    assert stage.answers == []


async def test_a_list_is_read_page_by_page(stage: Stage) -> None:
    stage.answers = [
        listed("Pod", "a", more="more"),
        listed("Pod", "b"),
    ]
    found = await stage.client.list(kinds.POD, "ns", "x=y")
    assert [raw["metadata"]["name"] for raw in found] == ["a", "b"]
    assert {raw["kind"] for raw in found} == {"Pod"}
    assert dict(stage.requests[1].query) == {"limit": "500", "labelSelector": "x=y", "continue": "more"}


async def test_a_large_list_can_be_read_without_holding_it_all(stage: Stage) -> None:
    stage.answers = [
        listed("Node", "a", more="more"),
        listed("Node"),
    ]
    found = [page async for page in stage.client.pages(kinds.NODE, None, fields="spec.unschedulable!=true")]
    assert found == [[{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}], []]
    asked = {"limit": "500", "fieldSelector": "spec.unschedulable!=true"}
    assert [request.path for request in stage.requests] == ["/api/v1/nodes"] * 2
    assert [dict(request.query) for request in stage.requests] == [asked, asked | {"continue": "more"}]


async def test_names_cannot_leave_their_place_in_the_path(stage: Stage) -> None:
    stage.answers = [an_object("Pod", "../../x?y")]
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


LOGIN = "<html>please log in</html>"
WHOLE = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}


def other_answers() -> dict[str, web.Response]:
    """Each has a status that says that all is well, and none is what a list of pods, or a pod, looks like."""
    cut = json.dumps(WHOLE)[:-3].encode()
    html = "text/html"
    return {
        "a login page": web.Response(text=LOGIN, content_type=html),
        "a login page that calls itself JSON": web.Response(text=LOGIN, content_type="application/json"),
        "the right words as a web page": web.Response(text=json.dumps(WHOLE), content_type=html),
        "nothing": web.Response(content_type="application/json"),
        "nothing at all": web.Response(status=204),
        "a redirect": web.Response(status=302, headers={"Location": "/login"}),
        "not modified": web.Response(status=304),
        "a cut answer": web.Response(body=cut, content_type="application/json"),
        "an empty object": web.json_response({}),
        "null": web.json_response(None),
        "a plain array": web.json_response([]),
        "health": web.json_response({"status": "ok"}),
        "no kind": web.json_response({"items": [], "metadata": {}}),
        "no items": web.json_response({key: value for key, value in WHOLE.items() if key != "items"}),
        "items that are none": web.json_response(WHOLE | {"items": None}),
        "items that are no list": web.json_response(WHOLE | {"items": {}}),
        "no metadata": web.json_response({key: value for key, value in WHOLE.items() if key != "metadata"}),
        "items that are no objects": web.json_response(WHOLE | {"items": ["a"]}),
        "an object without a name": web.json_response(WHOLE | {"items": [{"metadata": {}}]}),
        "a list of something else": web.json_response(WHOLE | {"kind": "ServiceList"}),
        "a list of another API": web.json_response(WHOLE | {"apiVersion": "metrics.k8s.io/v1"}),
        "a table": web.json_response({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "rows": []}),
        "a status": web.json_response({"kind": "Status", "status": "Success"}),
        "an odd token": web.json_response(WHOLE | {"metadata": {"continue": 7}}),
    }


@pytest.mark.parametrize("what", other_answers())
async def test_an_answer_that_is_no_list_is_an_error_and_not_an_empty_list(stage: Stage, what: str) -> None:
    """Law 11: a read error is never a difference. Whatever is in between may answer 200 with anything."""
    stage.answers = [other_answers()[what]]
    with pytest.raises(errors.NotTheApi, match=r"reading pods in ns: .*check that the address is an API server's"):
        await stage.client.list(kinds.POD, "ns", "a=b")


async def test_a_second_page_that_is_none_takes_the_first_with_it(stage: Stage) -> None:
    stage.answers = [listed("Pod", "a", more="more"), web.Response(text=LOGIN, content_type="text/html")]
    with pytest.raises(errors.NotTheApi):
        await stage.client.list(kinds.POD, "ns")


async def test_a_token_that_has_expired_does_not_mean_that_the_kind_is_unknown(stage: Stage) -> None:
    stage.answers = [listed("Pod", "a", more="more"), status(410, "Expired", "the continue token is too old")]
    with pytest.raises(errors.Transient, match="too old"):
        await stage.client.list(kinds.POD, "ns")


@pytest.mark.parametrize("what", other_answers())
async def test_an_answer_that_is_not_the_object_is_an_error(stage: Stage, what: str) -> None:
    stage.answers = [other_answers()[what]]
    with pytest.raises(errors.NotTheApi, match="reading Pod ns/x: "):
        await stage.client.get(kinds.POD, "ns", "x")


async def test_another_object_than_the_one_asked_for_is_an_error(stage: Stage) -> None:
    stage.answers = [an_object("Pod", "y"), an_object("Service", "x")]
    for _ in range(2):
        with pytest.raises(errors.NotTheApi):
            await stage.client.get(kinds.POD, "ns", "x")


VERBS = ("apply", "create", "replace", "patch", "delete", "evict")
DONE = {("evict", "a status"), ("delete", "a status")}
"""How the API server itself says that it is done."""


@pytest.mark.parametrize(
    ("verb", "what"), [(verb, what) for verb in VERBS for what in other_answers() if (verb, what) not in DONE]
)
async def test_a_write_that_something_else_answers_does_not_count_as_done(stage: Stage, verb: str, what: str) -> None:
    client, manifest = stage.client, {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "ns", "name": "x"}}
    writes: dict[str, Callable[[], Awaitable[Any]]] = {
        "apply": lambda: client.apply(manifest),
        "create": lambda: client.create(kinds.POD, "ns", manifest),
        "replace": lambda: client.replace(kinds.POD, "ns", "x", manifest),
        "patch": lambda: client.patch(kinds.POD, "ns", "x", {}),
        "delete": lambda: client.delete(kinds.POD, "ns", "x", "uid"),
        "evict": lambda: client.evict("ns", "x", "uid"),
    }
    stage.answers = [other_answers()[what]]
    with pytest.raises(errors.NotTheApi):
        await writes[verb]()
    assert stage.written == []


async def test_a_scale_is_answered_with_a_scale(stage: Stage) -> None:
    stage.answers = [an_object("Scale", "x", "autoscaling/v1")]
    await stage.client.patch(kinds.DEPLOYMENT, "ns", "x", {"spec": {"replicas": 2}}, subresource="scale")
    assert stage.written == ["Deployment"]


@pytest.mark.parametrize("text", ["<h1>404</h1>", "", "no such host", '{"message": "no route"}'])
async def test_a_404_of_something_else_does_not_mean_that_the_object_is_missing(stage: Stage, text: str) -> None:
    stage.answers = [web.Response(status=404, text=text)]
    with pytest.raises(errors.Transient):
        await stage.client.get(kinds.MODEL_DEPLOYMENT, "ns", "x")


async def test_a_group_that_the_api_server_does_not_know_is_told_in_plain_text(stage: Stage) -> None:
    stage.answers = [web.Response(status=404, text="404 page not found\n")]
    with pytest.raises(errors.NotFound):
        await stage.client.list(kinds.SERVICE_MONITOR, "ns")


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
    made = [an_object(kind, "x") for kind in ("Service", "Event", "Lease", "Pod", "Deployment")]
    stage.answers = [*made, status(409, "Conflict", "changed")]
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
        (served("servicemonitors"), True),
        (served("podmonitors"), False),
        (status(404, "NotFound", "the server could not find the requested resource"), False),
    ],
)
async def test_it_is_found_out_which_kinds_are_served(stage: Stage, answer: web.Response, known: bool) -> None:
    stage.answers = [answer]
    assert await stage.client.knows(kinds.SERVICE_MONITOR) is known


async def test_an_eviction_names_the_very_pod(stage: Stage) -> None:
    stage.answers = [status(201, status="Success")]
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
    stage.answers = [status(200, status="Success")]
    await stage.client.delete(kinds.POD, "ns", "p", "uid-1", grace=grace)
    assert stage.requests[0].method == "DELETE"
    assert stage.bodies[0]["preconditions"] == {"uid": "uid-1"}
    assert {key: value for key, value in stage.bodies[0].items() if key == "gracePeriodSeconds"} == asked


ODD_TEXTS = ["\U0001f600", "a\u2028b\u0085", "\x7f\x9f\ufeff\ufffe", '"\\ud83d\\ude00', "\t\n\x01"]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=ascii)
def test_what_is_written_is_the_same_as_json_and_as_yaml(text: str) -> None:
    """Server-side apply is read as YAML, which knows no pairs of escapes: one emoji stopped every write."""
    body = {"metadata": {"annotations": {text: text}}}
    sent = encoded(body)
    assert json.loads(sent) == body
    assert yaml.safe_load(sent.decode()) == body
    assert b"\\ud8" not in sent.replace(b"\\\\ud8", b"")


def test_half_a_pair_is_no_character_and_stops_no_write() -> None:
    assert json.loads(encoded({"a": "\ud83d!"})) == {"a": "\ufffd!"}
