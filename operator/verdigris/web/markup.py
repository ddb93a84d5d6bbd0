"""HTML as values: text is escaped because it is text. PURE.

`element("p", "a < b", class_="x")` is `<p class="x">a &lt; b</p>`. Only what `element` made is taken as HTML, so
a status cannot bring any; an address is one of our own paths, so it cannot bring a script either.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Union
from urllib.parse import quote

_VOID = frozenset({"meta", "link", "input", "br"})
_ADDRESSES = frozenset({"href", "src", "action"})


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


Child = Union[str, None, "Iterable[Child]"]
Attribute = Union[str, int, float, bool, None]


def element(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """An element. `class_` is `class`, `aria_label` is `aria-label`; True: an attribute without a value; None: none.

    Raises ValueError for an address that is none of this page's own, and for what the page's policy forbids.
    """
    head = f"<{name}{''.join(_attribute(*one) for one in attributes.items())}>"
    return Html(head) if name in _VOID else Html(f"{head}{joined(children)}</{name}>")


def joined(children: Child) -> Html:
    """Children one after the other; what is text only is escaped."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str):
        return Html(escape(children))
    return Html("".join(map(joined, children)))


def path(*parts: str, **query: str) -> str:
    """A path of this page: `path("models", "a b")` is `/models/a%20b`."""
    told = "/" + "/".join(quote(one, safe="") for one in parts)
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"{told}?{asked}" if asked else told


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if name == "style" or name.startswith("on"):
        raise ValueError(f"the attribute {name} is not for this page: its Content-Security-Policy forbids it")
    if value is True:
        return f" {name}"
    told = str(value)
    if name in _ADDRESSES and not (told.startswith("#") or (told.startswith("/") and not told.startswith("//"))):
        raise ValueError(f"{told!r} is no address of this page")
    return f' {name}="{escape(told)}"'
