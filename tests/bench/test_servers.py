"""Asking each server in its own words, and telling whether all of them serve the same model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.serving.install import LOCKS, PEERS
from benchmarks.serving.material import whole_rows
from benchmarks.serving.measure import largest_difference
from benchmarks.serving.servers import BentoML, KServe, MLServer, Server

ROWS = [[5.0, 172.0], [4.0, 168.0]]
RIGHT = [[0.25, 0.75], [0.5, 0.5]]
NOWHERE = Path("/nowhere")


def outputs(name: str) -> bytes:
    tensor = {"name": name, "shape": [2, 2], "datatype": "FP64", "data": [0.25, 0.75, 0.5, 0.5]}
    label = {"name": "label", "shape": [2], "datatype": "INT64", "data": [1, 1]}
    return json.dumps({"model_name": "diabetes", "outputs": [label, tensor]}).encode()


@pytest.mark.parametrize(
    ("server", "answer"),
    [
        (MLServer(NOWHERE, NOWHERE), outputs("predict_proba")),
        (KServe(NOWHERE, NOWHERE), outputs("probabilities")),
        (BentoML(NOWHERE, NOWHERE), b"[[0.25, 0.75], [0.5, 0.5]]"),
    ],
    ids=["mlserver", "kserve", "bentoml"],
)
def test_the_same_rows_are_asked_and_the_same_probabilities_read(server: Server, answer: bytes) -> None:
    asked = re.findall(rb"\d+\.\d+", server.body(ROWS))
    assert [float(value) for value in asked] == [5.0, 172.0, 4.0, 168.0]
    assert b"\n" not in server.body(ROWS)
    assert server.probabilities(answer) == RIGHT


def test_an_answer_without_probabilities_is_not_read_as_one() -> None:
    with pytest.raises(KeyError):
        KServe(NOWHERE, NOWHERE).probabilities(outputs("labels_only"))


def test_the_largest_difference_is_found_and_a_missing_row_is_infinitely_far() -> None:
    assert largest_difference(RIGHT, RIGHT) == 0
    assert largest_difference([[0.25, 0.75], [0.5, 0.4]], RIGHT) == pytest.approx(0.1)
    assert largest_difference(RIGHT[:1], RIGHT) == float("inf")
    assert largest_difference([[0.25, 0.75], [0.5]], RIGHT) == float("inf")


def test_no_row_that_is_measured_lacks_a_value() -> None:
    rows = whole_rows([[1.0, None], *([float(n), 0.0] for n in range(1_500))])
    assert len(rows) == 1_000
    assert all(len(row) == 2 for row in rows)


@pytest.mark.parametrize("path", sorted(PEERS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_peers_requirements_are_pins_without_hosts_and_load_the_pickle_of_our_scikit_learn(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+( ; .+)?", line)] == []
    ours = re.search(r"^scikit-learn==(\S+)", (LOCKS / "dev.txt").read_text(), re.MULTILINE)
    assert ours is not None
    assert f"scikit-learn=={ours[1]}" in lines
