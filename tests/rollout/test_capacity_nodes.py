"""Which nodes are open to a pod, by the scheduler's rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rollout.capacity_cases import (
    GPU,
    Json,
    node,
)
from verdigris.core.facts.survey import Taint
from verdigris.core.pods.room.nodes import closed


@pytest.mark.parametrize(
    ("state", "pod", "why"),
    [
        ({}, {}, None),
        ({"ready": False}, {"tolerations": [{"operator": "Exists"}]}, "is not ready"),
        ({"cordoned": True}, {}, "is cordoned"),
        ({"cordoned": True, "taints": (Taint("node.kubernetes.io/unschedulable"),)}, {}, "is cordoned"),
        (
            {"cordoned": True, "taints": (Taint("node.kubernetes.io/unschedulable"),)},
            {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]},
            None,
        ),
        ({"taints": (GPU,)}, {}, "has the taint gpu=only:NoSchedule"),
        ({"taints": (Taint("slow", "", "NoExecute"),)}, {}, "has the taint slow:NoExecute"),
        ({"taints": (Taint("slow", "", "PreferNoSchedule"),)}, {}, None),
        ({"taints": (GPU,)}, {"tolerations": [{"key": "gpu", "value": "only"}]}, None),
        ({"taints": (GPU,)}, {"tolerations": [{"key": "gpu", "value": "other"}]}, "has the taint gpu=only:NoSchedule"),
        ({"taints": (GPU,)}, {"tolerations": [{"key": "gpu", "operator": "Exists"}]}, None),
        ({"taints": (GPU,)}, {"tolerations": [{"operator": "Exists"}]}, None),
        ({"taints": (GPU,)}, {"tolerations": [{"value": "only"}]}, "has the taint gpu=only:NoSchedule"),
        (
            {"taints": (GPU,)},
            {"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]},
            "has the taint gpu=only:NoSchedule",
        ),
        (
            {"taints": (GPU,)},
            {"tolerations": [{"key": "tpu", "operator": "Exists"}]},
            "has the taint gpu=only:NoSchedule",
        ),
        ({"labels": {"disk": "ssd"}}, {"nodeSelector": {"disk": "ssd"}}, None),
        ({"labels": {"disk": "hdd"}}, {"nodeSelector": {"disk": "ssd"}}, "does not have the labels disk=ssd"),
    ],
)
def test_a_node_is_open_or_says_why_not(state: Json, pod: Json, why: str | None) -> None:
    found = closed(node("a", **state), pod)
    assert (found and found.one) == why


@pytest.mark.parametrize(
    ("key", "operator", "values", "matches"),
    [
        ("zone", "In", ["a", "b"], True),
        ("zone", "In", ["b"], False),
        ("lost", "In", ["b"], False),
        ("zone", "NotIn", ["a"], False),
        ("lost", "NotIn", ["a"], True),
        ("zone", "Exists", [], True),
        ("lost", "Exists", [], False),
        ("zone", "DoesNotExist", [], False),
        ("lost", "DoesNotExist", [], True),
        ("cores", "Gt", ["8"], True),
        ("cores", "Gt", ["16"], False),
        ("cores", "Lt", ["17"], True),
        ("cores", "Lt", ["16"], False),
        ("zone", "Gt", ["1"], False),
        ("lost", "Lt", ["1"], False),
    ],
)
def test_node_affinity_is_obeyed(key: str, operator: str, values: list[str], matches: bool) -> None:
    demand = {"key": key, "operator": operator, "values": values}
    assert _open(demand) is matches


def _open(*demands: Json, **term: Any) -> bool:
    return _attracts({"matchExpressions": list(demands), **term})


def _attracts(*terms: Json) -> bool:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    labels = {"zone": "a", "cores": "16"}
    return closed(node("n1", labels=labels), {"affinity": {"nodeAffinity": required}}) is None


def test_one_term_of_an_affinity_is_enough_and_all_its_demands_are_needed() -> None:
    zone, no_zone = {"key": "zone", "operator": "Exists"}, {"key": "zone", "operator": "DoesNotExist"}
    assert _attracts({"matchExpressions": [no_zone]}, {"matchExpressions": [zone]})
    assert not _open(zone, no_zone)
    assert not _attracts({})
    assert not _attracts()


def test_an_affinity_may_name_its_nodes() -> None:
    for name, matches in (("n1", True), ("n2", False)):
        field = {"key": "metadata.name", "operator": "In", "values": [name]}
        assert _attracts({"matchFields": [field]}) is matches
