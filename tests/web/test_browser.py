"""The page in a real Chromium: no sideways scrolling, no foreign request, nothing for axe-core to find, by keyboard.

UPDATE_IMAGES=1 writes the pictures of the documents.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from dev.cluster.patience import stretched
from tests.web import chromium
from tests.web.people import MemoryCluster
from tests.web.scenes import measured, named, scene
from verdigris.cli.model.pods import pod_of
from verdigris.cli.model.read import model_of
from verdigris.web.loopback.door import LoopbackDoor
from verdigris.web.loopback.server import Server, wait
from verdigris.web.port import Key
from verdigris.web.site.site import Site
from verdigris.web.store import Store
from verdigris.web.timeline import span_of

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(chromium.why_not()), reason=chromium.why_not())]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
MOST = 200 * 1024
"""Bytes of a picture."""
WIDTHS = (320, 768, 1280, 1920)
PICTURES = {
    "page-models": "/",
    "page-model": "/models/clinic/diabetes",
    "page-evidence": "/models/clinic/diabetes#evidence",
}
LOOKS = 12
MODELS = {"diabetes": "on_trial", "readmission": "waiting", "sepsis": "rejected", "triage": "healthy"}
GATED, STUCK = ("gated", "gated"), ("imaging", "stuck")
PAGES = ("/", "/models/clinic/diabetes", "/models/clinic/readmission", "/models/clinic/gated", "/models/lab/imaging")


@dataclass
class Scene:
    """A page that is served, and what it shows."""

    address: str
    opening: str
    cluster: MemoryCluster
    served: dict[Key, dict[str, Any]]


@pytest.fixture
def served() -> Iterator[Scene]:
    """The page over a cluster in memory, which the browser may change."""
    scenes = {**{("clinic", name): scene(one) for name, one in MODELS.items()}}
    scenes["clinic", GATED[0]], scenes["lab", STUCK[0]] = scene(GATED[1]), scene(STUCK[1])
    now = scenes["clinic", "diabetes"].now
    models = {Key(*key): named(one, *key) for key, one in scenes.items()}
    store = watched(now, models[Key("clinic", "diabetes")])
    store.replace(models.values())
    cluster = MemoryCluster(store, pods={Key(*key): tuple(one.pods) for key, one in scenes.items()})
    cluster.curves = measured(span_of(model_of(models[Key("clinic", "diabetes")]), now))
    with Server(0) as server:
        door = LoopbackDoor(cluster, server.port)
        threading.Thread(target=server.begin, args=(Site(door, lambda: now, time.monotonic, wait),)).start()
        yield Scene(door.address, door.opening, cluster, models)
        server.shutdown()


def watched(now: datetime, model: dict[str, Any]) -> Store:
    """A store that has watched this model for a while: its score has grown with its requests."""
    times = iter([*(now - timedelta(seconds=3 * left) for left in range(LOOKS, 0, -1)), *[now] * 1000])
    store = Store(lambda: next(times))
    rollout = model["status"]["rollout"]
    evidence = rollout["evidence"]
    for look in range(LOOKS):
        part = look / LOOKS
        counts = {"requests": round(part * evidence["candidate"]["requests"]), "errors": 0}
        said = {**evidence, "score": part * evidence["score"], "candidate": counts}
        meta = {**model["metadata"], "resourceVersion": f"1{look}"}
        status = {**model["status"], "rollout": {**rollout, "evidence": said}}
        store.put({**model, "metadata": meta, "status": status})
    return store


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser for all: to start one takes longer than what is done with it."""
    with chromium.browser(tmp_path_factory.mktemp("browser") / "profile") as started:
        yield started


@pytest.fixture
def window(served: Scene, driver: Any) -> Iterator[Any]:
    """The browser, with a page that it has opened, and nothing told before."""
    chromium.resize(driver, 1280, 900)
    chromium.prefer(driver, dark=False)
    driver.get(served.opening)
    chromium.asked(driver)
    driver.get_log("browser")
    yield driver
    driver.get("about:blank")


def until(driver: Any, what: str, holds: Any) -> Any:
    """Wait for it."""
    return WebDriverWait(driver, stretched(20)).until(lambda _: holds(), what)


def text(driver: Any) -> str:
    return str(driver.find_element(By.TAG_NAME, "main").text)


