"""One model: what waits, why, its rollout, the clients, evidence, gates, pods, history and differences. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from verdigris.cli.model.deployment import Decided, Model
from verdigris.cli.model.differences import Difference
from verdigris.cli.model.findings import BAD as BAD_FINDING
from verdigris.cli.model.findings import FINE, Finding, findings
from verdigris.cli.model.headline import share, state, strategy, versions
from verdigris.cli.model.outcome import outcome_of
from verdigris.cli.model.pods import Pod, colours
from verdigris.web.markup import Child, Html, element, path
from verdigris.web.pages.chart import charts
from verdigris.web.pages.colours import who_has_the_clients
from verdigris.web.pages.deciding import Choice, decisions
from verdigris.web.pages.layout import (
    BAD,
    GOOD,
    STATES,
    WAIT,
    Frame,
    badge,
    facts,
    notices,
    page,
    quietly,
    section,
)
from verdigris.web.pages.past import differing, history
from verdigris.web.pages.steps import gates, steps
from verdigris.web.timeline import Timeline


@dataclass(frozen=True)
class Shown:
    """What is known of a model. None is what could not be read: `unseen` says why, by pods, children and decisions."""

    model: Model
    now: datetime
    pods: tuple[Pod, ...] | None
    differences: tuple[Difference, ...]
    decided: tuple[Decided, ...]
    timeline: Timeline
    choices: tuple[Choice, ...]
    unseen: dict[str, str]
    told: tuple[str, ...] = ()


def model_page(shown: Shown, frame: Frame) -> Html:
    """The page."""
    model, now = shown.model, shown.now
    outcome = outcome_of(model, now)
    heading = element("h1", model.name, " ", element("span", model.namespace, class_="space"))
    body = [
        heading,
        element("p", badge(state(model, outcome), STATES[outcome.state])),
        notices(shown.told),
        decisions(model, shown.choices, frame),
        section("why", "Why", _why(findings(model, now, shown.pods))),
        section("rollout", "Rollout", _rollout(model, now), steps(model)),
        section(
            "clients",
            "Who has the clients",
            who_has_the_clients(colours(model, shown.pods or ()), now, shown.unseen.get("pods", "")),
        ),
        section("evidence", "Evidence over time", charts(shown.timeline)),
        _of_gates(model),
        section("history", "History", history(model, shown.decided, shown.unseen.get("decisions", ""))),
        section(
            "differences",
            "The spec against what runs",
            differing(shown.differences, shown.unseen.get("children", "")),
        ),
    ]
    events = path("events", since=str(frame.number), namespace=model.namespace, name=model.name)
    return page(f"{model.name} in {model.namespace}", body, frame, live=events)


def _of_gates(model: Model) -> Child:
    found = gates(model)
    return section("gates", "Gates", found) if found else None


def _rollout(model: Model, now: datetime) -> Html:
    rollout = model.rollout
    return facts(
        [
            ("strategy", strategy(model, now)),
            ("share", share(rollout) if rollout is not None else ""),
            ("versions", versions(model)),
        ]
    )


def _why(found: Sequence[Finding]) -> Iterable[Html]:
    if not found:
        return [
            quietly("The operator has not said anything of it yet: kubectl verdigris check says whether it is there.")
        ]
    return [_finding(one) for one in found]


def _finding(one: Finding) -> Html:
    style = BAD if one.severity == BAD_FINDING else GOOD if one.severity == FINE else WAIT
    numbers = [] if one.severity == FINE else [("value", one.value), ("limit", one.limit)]
    numbers += [] if one.severity == FINE else [("window", one.window), ("n", one.n)]
    return element(
        "article",
        element("h3", badge(one.reason, style), " ", element("span", one.about, class_="space")),
        element("p", one.message or "It says nothing more.", class_="said"),
        facts([*numbers, ("next", one.next)]),
        class_="finding",
    )
