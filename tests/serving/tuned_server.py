"""The server with limits that a test can wait for and a model that answers when the test says so: a process.

TEST_LIMITS: JSON, fields of Limits. TEST_GATE: a file; while it is absent, each inference waits in its thread.
TEST_HOLD: each inference keeps the interpreter to itself, for ever.
"""

import dataclasses
import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from verdigris_serving.artifact.verify import load_verified
from verdigris_serving.http.limits import Limits
from verdigris_serving.logs import set_up_logging
from verdigris_serving.model.loaded import Predictor
from verdigris_serving.serve import run
from verdigris_serving.settings import ServerSettings


class Holding:
    """A model that computes in C for ever, and lets no other thread have the interpreter."""

    blocking = True

    def scores(self, row: Sequence[float | None]) -> list[float]:
        raise AssertionError(re.fullmatch("(a+)+b", "a" * 100), row)

    def scores_many(self, rows: Sequence[Sequence[float | None]]) -> list[list[float]]:
        return [self.scores(row) for row in rows]


class Gated:
    """A model of a slow format, whose rows take until a file appears."""

    blocking = True

    def __init__(self, predictor: Predictor, gate: Path) -> None:
        self._predictor = predictor
        self._gate = gate

    def scores(self, row: Sequence[float | None]) -> list[float]:
        while not self._gate.exists():
            time.sleep(0.005)
        return self._predictor.scores(row)

    def scores_many(self, rows: Sequence[Sequence[float | None]]) -> list[list[float]]:
        return [self.scores(row) for row in rows]


def main() -> None:
    set_up_logging()
    settings = ServerSettings.from_environment(os.environ)
    model = load_verified(settings.model.path, settings.model.expected, max_bytes=settings.model.max_bytes)
    gate = os.environ.get("TEST_GATE")
    if gate:
        model = dataclasses.replace(model, predictor=Gated(model.predictor, Path(gate)))
    if "TEST_HOLD" in os.environ:
        model = dataclasses.replace(model, predictor=Holding())
    run(model, settings, Limits(**json.loads(os.environ.get("TEST_LIMITS", "{}"))))


if __name__ == "__main__":
    main()
