"""What a person may decide about a model, as forms. Each opens first: pressing once decides nothing. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verdigris.cli.model.deciding import Chosen
from verdigris.cli.model.deployment import Model
from verdigris.web.markup import Child, Html, element, path
from verdigris.web.pages.layout import Frame, form, quietly, section

_WORDS = {
    "approve": "Approve",
    "promote": "Promote now",
    "abort": "Abort",
    "retry": "Retry",
    "rollback": "Roll back",
}


@dataclass(frozen=True)
class Choice:
    """A decision that makes sense now. `awaited`: the rollout waits for it. `may`: this person may make it."""

    verb: str
    chosen: Chosen
    may: bool
    awaited: bool = False


def decisions(model: Model, choices: Sequence[Choice], frame: Frame) -> Html | None:
    """The section; None where there is nothing to decide."""
    if not choices:
        return None
    mine = sorted((one for one in choices if one.may), key=lambda one: not one.awaited)
    others = [one for one in choices if not one.may]
    waits = any(one.awaited for one in choices)
    lacking = None
    if others:
        verbs = ", ".join(one.verb for one in others)
        lacking = quietly(
            f"You may not {verbs}. The ClusterRole <release>-approver has these rights (<release>-aborter has abort): "
            "have somebody bind it to you."
        )
    title = ("It waits for you" if mine and mine[0].awaited else "It waits for a person") if waits else "Decide"
    return section("decide", title, [_choice(model, one, frame) for one in mine], lacking)


def _choice(model: Model, choice: Choice, frame: Frame) -> Child:
    verb, chosen = choice.verb, choice.chosen
    field = f"reason-{verb}"
    told = f"{_WORDS[verb]} version {chosen.version} ({chosen.revision}): {chosen.meaning}"
    made = form(
        path("models", model.namespace, model.name, "decisions"),
        frame,
        element("input", type="hidden", name="verb", value=verb),
        element("input", type="hidden", name="revision", value=chosen.revision),
        element("p", told),
        element("label", "Why? It is kept with your name.", for_=field),
        element("input", id=field, name="reason", required=True, maxlength=1024, autocomplete="off"),
        element("button", _WORDS[verb]),
    )
    style = "decision awaited" if choice.awaited else "decision"
    return element("details", element("summary", _WORDS[verb]), made, class_=style, id=f"decide-{verb}")
