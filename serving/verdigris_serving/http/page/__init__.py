"""The page at ``/``: the served model, a form that asks it, and its OpenAPI document to read.

Three files beside this one and a document of the model. The page loads nothing from any other host, by its own
Content-Security-Policy, and needs nothing to be built. In a pod it shows no row of anybody: the form begins with values
in the middle of what the model was trained on.
"""

from importlib.resources import files
from typing import Any

import msgspec

from verdigris_serving import __version__
from verdigris_serving.model.loaded import LoadedModel
from verdigris_serving.protocol.example import example
from verdigris_serving.protocol.explaining import explanation
from verdigris_serving.protocol.service import JSON, Answer

_FILES = {
    "/": ("index.html", b"text/html; charset=utf-8"),
    "/page/style.css": ("style.css", b"text/css; charset=utf-8"),
    "/page/script.js": ("script.js", b"text/javascript; charset=utf-8"),
}


def page(model: LoadedModel) -> dict[str, Answer]:
    """What is answered, by path."""
    folder = files(__package__)
    answers = {path: Answer(200, (folder / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
    return {**answers, "/page/model.json": Answer(200, msgspec.json.encode(_document(model)), JSON)}


def _document(model: LoadedModel) -> dict[str, Any]:
    manifest = model.manifest
    return {
        **msgspec.to_builtins(manifest),
        "sha256": model.sha256,
        "quality": model.quality,
        "explains": not isinstance(explanation(model), str),
        "example": example(model),
        "server": f"verdigris {__version__}",
    }
