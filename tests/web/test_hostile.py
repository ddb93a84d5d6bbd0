"""Whatever stands in a status is text: no field of it makes an element, an attribute or an address."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from tests.web.people import MemoryCluster, cluster_of, let_in, stored
from tests.web.scenes import NAMES, measured, scene
from verdigris.cli.model.read import model_of
from verdigris.web.pages.door import login, trouble
from verdigris.web.pages.layout import Frame
from verdigris.web.port import Away
from verdigris.web.timeline import span_of

EVIL = """"'><script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">"""
KEPT = {"name", "namespace", "kind", "state", "stage", "type", "status", "color", "verdict", "bound", "generateName"}
"""What picks a way through the page: names are only names of objects, and words of these fields only the operator's."""


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def poisoned(value: Any, field: str = "") -> Any:
    """The same document with every text of it hostile, but for those that are times or pick a way."""
    if isinstance(value, dict):
        return {name: poisoned(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [poisoned(one, field) for one in value]
    if isinstance(value, str) and field not in KEPT and not value.endswith(("Z", "s", "m", "h")):
        return EVIL
    return value


def check(html: str) -> None:
    """Only what we write ourselves is there."""
    parser = Elements()
    parser.feed(html)
    scripts = [given for tag, given in parser.found if tag == "script"]
    assert scripts in ([], [{"src": "/assets/page.js", "defer": None}])
    assert not [tag for tag, _ in parser.found if tag in ("img", "iframe", "object", "style", "base")]
    for _, given in parser.found:
        assert not [name for name in given if name.startswith("on") or name == "style"]
        addresses = [given[name] or "" for name in ("href", "src", "action", "data-live") if name in given]
        assert not [one for one in addresses if not one.startswith(("/", "#")) or one.startswith("//")]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "crowd"])
async def test_no_field_of_a_status_becomes_html(name: str) -> None:
    one = scene(name)
    model = poisoned(one.model)
    pods = [poisoned(pod) for pod in one.pods]
    cluster = cluster_of(one.now, model, pods)
    cluster.person = EVIL
    cluster.unseen = {"decisions": EVIL}
    cluster.curves = measured(span_of(model_of(one.model), one.now))
    browser = await let_in(cluster, one.now)
    for path in ("/", "/models/clinic/diabetes"):
        html = (await browser.get(path)).body.decode()
        check(html)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


async def test_names_that_no_object_could_have_are_text_too() -> None:
    one = scene("waiting")
    model = {**one.model, "metadata": {**one.model["metadata"], "name": EVIL, "namespace": EVIL}}
    browser = await let_in(MemoryCluster(stored(one.now, model)), one.now)
    check((await browser.get("/")).body.decode())
    check((await browser.get(f"/models/{EVIL}/{EVIL}")).body.decode())


async def test_what_an_api_server_says_is_text_too() -> None:
    one = scene("waiting")
    cluster = cluster_of(one.now, one.model)
    browser = await let_in(cluster, one.now)
    cluster.trouble = Away(EVIL)
    html = (await browser.get("/")).body.decode()
    check(html)
    assert "&lt;script&gt;" in html
    check(login(EVIL, EVIL))
    check(trouble(EVIL, EVIL, Frame(EVIL, EVIL)))
