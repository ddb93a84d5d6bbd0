"""A version that answers wrongly with 200, and passes its own golden rows, is seen by the shadow to disagree."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import pytest

from examples.diabetes.patients import FEATURES, Patient, generate
from examples.diabetes.train import DESCRIBED, INSULIN, PEDIGREE, pipeline, split, table
from tests.serving.shielding import answered_by, compared, rows_compared, shadow
from tests.serving.support import ServerProcess, server
from verdigris_serving.artifact.pack import pack
from verdigris_serving.http.shield.shadow.comparing import Likeness

PATH = "/v2/models/diabetes/infer"
GLUCOSE, PRESSURE = FEATURES.index("glucose"), FEATURES.index("blood_pressure")
Serve = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def patients() -> tuple[list[Patient], list[Patient]]:
    """Those to learn from, and those that ask."""
    return split(generate(1_000))


@pytest.fixture
def serve(tmp_path: Path, patients: tuple[list[Patient], list[Patient]]) -> Iterator[Serve]:
    """Trains, packs and serves a version; ``order`` is how whoever exported the training data ordered the columns."""
    known, _ = patients
    rows, labels = table(known)
    with ExitStack() as running:

        def serve(version: str, order: list[int], c: float = 1.0, **columns: int) -> ServerProcess:
            folder = tmp_path / version
            folder.mkdir()
            model = pipeline(dict.fromkeys((INSULIN, *columns.values()), np.log1p), c=c)
            model.fit(rows[:, order], labels)
            golden = [[patient.row[place] for place in order] for patient in known[:100]]
            pack(
                model,
                folder / "model.vmodel",
                name="diabetes",
                version=version,
                features=DESCRIBED,
                rows=golden,
            )
            return running.enter_context(server(folder))

        yield serve


def test_features_that_were_swapped_in_training_are_found_though_every_answer_is_a_200(
    serve: Serve, patients: tuple[list[Patient], list[Patient]]
) -> None:
    as_they_are = list(range(len(FEATURES)))
    swapped = list(as_they_are)
    swapped[GLUCOSE], swapped[PRESSURE] = PRESSURE, GLUCOSE
    _, unseen = patients
    body = msgspec.json.encode({"rows": [patient.row for patient in unseen[:200]]})
    active = serve("1.0.0", as_they_are)
    successor = serve("1.1.0", as_they_are, c=3.0, pedigree=PEDIGREE)
    mistaken = serve("2.0.0", swapped)

    def disagreement(pod: ServerProcess) -> float:
        """The share of the rows that get another label."""
        shadow(active, pod.port)
        before = rows_compared(active)
        found = compared(active, lambda: versions.add(answered_by(active.get(PATH, "POST", body))), copies=2)
        assert set(found) <= {Likeness.AGREED, Likeness.DIFFERED}
        agreed, differed = (now - then for now, then in zip(rows_compared(active), before, strict=True))
        return differed / (agreed + differed)

    versions: set[str] = set()

    assert disagreement(successor) < 0.05
    assert disagreement(mistaken) > 0.2
    assert versions == {"1.0.0"}
    assert mistaken.metrics()["verdigris_score_count"] == 0, "nobody got an answer of it"
