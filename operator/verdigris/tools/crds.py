"""The CRDs as files, made from the models. `python -m verdigris.tools.crds --write` (or `--check`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from verdigris.api.schema.crd import RESOURCES, render
from verdigris.tools import generated

_REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = _REPOSITORY / "crds"
CHART_FOLDER = _REPOSITORY / "charts" / "verdigris" / "files" / "crds"
"""The chart's own copy: Helm reads nothing outside a chart."""


def files(folder: Path | None = None) -> dict[Path, str]:
    """Each CRD as a file of the repository and of the chart, or of this folder."""
    folders = [FOLDER, CHART_FOLDER] if folder is None else [folder]
    return {place / resource.file: render(resource) for place in folders for resource in RESOURCES}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them."""
    return generated.main("verdigris.tools.crds", __doc__, "the models say", files, arguments)


if __name__ == "__main__":
    sys.exit(main())
