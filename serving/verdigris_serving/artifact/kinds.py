"""What a path holds, told from its first bytes: so a command can say what to do with it before it loads anything."""

import zipfile
from pathlib import Path
from typing import Literal

#: ``pickle`` is whatever is none of the others: joblib's files have no mark of their own.
Kind = Literal["vmodel", "skops", "mlflow", "folder", "zip", "pickle"]
MLMODEL = "MLmodel"
_ZIP = b"PK\x03\x04"


def kind_of(path: Path) -> Kind:
    """The kind of a file or folder. Raises OSError when it cannot be read."""
    if path.is_dir():
        return "mlflow" if (path / MLMODEL).is_file() else "folder"
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
