"""From "something is wrong" to the cause in two looks, the list and the model, for faults of a real cluster."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.cli.test_faults import BY_NAME, OTHERS, TEN, recorded
from tests.recorded.replay import RECORDINGS, turn_of
from tests.web.people import cluster_of, let_in


def text(page: bytes) -> str:
    """What one reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.decode())).split())


@pytest.mark.parametrize("name", [*TEN, *OTHERS])
async def test_the_cause_is_found_in_two_looks(name: str) -> None:
    fault = BY_NAME[name]
    model, pods = recorded(fault)
    now = turn_of(RECORDINGS[fault.name]).now
    browser = await let_in(cluster_of(now, model, pods), now)
    assert re.search(r"(Not well|Under way) \(1\)", text((await browser.get("/")).body))
    told = text((await browser.get("/models/clinic/diabetes")).body)
    assert re.search(fault.reason, told), told
    assert re.search(fault.says, told), told
    assert re.search(r"next \S", told), told
