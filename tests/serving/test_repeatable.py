"""The same pipeline packs to the same bytes, in every format and in every process."""

import os
import subprocess
import sys
from pathlib import Path

from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.serving.test_pack import as_rows, packed, sample

REPOSITORY = Path(__file__).resolve().parents[2]
PIPELINES = [
    ("linear", LogisticRegression()),
    ("onnx", RandomForestClassifier(3, random_state=0)),
    ("onnx", make_pipeline(StandardScaler(), GaussianNB())),
    ("sklearn", RandomForestClassifier(3, random_state=0)),
    ("sklearn", HistGradientBoostingClassifier(max_iter=3, random_state=0)),
]


def checksums(folder: Path) -> list[str]:
    """Fit and pack each pipeline anew, with all reports."""
    values, labels = sample()
    rows = as_rows(values)
    return [
        packed(pipeline.fit(values, labels), folder, rows=rows, training=rows, format=form).sha256
        for form, pipeline in PIPELINES
    ]


def test_the_same_pipeline_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = f"import pathlib, tests.serving.test_repeatable as t; print(*t.checksums(pathlib.Path({str(tmp_path)!r})))"
    # Another order of sets and dictionaries by hash than here, wherever this runs.
    env = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr

    assert checksums(tmp_path) == checksums(tmp_path) == ended.stdout.split()
