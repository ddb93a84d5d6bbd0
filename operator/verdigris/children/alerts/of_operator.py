"""Alerts about the operator and about all of its rollouts, from what it shows itself. The chart installs them.

Its series bear the namespace of the model that they are about: the chart's ServiceMonitor honours their labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verdigris.children.alerts.rule import Alert, Group

_LATELY = 900
"""Seconds for which something that has happened is told."""

_OF = "of {{ $labels.namespace }}/{{ $labels.model }}"
_AGO = "{{ $value | humanizeDuration }} ago"


@dataclass(frozen=True)
class Limits:
    """What the chart's values say. Seconds as numbers of PromQL, `stuck_for` as Prometheus writes durations."""

    evidence_stale: str
    held: str
    stuck_for: str


def of_operator(namespace: str, service: str, limits: Limits) -> Group:
    """The alerts of one installation: its namespace, and the Service by which its replicas are scraped."""
    mine = f'service="{service}"'
    return Group(
        "verdigris",
        (
            *_of_the_process(f'namespace="{namespace}",{mine}', mine),
            *_of_evidence(mine, limits),
            *_of_rollouts(mine, limits),
        ),
    )


def _of_the_process(targets: str, mine: str) -> Iterator[Alert]:
    yield Alert(
        "VerdigrisOperatorDown",
        f"absent(up{{{targets}}} == 1)",
        "critical",
        "No replica of the operator can be scraped: nothing is rolled out, and nothing is rolled back.",
        hold="2m",
    )
    yield Alert(
        "VerdigrisNoLeader",
        f"sum(verdigris_leader{{{mine}}}) == 0",
        "critical",
        "Replicas of the operator run, but none of them leads: nothing is rolled out, and nothing is rolled back.",
        hold="1m",
    )
    errors = f"sum(increase(verdigris_controller_runtime_reconcile_errors_total{{{mine}}}[%s]))"
    # What fails is tried again within 30 s. A burst that is over (namespaces that are deleted) is not told.
    yield Alert(
        "VerdigrisReconcileFailing",
        f"{errors % '10m'} >= 10\nand\n{errors % '3m'} > 0",
        "warning",
        '{{ $value | printf "%.0f" }} reconciles have failed within 10m; the limit is 10.',
        hold="5m",
        keep="5m",
    )
    yield Alert(
        "VerdigrisNamespaceUnreadable",
        f"max by (namespace) (verdigris_namespace_unreadable{{{mine}}}) == 1",
        "warning",
        "The operator cannot list what is in namespace {{ $labels.namespace }}: models there are not looked after.",
        hold="5m",
    )


def _of_evidence(mine: str, limits: Limits) -> Iterator[Alert]:
    yield Alert(
        "VerdigrisEvidenceStale",
        f"max by (namespace, model) (verdigris_evidence_age_seconds{{{mine}}}) > {limits.evidence_stale}",
        "warning",
        f"The newest sample by which the rollout {_OF} is judged is {{{{ $value | humanizeDuration }}}} old; "
        f"the limit is {limits.evidence_stale} s. It is held until there are newer ones.",
        hold="30s",
    )
    asked = f"increase(verdigris_evidence_answers_total{{{mine}"
    failed = f'sum({asked},result="error"}}[5m]))'
    yield Alert(
        "VerdigrisPrometheusUnreachable",
        f"{failed} / sum({asked}}}[5m])) > 0.5\nand\n{failed} >= 3",
        "warning",
        "{{ $value | humanizePercentage }} of the operator's questions to Prometheus within 5m were not answered; "
        "the limit is 50 %. Rollouts are held meanwhile.",
        hold="1m",
        keep="2m",
    )


def _of_rollouts(mine: str, limits: Limits) -> Iterator[Alert]:
    held = f"verdigris_rollout_held_since_timestamp_seconds{{{mine}}}"
    yield Alert(
        "VerdigrisRolloutHeld",
        f"time() - max by (namespace, model, what) ({held}) > {limits.held}",
        "warning",
        f"The rollout {_OF} has waited {{{{ $value | humanizeDuration }}}} for {{{{ $labels.what }}}}; "
        f"the limit is {limits.held} s.",
    )
    rollback = f"verdigris_last_rollback_timestamp_seconds{{{mine}}}"
    yield Alert(
        "VerdigrisRolledBack",
        f"time() - max by (namespace, model, reason) ({rollback}) < {_LATELY}",
        "warning",
        f"A version {_OF} was taken back {_AGO}: {{{{ $labels.reason }}}}.",
    )
    rejection = f'verdigris_last_rejection_timestamp_seconds{{{mine},reason=~".*GateFailed"}}'
    yield Alert(
        "VerdigrisGateFailed",
        f"time() - max by (namespace, model, reason) ({rejection}) < {_LATELY}",
        "warning",
        f"A gate refused a version {_OF} {_AGO}, before any client met it: {{{{ $labels.reason }}}}.",
    )
    yield Alert(
        "VerdigrisPodsStuck",
        f"sum by (namespace, model, kind) (verdigris_stuck_pods{{{mine}}}) > 0",
        "warning",
        f"{{{{ $value }}}} pods {_OF} have been stuck for {limits.stuck_for}: {{{{ $labels.kind }}}}.",
        hold=limits.stuck_for,
    )
