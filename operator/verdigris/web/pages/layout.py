"""The frame of every page, and the few parts that all of them use. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from verdigris.web.markup import Child, Html, element, joined, path

GOOD, BAD, WAIT, QUIET = "good", "bad", "wait", "quiet"
_SIGNS = {GOOD: "✔", BAD: "✖", WAIT: "●", QUIET: "○"}
STATES = {
    "Healthy": GOOD,
    "Progressing": WAIT,
    "Gated": WAIT,
    "Paused": WAIT,
    "RollingBack": BAD,
    "RolledBack": BAD,
    "Failed": BAD,
    "Superseded": QUIET,
    "Degraded": BAD,
}


@dataclass(frozen=True)
class Frame:
    """Who looks: their name (empty: nobody yet), the token of their forms, and whether they can sign out.

    `number`: of what is shown; another one means that it has changed since.
    """

    person: str = ""
    csrf: str = ""
    leaves: bool = False
    number: int = 0


def page(title: str, body: Child, frame: Frame, *, live: str = "") -> Html:
    """The whole document. `live`: the address of the stream that says when it has changed."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · Verdigris"),
        element("link", rel="icon", href=path("assets", "icon.svg"), type="image/svg+xml"),
        element("link", rel="stylesheet", href=path("assets", "page.css")),
        element("script", src=path("assets", "page.js"), defer=True) if live else None,
    )
    whole = element(
        "body",
        element("a", "To the content", href="#content", class_="skip"),
        _banner(frame),
        element("main", body, id="content", tabindex=-1, data_live=live or None),
    )
    return Html(f"<!doctype html>\n{element('html', head, whole, lang='en')}\n")


def _banner(frame: Frame) -> Html:
    home = element("a", "Verdigris", href="/", class_="home")
    who = element("span", "as ", element("strong", frame.person), class_="who") if frame.person else None
    leave = None
    if frame.leaves:
        leave = element(
            "form", _csrf(frame), element("button", "Sign out"), method="post", action=path("logout"), class_="leave"
        )
    return element("header", element("nav", home, aria_label="Pages"), who, leave)


def _csrf(frame: Frame) -> Html:
    return element("input", type="hidden", name="csrf", value=frame.csrf)


def form(action: str, frame: Frame, *parts: Child) -> Html:
    """A form of a person's, with the token by which it is known to come from this page."""
    return element("form", _csrf(frame), *parts, method="post", action=action)


def badge(text: str, style: str) -> Html:
    """A state, told by a sign and words and not by its colour alone."""
    return element("span", element("span", _SIGNS[style], aria_hidden="true"), f" {text}", class_=f"badge {style}")


def section(name: str, title: str, *body: Child) -> Html:
    """A part of a page under a heading of its own."""
    return element("section", element("h2", title, id=f"h-{name}"), *body, id=name, aria_labelledby=f"h-{name}")


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Names and values; a value that is empty is left out with its name."""
    rows = [element("div", element("dt", name), element("dd", value)) for name, value in pairs if value]
    return element("dl", rows, class_="facts")


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Child]]) -> Html:
    """A table that scrolls by itself where it is wider than the window; the keyboard reaches it. Its first column names
    the row.
    """
    head = element("thead", element("tr", [element("th", one, scope="col") for one in heads]))
    body = [
        element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]]) for row in rows
    ]
    made = element("table", element("caption", caption), head, element("tbody", body))
    return element("div", made, class_="wide", role="region", tabindex=0, aria_label=caption)


def notices(told: Iterable[str]) -> Html:
    """Sentences on what is missing or old."""
    return joined([element("p", one, class_="notice", role="status") for one in told])


def quietly(text: str) -> Html:
    """A sentence where there is nothing else."""
    return element("p", text, class_="quiet")
