"""What the benchmark of packing found, as JSON and as the page ``docs/estimators.md``."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.pack.estimators import Line
from benchmarks.pack.trial import Trial

_ABOUT = """\
Every classifier, regressor, outlier detector and clusterer of scikit-learn {version} with its default settings (what
they need to be made at all is a logistic or ridge regression), fitted on the iris or the diabetes data, packed with
`--format auto`. *Difference*: the largest of any score from scikit-learn's own (0 where there is a label alone), over
about 2,000 rows that were not packed with it; relative where the score is beyond 1. No label differed unless the line
says so. *Requests*: of one row, a second of one processor, through the protocol but without a network. Those that
give several labels or values a row stand once more at the end, with three or two of them. Written by `make bench-pack`.

**Texts.** A pipeline with a `TfidfVectorizer`, `CountVectorizer` or `HashingVectorizer` is packed as `sklearn`,
whatever it ends in, and so answers as scikit-learn does; a vectorizer with a function of its own is refused.
**Categories.** Histogram gradient boosting with `categorical_features` is `onnx`. **Several labels a row** are served
where each is 0 or 1; of more than two choices, and **dates**, are refused with what to do
([how each is asked](../serving/README.md))."""

_TITLES = (
    ("classifier", "Classifiers"),
    ("regressor", "Regressors"),
    ("outliers", "Outlier detectors"),
    ("cluster", "Clusterers"),
    ("labels", "Several labels a row"),
    ("values", "Several values a row"),
)


def document(trials: Sequence[Trial], table: Sequence[Line], rows_each: int) -> dict[str, Any]:
    """The figures as one document."""
    packed = [trial for trial in trials if trial.format]
    worst = max(packed, key=lambda trial: trial.worst, default=None)
    return {
        "pipelines": len(trials),
        "packed": len(packed),
        "formats": dict(Counter(trial.format or "refused" for trial in trials)),
        "rows_each": rows_each,
        "rows": sum(trial.rows for trial in packed),
        "wrong_labels": sum(trial.wrong_labels for trial in packed),
        "beyond_tolerance": sum(trial.beyond_tolerance for trial in packed),
        "worst": {"difference": worst.worst, "seed": worst.seed, "pipeline": worst.name} if worst else None,
        "faults": [
            {"seed": t.seed, "pipeline": t.name, "wrong_labels": t.wrong_labels, "beyond_tolerance": t.beyond_tolerance}
            for t in packed
            if t.wrong_labels or t.beyond_tolerance
        ],
        "refused": [{"seed": t.seed, "pipeline": t.name, "sentence": t.sentence} for t in trials if not t.format],
        "estimators": [
            {
                "name": line.name,
                "kind": line.kind,
                "format": line.format,
                "sentence": line.sentence or None,
                "rows": line.rows,
                "wrong_labels": line.wrong_labels,
                "largest_difference": line.largest_difference,
                "requests_per_s": line.requests_per_s and round(line.requests_per_s),
            }
            for line in table
        ],
    }


def write(found: dict[str, Any], path: Path) -> None:
    """Write the document as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def page(table: Sequence[Line]) -> str:
    """``docs/estimators.md``."""
    return "\n".join(_page(table)) + "\n"


def _page(table: Sequence[Line]) -> Iterator[str]:
    yield "# Estimators"
    yield ""
    yield _ABOUT.format(version=version("scikit-learn"))
    for kind, title in _TITLES:
        yield ""
        yield f"## {title}"
        yield ""
        yield "| estimator | format | difference | requests/s |"
        yield "|---|---|---|---|"
        for line in table:
            if line.kind == kind:
                yield _line(line)


def _line(line: Line) -> str:
    if line.format is None:
        return f"| `{line.name}` | not packed: {line.sentence.replace('|', '/')} | | |"
    wrong = f", {line.wrong_labels} labels differ" if line.wrong_labels else ""
    return f"| `{line.name}` | `{line.format}` | {line.largest_difference:.1g}{wrong} | {line.requests_per_s:,.0f} |"
