"""Pages for who is not in yet, and for what went wrong. PURE."""

from __future__ import annotations

from verdigris.web.markup import Html, element, path
from verdigris.web.pages.layout import Frame, notices, page


def login(csrf: str, told: str = "") -> Html:
    """Where a person shows a token of the cluster's. `csrf`: what the form has to bring back."""
    field = element(
        "input",
        id="token",
        name="token",
        type="password",
        required=True,
        autocomplete="off",
        spellcheck="false",
        aria_describedby="token-help",
    )
    words = (
        "It is shown to the API server to learn who you are, kept in this server's memory until you sign out, and used "
        "for what you decide. A short one is enough: "
    )
    form = element(
        "form",
        element("input", type="hidden", name="csrf", value=csrf),
        element("label", "A token of this cluster", for_="token"),
        field,
        element("p", words, element("code", "kubectl create token NAME --duration=1h"), ".", id="token-help"),
        element("button", "Sign in"),
        method="post",
        action=path("login"),
        class_="login",
    )
    return page("Sign in", [element("h1", "Sign in"), notices([told] if told else []), form], Frame())


def trouble(title: str, sentence: str, frame: Frame) -> Html:
    """What is wrong, where, and what to do."""
    back = element("p", element("a", "All models", href="/"))
    return page(title, [element("h1", title), element("p", sentence, class_="trouble", role="alert"), back], frame)