def test_axe_finds_nothing_in_light_or_dark(served: Scene, window: Any) -> None:
    source = chromium.axe()
    for dark in (False, True):
        chromium.prefer(window, dark=dark)
        for page in (*PAGES, "/models/clinic/nothing"):
            window.get(served.address + page)
            window.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            window.execute_script(source)
            found = window.execute_async_script("axe.run().then(arguments[0])")
            told = [
                (one["id"], one["help"], [n["html"][:200] for n in one["nodes"][:3]]) for one in found["violations"]
            ]
            assert told == [], f"{page}, dark: {dark}"
            assert len(found["passes"]) > 10


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(served: Scene, window: Any, width: int) -> None:
    chromium.resize(window, width, 900)
    for page in PAGES:
        window.get(served.address + page)
        window.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        inner, needed = window.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
        assert (page, inner) == (page, width)
        assert needed <= width, page


def test_no_other_host_is_asked_and_nothing_is_complained_about(served: Scene, window: Any) -> None:
    for page in PAGES:
        window.get(served.address + page)
    found = chromium.asked(window)
    assert {one for one in found if not one.startswith(served.address)} == set()
    assert {f"{served.address}/assets/page.css", f"{served.address}/assets/page.js"} <= set(found)
    assert window.get_log("browser") == []


def test_the_keyboard_alone_approves(served: Scene, window: Any) -> None:
    window.get(f"{served.address}/")

    def press(*keys: str) -> Any:
        window.switch_to.active_element.send_keys(*keys)
        return window.switch_to.active_element

    window.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert window.switch_to.active_element.text == "To the content"
    press(Keys.ENTER)
    # The first thing after the beginning of the content is what waits for me.
    assert press(Keys.TAB).text == "gated"
    assert press(Keys.TAB).text == "readmission"
    press(Keys.ENTER)
    until(window, "the model's page", lambda: window.title.startswith("readmission"))
    press(Keys.TAB)
    assert press(Keys.ENTER).get_attribute("id") == "content"
    assert press(Keys.TAB).text == "Approve"
    press(Keys.ENTER)
    assert press(Keys.TAB).get_attribute("name") == "reason"
    press("looked at it by keyboard", Keys.ENTER)
    until(window, "the decision", lambda: served.cluster.decided)
    assert served.cluster.decided[0]["spec"]["reason"] == "looked at it by keyboard"
    assert served.cluster.decided[0]["spec"]["modelDeployment"] == "readmission"


def test_a_change_is_drawn_by_itself_and_leaves_what_is_typed(served: Scene, window: Any) -> None:
    window.get(f"{served.address}/models/clinic/readmission")
    window.find_element(By.CSS_SELECTOR, "#decide-approve summary").click()
    field = window.find_element(By.ID, "reason-approve")
    field.send_keys("half a rea")
    key = Key("clinic", "readmission")
    model = served.served[key]
    rollout = {**model["status"]["rollout"], "message": "Something new was said."}
    meta = {**model["metadata"], "resourceVersion": "99"}
    served.cluster.store.put({**model, "metadata": meta, "status": {**model["status"], "rollout": rollout}})
    field.send_keys("son")
    # It is not taken from under the hands of who types; it comes when they have left it.
    window.find_element(By.CSS_SELECTOR, "#decide-abort summary").click()
    until(window, "the new message", lambda: "Something new was said." in text(window))
    assert window.find_element(By.ID, "reason-approve").get_attribute("value") == "half a reason"
    assert window.find_element(By.ID, "decide-approve").get_attribute("open") is not None


def test_it_works_without_scripts(served: Scene, tmp_path: Path) -> None:
    with chromium.browser(tmp_path / "profile", scripts=False) as driver:
        driver.get(served.opening)
        driver.find_element(By.LINK_TEXT, "readmission").click()
        driver.find_element(By.CSS_SELECTOR, "#decide-approve summary").click()
        driver.find_element(By.ID, "reason-approve").send_keys("without scripts")
        driver.find_element(By.CSS_SELECTOR, "#decide-approve button").click()
        until(driver, "the decision", lambda: served.cluster.decided)
        assert [one for one in chromium.asked(driver) if one.endswith("/events")] == []


def test_the_pictures_of_the_documents(served: Scene, window: Any, tmp_path: Path) -> None:
    folder = IMAGES if os.environ.get("UPDATE_IMAGES") else tmp_path
    chromium.resize(window, 1100, 760)
    for name, page in PICTURES.items():
        window.get(served.address + page)
        made = folder / f"{name}.png"
        assert window.save_screenshot(str(made))
        assert 5_000 < made.stat().st_size <= MOST
        assert (IMAGES / f"{name}.png").exists(), "run once with UPDATE_IMAGES=1"


def test_what_is_shown_is_what_there_is(served: Scene, window: Any) -> None:
    window.get(f"{served.address}/models/lab/imaging")
    shown = text(window)
    assert sum(pod_of(one).well for one in served.cluster.pods[Key("lab", "imaging")]) == 4
    assert "ImageNotFound" in shown
    assert "Evidence over time" in shown
