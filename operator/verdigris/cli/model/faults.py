"""A fault of a manifest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """Where it is (file, object, path of the field), and the sentence that says what is wrong and what to do."""

    file: str
    object: str
    path: str
    message: str
