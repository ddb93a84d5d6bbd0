"""All models: what waits for me, what is not well, what is under way, what is live. PURE."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from verdigris.api.schema.text import clip
from verdigris.cli import words
from verdigris.cli.model.deployment import Model, Rollout
from verdigris.cli.model.figures import share_reached, share_wanted
from verdigris.cli.model.headline import state
from verdigris.cli.model.outcome import Outcome, outcome_of
from verdigris.cli.words import count, of_hundred
from verdigris.web.markup import Child, Html, element, path
from verdigris.web.pages.layout import BAD, STATES, Frame, badge, facts, notices, page, quietly, section
from verdigris.web.port import Key

MINE, OTHERS, BADLY, UNDER_WAY, LIVE = "mine", "others", "badly", "under-way", "live"
_TITLES = {
    MINE: "Waits for you",
    OTHERS: "Waits for somebody else",
    BADLY: "Not well",
    UNDER_WAY: "Under way",
    LIVE: "Live",
}


_SAID = 160
"""Characters of a message: it is whole on the model's own page, and hundreds of them make most of this one."""


@dataclass(frozen=True)
class _Entry:
    model: Model
    outcome: Outcome
    place: str


def verb_awaited(model: Model, now: datetime) -> str:
    """By which decision it would go on; empty where it waits for nobody."""
    rollout, outcome = model.rollout, outcome_of(model, now)
    if rollout is None or outcome.state != "Gated":
        return ""
    return "approve" if rollout.stage == "AwaitingApproval" else "promote"


def fleet(
    models: Sequence[Model], mine: Collection[Key], now: datetime, frame: Frame, told: Iterable[str] = ()
) -> Html:
    """The page. `mine`: the models that wait for a decision which this person may make."""
    entries = [_entry(model, mine, now) for model in models]
    groups = [
        section(name, f"{title} ({sum(one.place == name for one in entries)})", _list(_of(entries, name), now))
        for name, title in _TITLES.items()
        if _of(entries, name)
    ]
    nothing = quietly("There is no model that you may see.") if not entries else None
    heading = element("h1", "Models")
    summary = element("p", _summary(entries), class_="summary")
    live = path("events", since=str(frame.number))
    return page("Models", [heading, notices(told), summary, nothing, groups], frame, live=live)


def _entry(model: Model, mine: Collection[Key], now: datetime) -> _Entry:
    outcome = outcome_of(model, now)
    if outcome.state in ("Gated", "Paused"):
        place = MINE if Key(model.namespace, model.name) in mine else OTHERS
    elif STATES[outcome.state] == BAD or (outcome.state == "Healthy" and model.stuck):
        place = BADLY
    else:
        place = LIVE if outcome.state == "Healthy" else UNDER_WAY
    return _Entry(model, outcome, place)


def _of(entries: Iterable[_Entry], place: str) -> list[_Entry]:
    return [one for one in entries if one.place == place]


def _summary(entries: Sequence[_Entry]) -> str:
    spaces = len({one.model.namespace for one in entries})
    serving = sum(one.model.active is not None for one in entries)
    told = f"{count(len(entries), 'model')} in {count(spaces, 'namespace')}"
    return f"{told}, {serving:,} of them with a version that is live."


def _list(entries: Iterable[_Entry], now: datetime) -> Html:
    return element("ul", [element("li", _card(one, now)) for one in entries], class_="models")


def _stuck(model: Model) -> str:
    reasons = ", ".join(sorted({one.reason for one in model.stuck}))
    return f"{count(len(model.stuck), 'pod')}: {reasons}" if model.stuck else ""


def _on_trial(rollout: Rollout) -> str:
    """Before a version meets clients there is nothing to judge yet, and no share to tell."""
    wanted, reached = share_wanted(rollout), share_reached(rollout)
    if not wanted and not reached:
        return f"{rollout.version}, has no clients"
    return f"{rollout.version}, reaches {of_hundred(reached)} of {of_hundred(wanted)}, {rollout.evidence.verdict}"


def _card(entry: _Entry, now: datetime) -> Child:
    model, rollout = entry.model, entry.model.rollout
    link = element("a", model.name, href=path("models", model.namespace, model.name))
    live = f"{model.active.version}, for {words.since(model.active.since, now)}" if model.active else "nothing"
    trial = _on_trial(rollout) if rollout is not None else ""
    said = None if entry.outcome.state == "Healthy" else element("p", clip(entry.outcome.message, _SAID), class_="said")
    return [
        element("h3", link, " ", element("span", model.namespace, class_="space")),
        badge(state(model, entry.outcome), STATES[entry.outcome.state]),
        facts([("live", live), ("on trial", trial), ("stuck", _stuck(model))]),
        said,
    ]
