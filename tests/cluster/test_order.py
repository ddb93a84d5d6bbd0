"""The order of the tests: who plays together, who comes after everybody, and what stays in one process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.order import GROUPS, HERE, Slot, Turns, arrange


@dataclass
class Item:
    """As much of a pytest item as the order looks at."""

    name: str
    path: Path
    marks: dict[str, pytest.Mark] = field(default_factory=dict)
    fixturenames: tuple[str, ...] = ()
    function: Any = None

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return self.marks.get(name)

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks[mark.name] = mark.mark


class Play:
    """A test that is a scenario."""

    scenario = print


def item(name: str, place: str, *marks: str, **more: Any) -> Item:
    return Item(name, HERE / place, {mark: getattr(pytest.mark, mark).mark for mark in marks}, **more)


def test_scenarios_play_beside_their_neighbours_and_what_disturbs_comes_after_them() -> None:
    items = [
        item("lifecycle", "cluster/test_lifecycle.py", "lifecycle"),
        item("policy", "chart/test_policy.py", "cluster"),
        item("pure", "api/test_crd.py"),
        item("pure chart", "chart/test_render.py"),
        item("neighbour", "cluster/test_promises.py", "cluster"),
        item("asking", "api/test_refusals.py", "cluster"),
        item("nodes", "cluster/test_fake_nodes.py", "cluster"),
        item("node", "cluster/test_second_node.py", "cluster"),
        item("first", "e2e/test_traffic.py", "cluster", function=Play),
        item("leader", "e2e/test_operator.py", "cluster", fixturenames=("alone", "operator")),
        item("second", "e2e/test_traffic.py", "cluster", function=Play),
    ]
    arrange(items)  # type: ignore[arg-type]
    on_cluster = ["first", "neighbour", "second", "policy", "nodes", "leader"]
    assert [one.name for one in items] == [
        "first",
        "asking",
        *on_cluster[1:],
        "pure",
        "pure chart",
        "node",
        "lifecycle",
    ]
    groups = {one.name: mark.args for one in items if (mark := one.marks.get("xdist_group"))}
    others = {"asking": ("asking",), "node": ("second_node",), "lifecycle": ("lifecycle",)}
    assert groups == {**dict.fromkeys(on_cluster, ("cluster",)), **others}


def test_a_test_is_in_its_group_where_tests_are_handed_out(request: pytest.FixtureRequest) -> None:
    """By the name under which pytest-xdist hands it out: without a group it would run in any process."""
    in_groups = [one for one in request.session.items if one.get_closest_marker("xdist_group")]
    if not hasattr(request.config, "workerinput") or not in_groups:
        pytest.skip("only `make test` has groups")
    assert {one.nodeid.partition("@")[2] for one in in_groups} <= {"cluster", *filter(None, GROUPS.values())}


def test_what_changes_the_whole_cluster_waits_for_those_that_ask_it(tmp_path: Path) -> None:
    asking, changing = Turns(tmp_path / "lock"), Turns(tmp_path / "lock")
    asking.begin(Slot.ASKING)
    with ThreadPoolExecutor(1) as other:
        begun = other.submit(changing.begin, Slot.ALONE)
        with pytest.raises(TimeoutError):
            begun.result(timeout=0.2)
        asking.begin(Slot.ASKING)
        assert not begun.done(), "the same turn"
        asking.end()
        begun.result(timeout=30)
    changing.end()
