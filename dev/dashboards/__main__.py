"""The files of the dashboards. `python -m dev.dashboards --write` (or `--check`)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.dashboards import of_model, of_operators
from verdigris.tools import generated

FOLDER = Path(__file__).resolve().parents[2] / "charts" / "verdigris" / "files" / "dashboards"
BOARDS = (of_operators.BOARD, of_model.BOARD)


def files(folder: Path | None = None) -> Mapping[Path, str]:
    """Each dashboard in its place, or in this folder."""
    return {(folder or FOLDER) / f"{board.uid}.json": board.text() for board in BOARDS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them."""
    return generated.main("dev.dashboards", __doc__, "the code says", files, arguments)


if __name__ == "__main__":
    sys.exit(main())
