"""What tells Prometheus of the model: where its pods are, and what to alert on. Not every cluster knows these kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from verdigris.children import prometheus_rule, service_monitor
from verdigris.core.actions import Action, Keep, Remove
from verdigris.core.turn import Turn

Line = tuple[str, Literal["True", "False", "Unknown"], str, str]
"""A condition: type, status, reason, message."""

_ASKED_FOR = (("monitoring", "prometheusRule"), ("monitoring", "slo"))


class _Told(NamedTuple):
    """What is said of a kind: that there is one, or what does not happen without it, and what to do instead."""

    present: tuple[str, str]
    missing: str
    effect: str
    instead: str


_TOLD: Mapping[str, _Told] = {
    "ServiceMonitor": _Told(
        ("ServiceMonitorPresent", "Prometheus finds the pods by their ServiceMonitor."),
        "ServiceMonitorMissing",
        "tells Prometheus about the pods",
        "spec.monitoring.serviceMonitor.enabled to false and scrape them yourself",
    ),
    "PrometheusRule": _Told(
        ("PrometheusRulePresent", "Prometheus alerts by the model's PrometheusRule."),
        "PrometheusRuleMissing",
        "has Prometheus alert anybody",
        "spec.monitoring.prometheusRule.enabled to false",
    ),
}


def monitored(turn: Turn) -> Iterator[Action]:
    """Both children: kept where they are asked for, removed where they are not."""
    observed = turn.observed
    owner, asked = observed.owner, observed.spec.monitoring
    scraped = service_monitor.build(owner, asked, turn.policy.scrape)
    yield from _kept(turn, scraped, wanted=asked.service_monitor.enabled)
    if not observed.skew.cannot_read(*_ASKED_FOR):
        alerted = prometheus_rule.build(owner, asked, observed.defaults.runbooks)
        yield from _kept(turn, alerted, wanted=asked.prometheus_rule.enabled)


def _kept(turn: Turn, manifest: Mapping[str, Any], *, wanted: bool) -> Iterator[Action]:
    if manifest["kind"] in turn.observed.unknown:
        return
    yield Keep(manifest) if wanted else Remove(manifest["apiVersion"], manifest["kind"], turn.observed.owner.name)


def lines(turn: Turn) -> Iterator[Line]:
    """The condition Monitored, if anything was asked for and could be read: the first fault, or that all is well."""
    asked = turn.observed.spec.monitoring
    wanted = {"ServiceMonitor": asked.service_monitor.enabled, "PrometheusRule": asked.prometheus_rule.enabled}
    kinds = [kind for kind, enabled in wanted.items() if enabled and kind not in turn.observed.unseen]
    faults = (fault for kind in kinds if (fault := _fault(turn, kind)) is not None)
    if kinds:
        yield next(faults, ("Monitored", "True", *_TOLD[kinds[0]].present))


def _fault(turn: Turn, kind: str) -> Line | None:
    """Why there is no object of this kind of ours; None when there is."""
    told = _TOLD[kind]
    theirs = next((name for name in turn.observed.taken if name.kind == kind), None)
    if theirs is not None:
        why = f"The {kind} {theirs.name} is somebody else's, so nothing of ours {told.effect}."
        return "Monitored", "False", "NameTaken", why
    if kind not in turn.observed.unknown:
        return None
    message = f"This cluster does not know {kind}s, so nothing {told.effect}: install the Prometheus Operator, or set "
    return "Monitored", "False", told.missing, f"{message}{told.instead}."
