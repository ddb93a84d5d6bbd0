"""JSON documents one after the other, as `kubectl get --watch -o json` writes them. PURE."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class Documents:
    """Takes lines, with their ends, and gives each document once it is whole.

    `feed` raises ValueError where the text is no JSON document at all.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def feed(self, line: str) -> Iterator[dict[str, Any]]:
        """The documents that are whole with this line."""
        if not self._lines and not line.strip():
            return
        if not self._lines and not line.startswith("{"):
            raise ValueError(f"no JSON document begins with {line[:20]!r}")
        self._lines.append(line)
        # kubectl indents: a document ends with a brace at the beginning of a line, or is all on one.
        if line.startswith("}") or (line.startswith("{") and line.strip() != "{"):
            text, self._lines = "".join(self._lines), []
            yield json.loads(text)
