"""A model that has passed every check: what verification hands to whoever serves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from verdigris_serving.model.schema import Manifest


class Predictor(Protocol):
    """What a format has to offer to be served.

    ``blocking``: one row takes so long (beyond some 0.1 ms) that it must not be computed on the event loop.
    """

    blocking: bool

    def scores(self, row: Sequence[float | None]) -> list[float]:
        """Probabilities by class or ``[value]``; raises NonFiniteScore."""


@dataclass(frozen=True)
class LoadedModel:
    """``sha256`` is that of the bytes it was made from; ``golden_rows`` how many rows it reproduced."""

    manifest: Manifest
    predictor: Predictor
    sha256: str
    golden_rows: int
