"""kubectl-verdigris as one file that needs python3 and kubectl only. `python -m verdigris.tools.zipapp --to FILE`.

The same source gives the same bytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import zipapp
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
NAME = "kubectl-verdigris"
ALSO = ("__init__.py", "api/__init__.py", "api/schema/__init__.py", "api/schema/text.py", "api/schema/durations.py")
"""What of the package the command line needs beside `cli` and `web`: nothing but the standard library."""
_NOT = "incluster"
"""What serves the page in a cluster needs more."""
_INTERPRETER = "/usr/bin/env python3"
_EPOCH = 315532800
"""1980-01-01, before which ZIP has no times."""
_MAIN = "import sys\n\nfrom verdigris.cli.main import main\n\nsys.exit(main())\n"


def sources() -> Iterator[Path]:
    """The files that go into it, relative to the package."""
    yield from map(Path, ALSO)
    for part in ("cli", "web"):
        found = (path.relative_to(PACKAGE) for path in (PACKAGE / part).rglob("*.py"))
        yield from sorted(path for path in found if _NOT not in path.parts)


def assets() -> Iterator[Path]:
    """What the page needs beside its code, relative to the package."""
    yield from sorted(path.relative_to(PACKAGE) for path in (PACKAGE / "web" / "assets").iterdir())


def build(target: Path) -> Path:
    """Write the file, executable. Raises OSError when it cannot be written."""
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder)
        for source in (*sources(), *assets()):
            copy = staged / "verdigris" / source
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PACKAGE / source, copy)
        (staged / "__main__.py").write_text(_MAIN, encoding="utf-8")
        for path in (*staged.rglob("*"), staged):
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.utime(path, (_EPOCH, _EPOCH))
        target.parent.mkdir(parents=True, exist_ok=True)
        zipapp.create_archive(staged, target, _INTERPRETER, compressed=True)
    target.chmod(0o755)
    return target


def main(arguments: Sequence[str] | None = None) -> int:
    """Write it: 0."""
    parser = argparse.ArgumentParser(prog="python -m verdigris.tools.zipapp", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("out") / NAME, help=f"where to (default: out/{NAME})")
    options = parser.parse_args(arguments)
    print(build(options.to))
    return 0


if __name__ == "__main__":
    sys.exit(main())
