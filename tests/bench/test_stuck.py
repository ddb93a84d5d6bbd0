"""The table of stuck pods: what it calls stuck, right, and passed."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.stuck.plain import is_complete, objects
from benchmarks.stuck.report import Row, passes, summary, table
from dev.demo.models import Artifact
from tests.e2e.scene import quick


def row(name: str, *, right: bool = True, stuck: bool = True, lost: int = 0) -> Row:
    ours = {"right": right, "seconds": 8.25, "reason": "ImageNotFound", "requests": 1500, "failed_requests": lost}
    return {"name": name, "deployment": {"stuck": stuck, "seconds": 30.0}, "verdigris": ours}


def deployment(generation: int = 2, **status: int) -> dict[str, Any]:
    counts = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {"metadata": {"generation": generation}, "spec": {"replicas": 2}, "status": {**counts, **status}}


def test_the_summary_counts_what_the_rows_say() -> None:
    said = summary([row("a"), row("b", right=False, lost=3), row("c", stuck=False)])
    assert said == (
        "3 faults: Verdigris ended 2 right by itself, and its clients lost 3 of 4,500 requests; a plain Deployment "
        "was stuck in 2."
    )


def test_a_wrong_verdict_stands_out_in_the_table() -> None:
    lines = table([row("a fault"), row("another", right=False, stuck=False)]).splitlines()
    assert "ImageNotFound" in lines[1]
    assert "WRONG" not in lines[1]
    assert "WRONG: ImageNotFound" in lines[2]
    assert lines[2].endswith("over after 30 s")


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ([row("a")] * 20, True),
        ([row("a")] * 19 + [row("b", right=False)], True),
        ([row("a")] * 18 + [row("b", right=False)] * 2, False),
        ([row("a")] * 19 + [row("b", lost=1)], False),
    ],
)
def test_the_bar_is_95_percent_right_and_no_request_lost(rows: list[Row], passed: bool) -> None:
    assert passes(rows) is passed


def test_a_deployment_is_complete_only_when_nothing_of_the_old_template_is_left_and_all_is_available() -> None:
    assert is_complete(deployment())
    assert not is_complete(deployment(replicas=3))
    assert not is_complete(deployment(updatedReplicas=1))
    assert not is_complete(deployment(availableReplicas=1))
    assert not is_complete(deployment(generation=3)), "the controller has not looked yet"


def test_the_plain_deployment_takes_an_image_name_that_verdigris_refuses() -> None:
    bad = "registry.example/Team/Model:1.0"
    spec = quick(Artifact("1.0.0", "http://artifacts/x", "0" * 64), serving={"image": bad})["spec"]
    made, service = objects(spec, "somewhere")
    template = made["spec"]["template"]
    containers = [*template["spec"]["initContainers"], *template["spec"]["containers"]]
    assert [container["image"] for container in containers] == [bad, bad]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert "strategy" not in made["spec"]
