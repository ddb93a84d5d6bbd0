"""Registries to ask: MLflow itself, and a server that does as it does for what the operator and the tests ask."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from dev.cluster.patience import hold_out
from tests.evidence.conftest import free_port

API = "/api/2.0/mlflow"
Json = dict[str, Any]


@dataclass
class Desk:
    """Whoever registers models and gives aliases, by the same REST API."""

    address: str
    session: aiohttp.ClientSession

    async def register(self, model: str, **tags: str) -> str:
        """One more version of the model, with these tags; returns its number."""
        await self._post("registered-models/create", {"name": model}, may_be_there=True)
        stated = [{"key": f"verdigris.{key}", "value": value} for key, value in tags.items()]
        body = {"name": model, "source": "s3://models/it", "tags": stated}
        made = await self._post("model-versions/create", body)
        return str(made["model_version"]["version"])

    async def give(self, model: str, alias: str, number: str) -> None:
        """The alias to that version."""
        await self._post("registered-models/alias", {"name": model, "alias": alias, "version": number})

    async def tags(self, model: str, number: str) -> dict[str, str]:
        """What that version says of itself."""
        words = {"name": model, "version": number}
        async with self.session.get(f"{self.address}{API}/model-versions/get", params=words) as response:
            found = await response.json(content_type=None)
        return {tag["key"]: tag["value"] for tag in found["model_version"].get("tags") or []}

    async def _post(self, path: str, body: Json, *, may_be_there: bool = False) -> Json:
        async with self.session.post(f"{self.address}{API}/{path}", json=body) as response:
            found: Json = await response.json(content_type=None)
        there = may_be_there and found.get("error_code") == "RESOURCE_ALREADY_EXISTS"
        assert response.status == 200 or there, found
        return found


@dataclass
class LikeMlflow:
    """What MLflow does for these calls; the contract is held against both."""

    models: dict[str, list[Json]] = field(default_factory=dict)
    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    token: str = ""
    instead: tuple[int, str] | None = None
    """Status and body of an answer that MLflow does not give."""
    reads_only: bool = False
    """Whether the login may change nothing."""
    written: list[Json] = field(default_factory=list)
    """The tags that were set or taken away, one after the other."""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Its address, while the block runs."""
        app = web.Application()
        app.router.add_post(f"{API}/registered-models/create", self._create)
        app.router.add_post(f"{API}/model-versions/create", self._version)
        app.router.add_post(f"{API}/registered-models/alias", self._give)
        app.router.add_get(f"{API}/registered-models/alias", self._alias)
        app.router.add_get(f"{API}/model-versions/get", self._version_of)
        app.router.add_get(f"{API}/model-versions/search", self._search)
        app.router.add_post(f"{API}/model-versions/set-tag", self._tag)
        app.router.add_delete(f"{API}/model-versions/delete-tag", self._tag)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _create(self, request: web.Request) -> web.Response:
        name = (await request.json())["name"]
        if name in self.models:
            return _error(400, "RESOURCE_ALREADY_EXISTS", f"Registered Model (name={name}) already exists.")
        self.models[name] = []
        return web.json_response({"registered_model": {"name": name}})

    async def _version(self, request: web.Request) -> web.Response:
        body = await request.json()
        versions = self.models[body["name"]]
        made = {"name": body["name"], "version": str(len(versions) + 1), "status": "READY", "tags": body["tags"]}
        versions.append(made)
        return web.json_response({"model_version": made})

    async def _give(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.aliases[body["name"], body["alias"]] = body["version"]
        return web.json_response({})

    async def _version_of(self, request: web.Request) -> web.Response:
        return web.json_response({"model_version": self._named(request.query["name"], request.query["version"])})

    def _named(self, model: str, number: str) -> Json | None:
        versions = self.models.get(model, [])
        return versions[int(number) - 1] if 0 < int(number) <= len(versions) else None

    async def _search(self, request: web.Request) -> web.Response:
        """Of MLflow's filters the one that the operator asks by."""
        if self.instead is not None:
            return web.Response(status=self.instead[0], text=self.instead[1])
        asked = re.fullmatch(r"name=(['\"])(.*)\1 AND tags.`(.*)` LIKE '%'", request.query["filter"])
        assert asked, request.query["filter"]
        found = [one for one in self.models.get(asked[2], []) if any(tag["key"] == asked[3] for tag in one["tags"])]
        return web.json_response({"model_versions": found} if found else {})

    async def _tag(self, request: web.Request) -> web.Response:
        body = await request.json()
        found = self._named(body["name"], body["version"])
        if self.instead is not None:
            return web.Response(status=self.instead[0], text=self.instead[1])
        if self.reads_only:
            return web.Response(status=403, text="Permission denied")
        if found is None:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"Model Version (name={body['name']}) not found")
        self.written.append(body)
        found["tags"] = [tag for tag in found["tags"] if tag["key"] != body["key"]]
        if "value" in body:
            found["tags"].append({"key": body["key"], "value": body["value"]})
        return web.json_response({})

    async def _alias(self, request: web.Request) -> web.Response:
        if self.instead is not None:
            return web.Response(status=self.instead[0], text=self.instead[1])
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401, text="You are not authenticated.")
        name, alias = request.query["name"], request.query["alias"]
        if name not in self.models:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found")
        number = self.aliases.get((name, alias))
        if number is None:
            return _error(400, "INVALID_PARAMETER_VALUE", f"Registered model alias {alias} not found.")
        return web.json_response({"model_version": self.models[name][int(number) - 1]})


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=status)


@contextmanager
def mlflow(program: str, folder: Path) -> Iterator[str]:
    """The address of a real MLflow server, which keeps what it knows in that folder."""
    port = free_port()
    store, log = f"sqlite:///{folder}/mlflow.db", folder / "log"
    words = ("server", "--backend-store-uri", store, "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    with log.open("w") as out:
        server = subprocess.Popen([program, *words], stdout=out, stderr=out, cwd=folder)
        try:
            answers = hold_out(lambda: _answers(f"http://127.0.0.1:{port}/health"), 120, every=0.5)
            assert answers, f"MLflow did not come up: {log.read_text()[-2000:]}"
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
