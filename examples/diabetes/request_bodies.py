"""Bodies of inference requests from the held-out patients, for load clients. Needs the standard library only."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path


def bodies(requests_json: Path) -> list[bytes]:
    """One body a patient in ``requests.json`` (written by ``examples.diabetes.train``), one row in each."""
    document = json.loads(requests_json.read_text())
    return [body([row]) for row in document["rows"]]


def body(rows: list[list[float | None]]) -> bytes:
    """The body of ``POST /v2/models/diabetes/infer`` for these rows; None is a missing value."""
    tensor = {
        "name": "features",
        "shape": [len(rows), len(rows[0])],
        "datatype": "FP64",
        "data": [value for row in rows for value in row],
    }
    return json.dumps({"inputs": [tensor]}).encode()


def endless(requests_json: Path) -> Iterator[bytes]:
    """The same bodies, over and over."""
    return itertools.cycle(bodies(requests_json))
