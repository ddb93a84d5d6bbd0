"""Formats beside `linear`: the operator takes the image of the format, and what it serves answers."""

from __future__ import annotations

import pytest

from dev.cluster import Cluster
from tests.e2e.crowd import scenario
from tests.e2e.scene import Scene, settled
from tests.e2e.stock import FOREST, FOREST_FORMATS
from verdigris_serving.artifact.pack import Format


@scenario
@pytest.mark.parametrize("format", FOREST_FORMATS)
def test_a_forest_follows_a_linear_model_in_the_image_of_its_format_and_no_request_is_lost(
    scene: Scene, format: Format
) -> None:
    assert isinstance(scene.cluster, Cluster)
    scene.cluster.load_images(variants=True)
    scene.given_active("1.0.0")
    # The numeric libraries alone take more memory than the usual limit of a linear model.
    room = {"resources": {"requests": {"cpu": "25m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}}}
    with scene.clients(rate=20) as clients:
        scene.apply(scene.stock.forest(format), serving=room)
        scene.until(f"{FOREST} to be promoted", settled(FOREST), 120)
        clients.until_answered_by(FOREST)
    images = {pod["spec"]["containers"][0]["image"] for pod in scene.kube.list("pods", "verdigris.dev/color=green")}
    assert images == {f"verdigris/serving-{format}:0.1.0"}
    assert [request.outcome for request in clients.requests if request.result != "answered"] == []
