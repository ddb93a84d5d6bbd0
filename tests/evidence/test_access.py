"""Prometheus behind a lock: what the operator shows, to whom, and what it says when that is not enough."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.evidence.conftest import free_port
from tests.evidence.test_bad_answers import Handler, question, serving, success
from tests.serving.authority import Authority
from verdigris.adapters.prometheus.access import FRESH, Access
from verdigris.adapters.prometheus.source import PrometheusSource
from verdigris.app.evidence import _broke
from verdigris.core.facts.evidence import UsageQuestion
from verdigris.core.facts.trust import refused_address, same_address

PATIENCE = timedelta(seconds=10)


def folder_with(folder: Path, **files: str) -> Path:
    """As a mounted Secret: `ca_crt` stands for ca.crt."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def locked(**wanted: str) -> Handler:
    """Lets in whoever shows these headers (`_` for `-`): else 401, as proxies before Prometheus do."""

    async def handler(request: web.Request) -> web.Response:
        if any(request.headers.get(name.replace("_", "-")) != value for name, value in wanted.items()):
            return web.Response(status=401, text="who are you?")
        query = (await request.post())["query"]
        kind = "vector" if "last_over_time" in str(query) else "matrix"
        return web.Response(body=success(kind, []), content_type="application/json")

    return handler


async def problem(session: aiohttp.ClientSession, address: str, access: Access) -> str | None:
    return (await PrometheusSource(session, PATIENCE, access=access).gather(question(address))).problem


@pytest.mark.parametrize(
    ("files", "headers"),
    [
        ({"token": "s3cret\n"}, {"Authorization": "Bearer s3cret"}),
        ({"tenant": "clinic"}, {"X_Scope_OrgID": "clinic"}),
        ({"token": "s3cret", "tenant": "clinic"}, {"Authorization": "Bearer s3cret", "X_Scope_OrgID": "clinic"}),
        (
            {"username": "op", "password": "pä:ss"},
            {"Authorization": "Basic " + base64.b64encode("op:pä:ss".encode()).decode()},
        ),
    ],
    ids=["a token", "a tenant", "both", "a password"],
)
async def test_what_the_secret_holds_opens_the_door(
    session: aiohttp.ClientSession, tmp_path: Path, files: dict[str, str], headers: dict[str, str]
) -> None:
    async with serving(locked(**headers)) as address:
        access = Access([address], folder_with(tmp_path, **files))
        assert await problem(session, address, access) is None
        assert "401" in str(await problem(session, address, Access([address])))


async def test_nothing_of_it_is_shown_to_an_address_that_a_tenant_names(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    seen: list[dict[str, str]] = []

    async def curious(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.Response(status=401)

    access = Access(["http://prometheus.monitoring.svc:9090"], folder_with(tmp_path, token="s3cret", tenant="clinic"))
    async with serving(curious) as address:
        said = str(await problem(session, address, access))
    assert seen
    assert not [headers for headers in seen if "Authorization" in headers or "X-Scope-OrgID" in headers]
    assert "credentials are sent to the operator's own Prometheus only" in said


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_is_told_in_words_that_fit(session: aiohttp.ClientSession, tmp_path: Path, status: int) -> None:
    async def closed(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serving(closed) as address:
        none = str(await problem(session, address, Access([address], tmp_path)))
        wrong = str(await problem(session, address, Access([address], folder_with(tmp_path, token="old"))))
    assert f"wants credentials ({status})" in none
    assert f"does not accept the operator's credentials ({status})" in wrong
    for said in (none, wrong):
        assert "prometheus.auth.secretName" in said
        assert "check the address" not in said
    assert "old" not in wrong


async def test_a_secret_that_changes_is_read_again(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    now = [0.0]
    async with serving(locked(Authorization="Bearer new")) as address:
        access = Access([address], folder_with(tmp_path, token="old"), lambda: now[0])
        assert await problem(session, address, access) is not None
        folder_with(tmp_path, token="new")
        now[0] += FRESH
        assert await problem(session, address, access) is None


async def test_a_prometheus_with_a_certificate_of_its_own_authority_is_trusted_by_that(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    app = web.Application()
    app.router.add_post("/api/v1/query", locked())
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server)
    await site.start()
    address = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        strange = await problem(session, address, Access([address]))
        known = await problem(
            session, address, Access([address], folder_with(tmp_path, ca_crt=authority.file.read_text()))
        )
    finally:
        await runner.cleanup()
    assert "cannot be reached" in str(strange)
    assert known is None


def test_what_no_header_or_no_certificate_can_be_is_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = Access(["http://p"], folder_with(tmp_path, token="a\nb", tenant="ok", ca_crt="no PEM"))
    with caplog.at_level(logging.WARNING):
        papers = access.papers("http://p")
    assert papers.headers == {"X-Scope-OrgID": "ok"}
    assert papers.trust is True
    assert "ca.crt is no certificate" in caplog.text
    assert "a\nb" not in caplog.text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://p:80/", "http://P", True),
        ("https://p", "https://p:443", True),
        ("http://p:9090/a/", "http://p:9090/a", True),
        ("http://p:9090", "https://p:9090", False),
        ("http://p:9090", "http://p:9091", False),
        ("http://p/a", "http://p/b", False),
        ("http://p@evil", "http://p", False),
        ("http://p.evil", "http://p", False),
        ("http://p:99999", "http://p:99999", True),
        ("http://p:99999", "http://p", False),
    ],
)
def test_addresses_are_the_same_by_what_they_lead_to(one: str, other: str, same: bool) -> None:
    assert same_address(one, other) is same


async def test_a_password_in_the_operators_own_address_is_in_no_sentence(caplog: pytest.LogCaptureFixture) -> None:
    address = f"http://operator:s3cret@127.0.0.1:{free_port()}"
    asked = replace(question(address), checks={"latency": "1"})
    used = UsageQuestion(address, "clinic", "diabetes", "green", "v1-x", timedelta(days=1), timedelta(minutes=5))
    async with aiohttp.ClientSession() as session:
        source = PrometheusSource(session)
        said = [(await source.gather(asked)).problem, (await source.usage(used)).problem]
    said += [refused_address(address, None, ()), _broke(asked, ValueError()), caplog.text]
    for sentence in said:
        assert sentence
        assert "127.0.0.1" in sentence
        assert "s3cret" not in sentence


def test_a_tenant_may_name_the_operators_own_address_and_those_that_are_allowed() -> None:
    own, allowed = "http://prometheus:9090", ("https://team-a/prom",)
    for address in (None, "http://prometheus:9090/", "https://team-a:443/prom/"):
        assert refused_address(address, own, allowed) is None
    for address in ("http://169.254.169.254/latest", "http://prometheus:9091", "https://team-a"):
        assert "prometheus.allowedAddresses" in str(refused_address(address, own, allowed))
    assert refused_address("http://any", None, ()) is not None
