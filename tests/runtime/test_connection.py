"""Ways to the API server: kubeconfigs, the pod's own account, tokens that rotate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from verdigris.adapters.kube.transport import connection
from verdigris.adapters.kube.transport.connection import Connection, ConnectionFault, connect, from_kubeconfig


def kubeconfig(folder: Path, server: str = "http://127.0.0.1:1", **user: Any) -> Path:
    path = folder / "config"
    content = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    found = connect({"KUBECONFIG": str(kubeconfig(tmp_path, "http://127.0.0.1:1/", token="secret"))})
    assert (found.server, found.token()) == ("http://127.0.0.1:1", "secret")


def test_a_token_file_is_read_again_once_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("first\n")
    found = from_kubeconfig(kubeconfig(tmp_path, tokenFile="token"))
    assert found.token() == "first"
    (tmp_path / "token").write_text("second\n")
    assert found.token() == "first"
    monkeypatch.setattr(connection, "TOKEN_LIFETIME", 0.0)
    assert found.token() == "second"
    (tmp_path / "token").unlink()
    assert found.token() == "second", "while the file is being replaced, the last token serves"


@pytest.mark.parametrize(
    ("spoil", "fragment"),
    [
        ("", "current context"),
        ("{current-context: y}", "contexts has no 'y'"),
        ("a: [", "current context"),
    ],
)
def test_an_unusable_kubeconfig_is_named(tmp_path: Path, spoil: str, fragment: str) -> None:
    path = tmp_path / "config"
    path.write_text(spoil)
    with pytest.raises(ConnectionFault) as caught:
        from_kubeconfig(path)
    assert str(path) in str(caught.value)
    assert fragment in str(caught.value)


def test_a_credential_plugin_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFault, match="credential plugin"):
        from_kubeconfig(kubeconfig(tmp_path, exec={"command": "x"}))


def test_nowhere_to_go_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(ConnectionFault, match="set KUBECONFIG"):
        connect({})


async def test_every_request_carries_the_token_of_that_moment() -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/", answer)
    tokens = iter(["first", "second", None])
    async with TestServer(app) as server:
        target = Connection(str(server.make_url("")).rstrip("/"), None, lambda: next(tokens))
        async with target.session() as session:
            for _ in range(3):
                await (await session.get(f"{target.server}/")).read()
    assert seen == ["Bearer first", "Bearer second", None]
