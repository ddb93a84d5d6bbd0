"""What a path holds, told from its first bytes: so a command can say what to do with it before it loads anything."""

import errno
import stat
import zipfile
from pathlib import Path
from typing import Literal

#: ``pickle`` is whatever is none of the others: joblib's files have no mark of their own.
Kind = Literal["vmodel", "skops", "mlflow", "folder", "zip", "pickle"]
MLMODEL = "MLmodel"
_ZIP = b"PK\x03\x04"


def check_regular(path: Path) -> None:
    """Raises OSError for a folder, and for what is read for ever, or waits for somebody who writes."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, and one file is needed")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a device, a pipe or a socket: write what it gives to a file, and give that")


def kind_of(path: Path) -> Kind:
    """The kind of a file or folder. Raises OSError when it cannot be read."""
    if path.is_dir():
        return "mlflow" if (path / MLMODEL).is_file() else "folder"
    check_regular(path)
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return "pickle"
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except Exception:  # zipfile has many ways to say no, and a damaged zip is one still
        return "zip"
    if "manifest.json" in names:
        return "vmodel"
    return "skops" if "schema.json" in names else "zip"
