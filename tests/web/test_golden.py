"""What a browser gets, as files to read: each element on a line of its own. UPDATE_GOLDEN=1 writes them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.web.people import MemoryCluster, cluster_of, let_in, stored
from tests.web.scenes import NAMES, named, scene
from verdigris.web.pages.door import login, trouble
from verdigris.web.pages.layout import Frame
from verdigris.web.port import key_of

GOLDEN = Path(__file__).parent / "golden"
CASES = (*(f"model-{name}" for name in NAMES), "fleet", "fleet-nobody", "model-little", "login", "trouble")


async def shown(case: str) -> str:
    name = case.removeprefix("model-")
    if case == "login":
        return login("x" * 43, "The API server knows nobody by this token.")
    if case == "trouble":
        return trouble("It has moved on", "Nothing was decided: clinic/diabetes has moved on.", Frame("bob", "x"))
    if case.startswith("fleet"):
        scenes = {one: scene(one) for one in NAMES if one != "crowd"}
        now = scenes["promoted"].now
        models = [] if case == "fleet-nobody" else [named(one, "clinic", name) for name, one in scenes.items()]
        browser, path = await let_in(MemoryCluster(stored(now, *models)), now), "/"
    else:
        one = scene("on_trial" if name == "little" else name)
        cluster = cluster_of(one.now, one.model, one.pods)
        if name == "little":
            unseen = "bob may not list them in namespace clinic."
            cluster.unseen = {"pods": unseen, "children": unseen, "decisions": unseen}
            cluster.pods, cluster.children, cluster.rights = {key_of(one.model): None}, None, ()
        browser, path = await let_in(cluster, one.now), "/models/clinic/diabetes"
    return (await browser.get(path)).body.decode()


def lines(html: str) -> str:
    """Each element on a line of its own, without what is drawn by lot."""
    return re.sub(r'name="csrf" value="[^"]+"', 'name="csrf" value="CSRF"', html).replace("><", ">\n<")


@pytest.mark.parametrize("case", CASES)
async def test_a_page_is_as_the_golden_file_says(case: str) -> None:
    made, file = lines(await shown(case)), GOLDEN / f"{case}.html"
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(made, encoding="utf-8")
        pytest.fail(f"{case}.html was written: read the diff, then run without UPDATE_GOLDEN")
    assert made == file.read_text(encoding="utf-8"), "if this change is meant, run once with UPDATE_GOLDEN=1"


def test_no_golden_file_is_left_behind() -> None:
    assert {file.stem for file in GOLDEN.glob("*.html")} == set(CASES)


async def test_500_pods_are_a_number_and_those_that_are_not_well_are_named() -> None:
    whole = await shown("model-crowd")
    assert "497 pods well" in whole
    assert whole.count("<code>diabetes-blue-5c8-") == 3


async def test_pods_that_are_stuck_in_the_same_are_folded_after_five() -> None:
    whole = await shown("model-stuck")
    assert whole.count("<code>diabetes-green-5c8-0") == 5
    assert "and 2 more: ImageNotFound" in whole


async def test_a_model_that_waits_for_me_comes_first() -> None:
    whole = await shown("fleet")
    assert whole.index("Waits for you") < whole.index("Not well") < whole.index("Under way") < whole.index("Live (")
    assert whole.index("Waits for you") < whole.index(">waiting</a>") < whole.index("Not well")


async def test_what_may_not_be_read_is_said_and_the_rest_is_shown() -> None:
    whole = await shown("model-little")
    assert "Pods are not shown: bob may not list them" in whole
    assert "Pods and Service are not compared: bob may not list them" in whole
    assert "You may not promote, abort." in whole
    assert 'name="verb"' not in whole
