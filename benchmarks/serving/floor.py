"""What `predict_proba` of one row takes alone: `python floor.py MODEL.joblib ROWS.json` prints microseconds.

No server of that pipeline can be faster. Needs scikit-learn and the standard library only.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import numpy as np

SECONDS = 2.0


def main(model: str, rows: str) -> None:
    """Measure for SECONDS and print the median."""
    pipeline = joblib.load(model)
    arrays = [np.array([row]) for row in json.loads(Path(rows).read_text())]
    taken = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for array in arrays[:100]:
            began = time.perf_counter()
            pipeline.predict_proba(array)
            taken.append(time.perf_counter() - began)
    print(round(statistics.median(taken) * 1e6, 1))


if __name__ == "__main__":
    main(*sys.argv[1:])
