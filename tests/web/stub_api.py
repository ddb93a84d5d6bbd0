"""An API server over HTTP that knows a few people: what the page asks of the real one, as it answers.

`tests/web/test_on_cluster.py` asks the real one the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

OWN = "the page's own token"
API = "/apis/verdigris.dev/v1alpha1"
KINDS = {"pods": "Pod", "deployments": "Deployment", "services": "Service", "rolloutdecisions": "RolloutDecision"}
VERSIONS = {"pods": "v1", "deployments": "apps/v1", "services": "v1", "rolloutdecisions": "verdigris.dev/v1alpha1"}


@dataclass
class StubApi:
    """`people`: token to name; `rights`: name to (verb, resource, namespace); "" of all namespaces."""

    people: dict[str, str] = field(default_factory=dict)
    rights: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    models: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    others: list[dict[str, Any]] = field(default_factory=list)
    created: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    away: bool = False
    watchers: list[asyncio.Queue[dict[str, Any]]] = field(default_factory=list)
    address: str = ""

    def put(self, model: dict[str, Any]) -> None:
        """A model as it is now; who watches is told."""
        meta = model["metadata"]
        self.models[meta["namespace"], meta["name"]] = model
        for one in self.watchers:
            one.put_nowait({"type": "MODIFIED", "object": model})

    def may(self, name: str, verb: str, resource: str, namespace: str) -> bool:
        given = self.rights.get(name, set())
        return (verb, resource, namespace) in given or (verb, resource, "") in given

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append((request.method, request.path, token))
        if self.away:
            return status(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        body = await request.json() if request.method == "POST" else {}
        if request.method == "POST":
            return self._post(request, body, token)
        if token != OWN:
            return status(403, "Forbidden", "only the page itself reads")
        if request.path == f"{API}/modeldeployments":
            return await self._watch(request) if request.query.get("watch") else self._models()
        return self._others(request)

    def _post(self, request: web.Request, body: dict[str, Any], token: str) -> web.Response:
        if request.path.endswith("/tokenreviews"):
            return self._token_review(body, token)
        if request.path.endswith("/subjectaccessreviews"):
            return self._access_review(body, token)
        return self._create(request, body, token)

    def _token_review(self, body: Mapping[str, Any], token: str) -> web.Response:
        assert token == OWN
        name = self.people.get(body["spec"]["token"])
        user = {"username": name, "uid": f"uid-{name}", "groups": ["people", "system:authenticated"]}
        told = {"authenticated": True, "user": user} if name else {"authenticated": False, "error": "invalid token"}
        return web.json_response({**body, "status": told}, status=201)

    def _access_review(self, body: Mapping[str, Any], token: str) -> web.Response:
        assert token == OWN
        spec = body["spec"]
        assert spec["groups"] == ["people", "system:authenticated"]
        of = spec["resourceAttributes"]
        allowed = self.may(spec["user"], of["verb"], of["resource"], of["namespace"])
        return web.json_response({**body, "status": {"allowed": allowed}}, status=201)

    def _create(self, request: web.Request, body: dict[str, Any], token: str) -> web.Response:
        namespace, name = request.path.split("/")[5], self.people.get(token)
        if name is None or not self.may(name, "create", "rolloutdecisions", namespace):
            told = f'rolloutdecisions.verdigris.dev is forbidden: User "{name}" cannot create resource'
            return status(403, "Forbidden", told)
        if body["spec"]["requestedBy"] != name:
            return status(403, "Forbidden", f"requestedBy must be your own name, {name}")
        body["metadata"]["name"] = body["metadata"].pop("generateName") + "abcde"
        self.created.append((name, body))
        return web.json_response(body, status=201)

    def _models(self) -> web.Response:
        items = list(self.models.values())
        return web.json_response(a_list("ModelDeployment", "verdigris.dev/v1alpha1", items))

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        mine: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for one in self.models.values():
            mine.put_nowait({"type": "ADDED", "object": one})
        self.watchers.append(mine)
        try:
            while True:
                await response.write(json.dumps(await mine.get()).encode() + b"\n")
        except ConnectionResetError:
            return response
        finally:
            self.watchers.remove(mine)

    def _others(self, request: web.Request) -> web.Response:
        *_, namespace, plural = request.path.split("/")
        found = [one for one in self.others if one["kind"] == KINDS[plural]]
        items = [one for one in found if one["metadata"].get("namespace", "clinic") == namespace]
        return web.json_response(a_list(KINDS[plural], VERSIONS[plural], items))


def a_list(kind: str, version: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """As the API server lists."""
    return {"kind": f"{kind}List", "apiVersion": version, "metadata": {"resourceVersion": "7"}, "items": items}


def status(code: int, reason: str, message: str) -> web.Response:
    """The API server's own no."""
    return web.json_response(
        {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}, status=code
    )


@asynccontextmanager
async def served(api: StubApi) -> AsyncIterator[str]:
    """Until the block ends; its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api.address
    finally:
        await runner.cleanup()
