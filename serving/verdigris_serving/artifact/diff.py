"""What changed between two artifacts: ``verdigris-model diff``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from verdigris_serving.artifact.archive import Contents
from verdigris_serving.model.schema import LinearSpec, Manifest

#: A value before and after; None where one of the two has none.
Change = tuple[Any, Any]
_COMPARED = ("name", "version", "format", "task", "classes", "threshold", "libraries", "fallback")


@dataclass(frozen=True)
class Shift:
    """How the training data of one feature moved: ``deviations`` is the change of the mean in deviations of before.

    ``mean`` is None for a text, which has none.
    """

    mean: Change | None
    deviations: float | None
    missing: Change


@dataclass(frozen=True)
class Difference:
    """Only what differs, but every metric and every feature's baseline that both artifacts have.

    ``weights`` (both of format linear) is by feature and function, the largest change first.
    """

    manifest: dict[str, Change] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    features: dict[str, dict[str, Change]] = field(default_factory=dict)
    weights: dict[str, Change] = field(default_factory=dict)
    quality: dict[str, Change] = field(default_factory=dict)
    baseline: dict[str, Shift] = field(default_factory=dict)


def difference(before: Contents, after: Contents) -> Difference:
    """What changed from ``before`` to ``after``."""
    old, new = before.manifest, after.manifest
    old_names, new_names = ([feature.name for feature in manifest.features] for manifest in (old, new))
    return Difference(
        manifest=_changed({name: getattr(old, name) for name in _COMPARED}, {n: getattr(new, n) for n in _COMPARED}),
        added=[name for name in new_names if name not in old_names],
        removed=[name for name in old_names if name not in new_names],
        features=_features(old, new),
        weights=_weights(before, after),
        quality=_pairs(_metrics(before), _metrics(after)),
        baseline=_shifts(before, after),
    )


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Change]:
    return {name: (old.get(name), new.get(name)) for name in sorted({*old, *new})}


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Change]:
    return {name: pair for name, pair in _pairs(old, new).items() if pair[0] != pair[1]}


def _metrics(contents: Contents) -> dict[str, float]:
    return contents.quality.metrics if contents.quality else {}


def _features(old: Manifest, new: Manifest) -> dict[str, dict[str, Change]]:
    known = {feature.name: msgspec.structs.asdict(feature) for feature in old.features}
    changes = {
        feature.name: _changed(known[feature.name], msgspec.structs.asdict(feature))
        for feature in new.features
        if feature.name in known
    }
    return {name: change for name, change in changes.items() if change}


def _weights(before: Contents, after: Contents) -> dict[str, Change]:
    if not isinstance(before.model, LinearSpec) or not isinstance(after.model, LinearSpec):
        return {}
    changes = _changed(_by_term(before.model, before.manifest), _by_term(after.model, after.manifest))
    return dict(sorted(changes.items(), key=lambda item: -_distance(*item[1])))


def _by_term(spec: LinearSpec, manifest: Manifest) -> dict[str, list[float]]:
    """Weights by feature and function: what a pipeline spreads over several terms is one sum."""
    sums = {"(intercept)": list(spec.intercepts)}
    for term in spec.terms:
        name = manifest.features[term.feature].name
        label = name if term.function == "identity" else f"{term.function}({name})"
        known = sums.get(label, [0.0] * len(term.weights))
        sums[label] = [total + weight for total, weight in zip(known, term.weights, strict=True)]
    return sums


def _distance(old: list[float] | None, new: list[float] | None) -> float:
    width = max(len(old or ()), len(new or ()))
    old, new = ([*(weights or ()), *[0.0] * width][:width] for weights in (old, new))
    return max(abs(a - b) for a, b in zip(old, new, strict=True))


def _shifts(before: Contents, after: Contents) -> dict[str, Shift]:
    old, new = before.baseline, after.baseline
    if old is None or new is None:
        return {}
    known = {entry.name: entry for entry in old.features}
    manifests = (before.manifest, after.manifest)
    texts = {feature.name for manifest in manifests for feature in manifest.features if feature.datatype == "BYTES"}
    shifts = {}
    for entry in new.features:
        if entry.name in known:
            was = known[entry.name]
            is_text = entry.name in texts
            moved = (entry.mean - was.mean) / was.deviation if was.deviation and not is_text else None
            missing = was.missing / max(1, old.rows), entry.missing / max(1, new.rows)
            shifts[entry.name] = Shift(None if is_text else (was.mean, entry.mean), moved, missing)
    return shifts


def lines(change: Difference) -> Iterator[str]:
    """The difference for a person, line by line."""
    yield from (f"{name:12} {_value(old)} → {_value(new)}" for name, (old, new) in change.manifest.items())
    yield from (f"feature      {name} is new" for name in change.added)
    yield from (f"feature      {name} is gone" for name in change.removed)
    for name, fields in change.features.items():
        words = ", ".join(f"{what} {_value(old)} → {_value(new)}" for what, (old, new) in fields.items())
        yield f"feature      {name}: {words}"
    if change.weights:
        yield "weights, the largest change first"
        yield from (f"  {name:24} {_value(old)} → {_value(new)}" for name, (old, new) in change.weights.items())
    if change.quality:
        yield "quality"
        yield from (f"  {name:24} {_value(old)} → {_value(new)}" for name, (old, new) in change.quality.items())
    if change.baseline:
        yield "training data"
    for name, shift in change.baseline.items():
        moved = "" if shift.deviations is None else f" ({shift.deviations:+.2f} deviations)"
        mean = f"mean {_value(shift.mean[0])} → {_value(shift.mean[1])}{moved}" if shift.mean else ""
        missing = f"missing {shift.missing[0]:.1%} → {shift.missing[1]:.1%}" if any(shift.missing) else ""
        if mean or missing:
            yield f"  {name:24} {', '.join(filter(None, (mean, missing)))}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " ".join(map(_value, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in sorted(value.items()))
    return str(value)
