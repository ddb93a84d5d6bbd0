"""Formats beside `linear`: the operator takes the image of the format, and what it serves answers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from tritonclient import grpc

from dev.cluster import Cluster
from tests.e2e.crowd import scenario
from tests.e2e.scene import NAME, Scene, settled
from tests.e2e.stock import FOREST
from verdigris_serving.artifact.pack import Format


@scenario
@pytest.mark.parametrize("format", ["onnx", pytest.param("sklearn", marks=pytest.mark.thorough)])
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


@scenario
def test_a_pod_of_the_grpc_image_answers_a_published_client_over_grpc(scene: Scene) -> None:
    assert isinstance(scene.cluster, Cluster)
    scene.cluster.load_images(variants=True)
    scene.given_active("1.0.0", serving={"image": "verdigris/serving-grpc:0.1.0", "grpc": True})
    with forwarded(scene, 8081) as port:
        client = grpc.InferenceServerClient(f"127.0.0.1:{port}")
        rows = np.array([[6, 148, 72, 35, 0, 33.6, 0.627, 50], [1, 85, 66, 29, 0, 26.6, 0.351, 31]], dtype=np.float64)
        asked = grpc.InferInput("features", list(rows.shape), "FP64")
        asked.set_data_from_numpy(rows)
        answer = client.infer(NAME, [asked])
        client.close()
    labels = answer.as_numpy("label")
    assert labels is not None
    assert labels.tolist() == [1, 0]


@contextmanager
def forwarded(scene: Scene, port: int) -> Iterator[int]:
    """A port of this machine that leads to one of the model's Service."""
    command = scene.kube.command("port-forward", f"service/{NAME}", f":{port}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:([0-9]+)", said)
            assert found, f"kubectl forwards no port: {said}"
            yield int(found[1])
        finally:
            process.terminate()
