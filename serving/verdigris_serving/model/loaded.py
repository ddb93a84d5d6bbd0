"""A model that has passed every check: what verification hands to whoever serves it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from verdigris_serving.model.schema import Baseline, Manifest, Row, Said


class Predictor(Protocol):
    """What a format has to offer to be served. Thread-safe: several threads may ask at once."""

    @property
    def blocking(self) -> bool:
        """Whether one row may take so long that it must not be computed on the loop that answers probes."""

    def scores(self, row: Row) -> list[float]:
        """Probabilities by class, or values; raises NonFiniteScore."""

    def scores_many(self, rows: Sequence[Row]) -> list[list[float]]:
        """The scores of one or more rows, one list a row; raises NonFiniteScore when any of them has none."""


class LabelPredictor(Predictor, Protocol):
    """A predictor whose label is its own: where the manifest says ``label_from: model``."""

    def labelled(self, rows: Sequence[Row]) -> tuple[list[list[float]], Sequence[Said]]:
        """The scores of each row and its label; raises NonFiniteScore."""


@dataclass(frozen=True)
class LoadedModel:
    """``sha256`` is that of the bytes it was made from; ``golden_rows`` how many rows it reproduced.

    ``baseline`` and ``quality`` (a value a metric) are what the artifact says about training and holdout, if it does.
    ``example`` is a row to show; in a pod there is none, because the rows in an artifact are somebody's. ``told`` is
    what to know of it although it may be served, a sentence; empty when there is nothing.
    """

    manifest: Manifest
    predictor: Predictor
    sha256: str
    golden_rows: int
    baseline: Baseline | None = None
    quality: dict[str, float] = field(default_factory=dict)
    example: Row | None = None
    told: str = ""
