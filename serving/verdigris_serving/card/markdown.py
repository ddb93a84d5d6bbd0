"""A model's card as Markdown with the front matter that model hubs read (HuggingFace's model card specification)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from verdigris_serving.artifact import describe
from verdigris_serving.card.facts import Decision, Facts
from verdigris_serving.gate.result import Check, Group, Result
from verdigris_serving.model.schema import Baseline, Feature, Importance

#: How the metrics of a quality report are called by HuggingFace, where it has another name for them.
_METRICS = {
    "auc": "roc_auc",
    "brier": "brier_score",
    "accuracy": "accuracy",
    "f1": "f1",
    "mae": "mae",
    "r2": "r_squared",
}
_CATEGORIES = 8
"""So many categories of a feature are listed."""


def markdown(facts: Facts) -> str:
    """The whole card. The same for the same facts: it holds no time of its making."""
    lines = "\n".join([*_front_matter(facts), *_body(facts)]).rstrip()
    return re.sub(r"\n{3,}", "\n\n", lines) + "\n"


def pipeline(facts: Facts) -> str:
    """What the model does, as HuggingFace calls it."""
    return "tabular-regression" if facts.manifest.task == "regression" else "tabular-classification"


def _front_matter(facts: Facts) -> Iterator[str]:
    """YAML, every value of it written as JSON, which YAML includes: no text can end the value that it is in."""
    manifest, quality = facts.manifest, facts.contents.quality
    yield "---"
    if facts.words.license:
        yield f"license: {json.dumps(facts.words.license)}"
    yield "library_name: sklearn"
    yield f"pipeline_tag: {pipeline(facts)}"
    yield f"tags: {json.dumps(['verdigris', 'sklearn', pipeline(facts), manifest.task])}"
    if quality:
        metrics = [
            {"type": _METRICS.get(name, name), "value": round(value, 6), "name": name}
            for name, value in sorted(quality.metrics.items())
        ]
        result = {
            "task": {"type": pipeline(facts)},
            "dataset": {"type": "tabular", "name": f"{quality.rows} rows that it was not trained on"},
            "metrics": metrics,
        }
        yield f"model-index: {json.dumps([{'name': manifest.name, 'results': [result]}])}"
    yield "---"


def _body(facts: Facts) -> Iterator[str]:
    manifest, contents, words = facts.manifest, facts.contents, facts.words
    yield from ("", f"# {_text(manifest.name)} {manifest.version}", "")
    yield f"A {manifest.task} model on {len(manifest.features)} features, served in format `{manifest.format}`."
    yield from _table(("", ""), _identity(facts))
    yield from _section("What it is for", [_text(words.use) or _unsaid("--use")])
    yield from _section("What it is not for", [_text(words.not_for) or _unsaid("--not-for")])
    yield from _section("Features", _features(manifest.features))
    if contents.quality:
        found = sorted(contents.quality.metrics.items())
        told = [f"On {contents.quality.rows} rows that it was not trained on."]
        told += _table(("metric", "value"), [(name, _number(value)) for name, value in found])
        yield from _section("Quality", told)
        if contents.quality.importance:
            yield from _section("What it depends on", _importance(contents.quality.importance))
    if facts.gates:
        yield from _section("Gates", [line for gate in facts.gates for line in _gate(gate)])
    if facts.decisions:
        yield from _section("Decisions", _decisions(facts.decisions))
    if contents.baseline:
        yield from _section("Training data", _training(contents.baseline))
    yield from _section("Reproduction", _reproduction(facts))


def _identity(facts: Facts) -> Iterator[tuple[str, str]]:
    manifest = facts.manifest
    yield "sha256", f"`{facts.sha256}`"
    yield "size", f"{facts.size} bytes"
    if manifest.classes:
        yield "classes", _text(", ".join(map(str, manifest.classes)))
        yield "label", _text(describe.label(manifest))
    if facts.words.license:
        yield "license", _text(facts.words.license)
    if facts.words.contact:
        yield "contact", _text(facts.words.contact)


def _unsaid(option: str) -> str:
    return f"*Not said. Whoever makes this card says it with `{option}`.*"


def _features(features: Sequence[Feature]) -> Iterator[str]:
    yield from _table(
        ("feature", "type", "allowed", "may be missing"),
        [(_text(one.name), one.datatype, _text(_allowed(one)), "yes" if one.nullable else "no") for one in features],
    )


def _allowed(feature: Feature) -> str:
    if feature.categories is not None:
        shown = ", ".join(map(str, feature.categories[:_CATEGORIES]))
        more = f" and {len(feature.categories) - _CATEGORIES} more" if len(feature.categories) > _CATEGORIES else ""
        return shown + more
    return describe.limits(feature).strip() or "any"


def _importance(found: Importance) -> Iterator[str]:
    yield (
        f"What {found.metric} loses when the values of one feature are exchanged among {found.rows} of these rows "
        f"(the mean of {found.repeats} exchanges)."
    )
    order = sorted(found.losses.items(), key=lambda one: -one[1])
    yield from _table(("feature", f"{found.metric} lost"), [(_text(name), f"{loss:.4f}") for name, loss in order])


def _gate(gate: Result) -> Iterator[str]:
    yield from (f"### {_text(gate.gate)}: {gate.verdict.value}", "")
    if gate.message:
        yield from (_text(gate.message), "")
    if gate.data:
        yield from (f"Data: {gate.data.rows} rows, sha256 `{gate.data.sha256}`.", "")
    if gate.checks:
        yield from _table(("check", "verdict", "value", "limit", "interval", "n"), map(_check, gate.checks))
    if gate.groups:
        yield from _table(("attribute", "group", "n", "selected", "TPR", "FPR", ""), map(_group, gate.groups))


def _check(check: Check) -> tuple[str, ...]:
    limit = f"{'at least' if check.bound == 'min' else 'at most'} {_number(check.threshold)}" if check.bound else ""
    low, high = check.interval or (None, None)
    interval = f"{_number(low) or '−∞'} to {_number(high) or '∞'}" if check.interval else ""
    return _text(check.name), check.verdict.value, _number(check.value), limit, interval, str(check.n)


def _group(one: Group) -> tuple[str, ...]:
    rates = (_number(one.selection_rate), _number(one.tpr), _number(one.fpr))
    return _text(one.attribute), _text(one.group), str(one.n), *rates, "" if one.judged else "too few to be judged"


def _decisions(decisions: Sequence[Decision]) -> Iterator[str]:
    yield from _table(
        ("when", "what", "by", "why"),
        [(one.at, one.verb, _text(one.by), _text(one.reason)) for one in decisions],
    )


def _training(baseline: Baseline) -> Iterator[str]:
    yield f"{baseline.rows} rows, of which the artifact holds counts and no row."
    yield from _table(
        ("feature", "mean", "deviation", "missing"),
        [
            (_text(one.name), _number(one.mean), _number(one.deviation), f"{one.missing / max(1, baseline.rows):.1%}")
            for one in baseline.features
        ],
    )


def _reproduction(facts: Facts) -> Iterator[str]:
    manifest = facts.manifest
    yield f"Packing proved that it answers as its pipeline does: {describe.equivalence(manifest)}."
    made = ", ".join(f"{name} {version}" for name, version in sorted(manifest.libraries.items()))
    if made:
        yield f"Made with {_text(made)}."
    yield f"`verdigris-model verify FILE --sha256 {facts.sha256}` checks a copy."


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from lines


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _text(value: Any) -> str:
    """Somebody's words as words: on one line, with nothing in them that Markdown or HTML would act on."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", " ".join(str(value).split()))
