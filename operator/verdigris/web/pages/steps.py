"""The steps of a rollout with their verdicts, and what its gates have measured. PURE."""

from __future__ import annotations

from collections.abc import Iterator

from verdigris.cli.model.deployment import Gate, GateCheck, Model, Step
from verdigris.cli.model.figures import names_step
from verdigris.cli.words import count
from verdigris.web.markup import Child, Html, element
from verdigris.web.pages.layout import BAD, GOOD, QUIET, WAIT, badge, table

_STATES = {"Done": GOOD, "Running": WAIT, "Waiting": QUIET, "Skipped": QUIET}
_VERDICTS = {"Pass": GOOD, "Fail": BAD}
_WIDTH, _HEIGHT = 160, 20


def steps(model: Model) -> Html | None:
    """In order; the one under way is said to be so."""
    rollout = model.rollout
    if rollout is None or not rollout.steps:
        return None
    return element("ol", [_step(one) for one in rollout.steps], class_="steps")


def _step(step: Step) -> Html:
    style = BAD if step.verdict == "Fail" else _STATES[step.state]
    return element(
        "li",
        badge(names_step(step), style),
        element("span", f" {step.state.lower()}"),
        element("span", f", {step.verdict}") if step.verdict else None,
        element("p", step.message, class_="said") if step.message else None,
        aria_current="step" if step.state == "Running" else None,
    )


def gates(model: Model) -> list[Html]:
    """A table for each gate that has been asked: every value with its interval beside its threshold."""
    rollout = model.rollout
    return [_gate(step, step.gate) for step in (rollout.steps if rollout else ()) if step.gate is not None]


def _gate(step: Step, gate: Gate) -> Html:
    verdict = badge(gate.verdict or "no answer yet", _VERDICTS.get(gate.verdict, WAIT))
    rows = [list(_row(check, gate)) for check in gate.checks]
    heads = ["check", "verdict", "value", "interval", "must be", "n", "drawn"]
    return element(
        "article",
        element("h3", step.kind, " ", verdict),
        element("p", gate.message, class_="said") if gate.message else None,
        table(f"What {step.kind} has measured", heads, rows) if rows else None,
    )


def _row(check: GateCheck, gate: Gate) -> Iterator[Child]:
    between = f"{check.low:.4g} to {check.high:.4g}" if check.low is not None and check.high is not None else "–"
    must = (
        f"{'at most' if check.bound == 'max' else 'at least'} {check.threshold:.4g}"
        if check.threshold is not None
        else "–"
    )
    yield check.name
    yield badge(check.verdict, _VERDICTS.get(check.verdict, WAIT))
    yield "–" if check.value is None else f"{check.value:.4g}"
    yield between
    yield must
    yield count(check.count or gate.rows, "row")
    yield _drawn(check)


def _drawn(check: GateCheck) -> Html | None:
    """The interval as a bar, the value as a dot, the threshold as a line. The table's cells say the same."""
    values = [one for one in (check.value, check.low, check.high, check.threshold) if one is not None]
    if check.value is None or max(values) == min(values):
        return None
    least, room = min(values), max(values) - min(values)

    def x(value: float) -> float:
        return round(8 + (value - least) / room * (_WIDTH - 16), 1)

    middle = _HEIGHT / 2
    bar = limit = None
    if check.low is not None and check.high is not None:
        bar = element("line", x1=x(check.low), x2=x(check.high), y1=middle, y2=middle, class_="interval")
    if check.threshold is not None:
        limit = element(
            "line", x1=x(check.threshold), x2=x(check.threshold), y1=2, y2=_HEIGHT - 2, class_="curve limit"
        )
    dot = element("circle", cx=x(check.value), cy=middle, r=4, class_="dot candidate")
    return element("svg", bar, limit, dot, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="gate", aria_hidden="true")
