"""The CRDs as files, made from the models. `python -m verdigris.tools.crds --write` (or `--check`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from verdigris.api.schema.crd import RESOURCES, render

_REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = _REPOSITORY / "crds"
CHART_FOLDER = _REPOSITORY / "charts" / "verdigris" / "files" / "crds"
"""The chart's own copy: Helm reads nothing outside a chart."""


def stale(*folders: Path) -> list[Path]:
    """The files of these folders that are missing or differ from what the models say now."""
    files = {folder / resource.file: render(resource) for folder in folders for resource in RESOURCES}
    return [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them: 0 when they are up to date, 1 and a sentence when they are not."""
    parser = argparse.ArgumentParser(prog="python -m verdigris.tools.crds", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the CRDs")
    action.add_argument("--check", action="store_true", help="fail when the CRDs on disk are not what the models say")
    parser.add_argument(
        "--folder", type=Path, action="append", help="where they are (default: crds/ and the chart's copy)"
    )
    options = parser.parse_args(arguments)
    folders = options.folder or [FOLDER, CHART_FOLDER]
    old = stale(*folders)
    if options.check and old:
        names = ", ".join(str(path) for path in old)
        print(f"{names}: not what the models say. Run `python -m verdigris.tools.crds --write`.", file=sys.stderr)
        return 1
    if options.write:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            for resource in RESOURCES:
                (folder / resource.file).write_text(render(resource), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
