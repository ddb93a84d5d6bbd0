"""Whatever pipeline of supported parts is packed: fresh rows get scikit-learn's labels and scores.

The same with thousands of pipelines and ten thousand rows each: ``make bench-pack``.
"""

from pathlib import Path

import pytest

from benchmarks.pack.trial import run


@pytest.mark.parametrize("first", range(100_000, 100_024, 8))
def test_random_pipelines_answer_fresh_rows_as_scikit_learn_does(first: int, tmp_path: Path) -> None:
    found = [run(seed, tmp_path, 500) for seed in range(first, first + 8)]

    assert [(t.seed, t.name, t.sentence) for t in found if not t.format] == []
    assert [(t.seed, t.name) for t in found if t.wrong_labels or t.beyond_tolerance] == []
    assert sum(t.rows for t in found) > 3_000
