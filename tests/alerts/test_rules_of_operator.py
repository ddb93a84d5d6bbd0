"""When the alerts about the operator and its rollouts fire, and when they do not (promtool test rules)."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.alerts.promtool import Firing, Promtool, Series
from tests.alerts.samples import OPERATOR

pytestmark = pytest.mark.cluster


def _series(name: str, **labels: str) -> str:
    """A series of the operator's by its name; a label `%s` is filled in later."""
    named = {"service": "verdigris", **labels}
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in named.items()) + "}"


MODEL = {"namespace": "clinic", "model": "diabetes"}
UP = _series("up", namespace="system", pod="%s")
LEADER = _series("verdigris_leader", pod="%s")
ERRORS = _series("verdigris_controller_runtime_reconcile_errors_total", pod="a")
AGE = _series("verdigris_evidence_age_seconds", namespace="clinic", model="%s")
ANSWERS = _series("verdigris_evidence_answers_total", pod="a", result="%s")
HELD = _series("verdigris_rollout_held_since_timestamp_seconds", **MODEL, what="approval")
ROLLBACK = _series("verdigris_last_rollback_timestamp_seconds", **MODEL, reason="R", pod="%s")
REJECTION = _series("verdigris_last_rejection_timestamp_seconds", **MODEL, reason="%s")
STUCK = _series("verdigris_stuck_pods", **MODEL, kind="CrashLoop")
UNREADABLE = _series("verdigris_namespace_unreadable", namespace="clinic")

HEALTHY = {UP % "a": "1x400", UP % "b": "1x400", LEADER % "a": "1x400", LEADER % "b": "0x400", ERRORS: "0x400"}


class Case(NamedTuple):
    """What is seen beside a healthy operator, and which alerts fire when."""

    series: Series
    at: dict[str, Firing]


CASES: dict[str, Case] = {
    "a healthy operator": Case({}, {"30m": {}}),
    "no replica at all": Case(
        {UP % "a": "1x20", UP % "b": "1x20"}, {"5m": {}, "13m": {"VerdigrisOperatorDown/critical": 1}}
    ),
    "replicas that cannot be scraped": Case(
        {UP % "a": "0x40", UP % "b": "0x40", LEADER % "a": "_x40", LEADER % "b": "_x40"},
        {"3m": {"VerdigrisOperatorDown/critical": 1}},
    ),
    "one replica of two": Case({UP % "a": "0x60"}, {"10m": {}}),
    "nobody leads": Case({LEADER % "a": "1x20 0x60"}, {"5m": {}, "7m": {"VerdigrisNoLeader/critical": 1}}),
    "the lead goes from one to the other": Case({LEADER % "a": "1x20 0x60", LEADER % "b": "0x21 1x60"}, {"6m30s": {}}),
    "reconciles that go on failing": Case(
        {ERRORS: "0+1x100"}, {"2m": {}, "12m": {"VerdigrisReconcileFailing/warning": 1}}
    ),
    "many reconciles that fail at once, and no more": Case({ERRORS: "0x20 50x100"}, {"7m": {}, "11m": {}, "14m": {}}),
    "reconciles that have failed, and do so no more": Case(
        {ERRORS: "0+1x60 60x100"}, {"14m": {"VerdigrisReconcileFailing/warning": 1}, "24m": {}}
    ),
    "a few reconciles that fail": Case({ERRORS: "0x20 5x100"}, {"15m": {}}),
    "an operator that starts anew": Case({ERRORS: "200x20 0x100"}, {"15m": {}}),
    "old evidence": Case({AGE % "diabetes": "0+15x40"}, {"2m": {}, "3m": {"VerdigrisEvidenceStale/warning": 1}}),
    "old evidence of two models": Case(
        {AGE % "diabetes": "500x40", AGE % "sepsis": "500x40"}, {"3m": {"VerdigrisEvidenceStale/warning": 2}}
    ),
    "fresh evidence": Case({AGE % "diabetes": "119x40"}, {"10m": {}}),
    "a Prometheus that does not answer": Case(
        {ANSWERS % "error": "0+1x40", ANSWERS % "success": "0x40"},
        {"5m": {"VerdigrisPrometheusUnreachable/warning": 1}},
    ),
    "a Prometheus that mostly answers": Case({ANSWERS % "error": "0+1x40", ANSWERS % "success": "0+2x40"}, {"9m": {}}),
    "nobody asks Prometheus": Case({ANSWERS % "error": "0x40", ANSWERS % "success": "0x40"}, {"9m": {}}),
    "an approval that nobody gives": Case({HELD: "60x400"}, {"30m": {}, "32m": {"VerdigrisRolloutHeld/warning": 1}}),
    "a rollback, told for a while": Case(
        # Two replicas have told of it, one after the other: it is one rollback.
        {ROLLBACK % "a": "_x4 60x40", ROLLBACK % "b": "_x20 60x100"},
        {"45s": {}, "2m": {"VerdigrisRolledBack/warning": 1}, "10m": {"VerdigrisRolledBack/warning": 1}, "17m": {}},
    ),
    "a gate that failed": Case(
        {REJECTION % "SmokeGateFailed": "60x100"}, {"2m": {"VerdigrisGateFailed/warning": 1}, "17m": {}}
    ),
    "a rejection for another reason": Case({REJECTION % "ErrorRateDoubled": "60x100"}, {"2m": {}}),
    "pods that stay stuck": Case({STUCK: "2x100"}, {"9m": {}, "11m": {"VerdigrisPodsStuck/warning": 1}}),
    "pods that were removed in time": Case({STUCK: "2x20 0x80"}, {"11m": {}}),
    "a namespace that cannot be listed": Case(
        {UNREADABLE: "1x60"}, {"4m": {}, "6m": {"VerdigrisNamespaceUnreadable/warning": 1}}
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_exactly_these_alerts_fire(promtool: Promtool, case: Case) -> None:
    promtool.fires(OPERATOR, {**HEALTHY, **case.series}, case.at)


def test_promtool_finds_no_fault_in_the_rules(promtool: Promtool) -> None:
    assert "SUCCESS" in promtool.check(OPERATOR)
