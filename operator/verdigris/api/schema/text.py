"""Text that people read: cut to a length, with what cannot be seen made visible, and without what is secret."""

from __future__ import annotations

import re
from unicodedata import category

_USER_INFO = re.compile(r'(?<=://)[^/?#\s"]*@')
"""The user and password of a URL. Whoever may read a sentence may seldom know them."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def clip(text: str, limit: int = 1024) -> str:
    """The beginning of the text, at most `limit` characters with the ellipsis that says so."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain(text: str) -> str:
    """The text with every character that cannot be seen, or changes how others are seen, written as its escape.

    Line breaks, control characters, marks that turn the direction of writing and those of no width are written as in
    JSON (`\\n`, `\\u202e`), so that nobody's words can pass for ours, in a terminal either. Any kind of space is a
    space. The user and password of a URL are left out. What is plain already stays as it is.
    """
    text = _USER_INFO.sub("", text)
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if category(character) == "Zs":
        return " "
    units = character.encode("utf-16-be", "surrogatepass")
    escapes = (f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
    return _SHORT.get(character) or "".join(escapes)
