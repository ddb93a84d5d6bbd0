"""One model: what clients get, how the version on trial does, and what it costs."""

from __future__ import annotations

from dev.dashboards.panels import Board, Panel, Query, Row, none
from verdigris.children.alerts.burning import LEFT

UID = "verdigris-model"
_OF = 'namespace="$namespace",model="$model"'


def _rate(metric: str, more: str = "") -> str:
    return f"rate({metric}{{{_OF}{more}}}[$__rate_interval])"


def _quantile(share: float) -> str:
    return f"histogram_quantile({share:g}, sum by (le) ({_rate('verdigris_request_duration_seconds_bucket')}))"


_ERRORS = ',code=~"5.."'
_FAILED = (
    f"sum({_rate('verdigris_requests_total', _ERRORS)}) - "
    f"(sum({_rate('verdigris_passed_on_requests_total', _ERRORS)}) or on () vector(0))"
)
_CLIENTS = Row(
    "What clients get",
    (
        Panel(
            "Requests by version",
            "Answers per second of each colour's pods. A version on trial answers what the active pods pass on to it.",
            "reqps",
            (Query(f"sum by (color, revision) ({_rate('verdigris_requests_total')})", "{{color}} {{revision}}"),),
        ),
        Panel(
            "Errors by version",
            "Answers with 5xx per second of each colour's pods; of those on trial none reaches a client.",
            "reqps",
            (
                Query(
                    f"sum by (color, revision) ({_rate('verdigris_requests_total', _ERRORS)})", "{{color}} {{revision}}"
                ),
                Query(
                    f"sum({_rate('verdigris_spared_total')}) or on () vector(0)",
                    "answered by the active one",
                ),
            ),
        ),
        Panel(
            "Error rate of the clients' answers",
            "Share of the answers that were errors (5xx), without those that the active version answered instead.",
            "percentunit",
            (Query(f"({_FAILED}) / sum({_rate('verdigris_requests_total')})", "errors"),),
        ),
        Panel(
            "Latency",
            "From the last byte of a request to its answer, as the server saw it. The histogram ends at 1 s.",
            "s",
            tuple(Query(_quantile(share), f"p{100 * share:g}") for share in (0.5, 0.95, 0.99)),
        ),
        Panel(
            "Latency by version",
            "The p95 of each colour's pods.",
            "s",
            (
                Query(
                    "histogram_quantile(0.95, sum by (le, color) "
                    f"({_rate('verdigris_request_duration_seconds_bucket')}))",
                    "{{color}}",
                ),
            ),
        ),
        Panel(
            "Saturation",
            "Inferences under way, and requests that were turned away because there was too much to do.",
            "short",
            (
                Query(f"sum by (color) (verdigris_requests_in_flight{{{_OF}}})", "in flight {{color}}"),
                Query(f"sum by (reason) ({_rate('verdigris_rejected_total')})", "turned away a second: {{reason}}"),
            ),
        ),
    ),
)
_ROLLOUT = Row(
    "The rollout",
    (
        Panel(
            "Versions",
            "Which version is in which colour.",
            "none",
            (Query(f"max by (role, color, version, revision) (verdigris_model_version{{{_OF}}})"),),
            kind="table",
        ),
        Panel(
            "Stage",
            "The stage of the rollout under way; nothing while there is none.",
            "none",
            (Query(f"max by (stage) (verdigris_rollout_stage{{{_OF}}}) {none('stage')}", "{{stage}}"),),
            kind="states",
        ),
        Panel(
            "Verdict",
            "What the judge says of the version on trial; nothing while there is none.",
            "none",
            (Query(f"max by (verdict) (verdigris_rollout_verdict{{{_OF}}}) {none('verdict')}", "{{verdict}}"),),
            kind="states",
        ),
        Panel(
            "Share of the clients' requests",
            "What each colour is to get (wished), and was seen to get (reached).",
            "percentunit",
            (Query(f"max by (color, what) (verdigris_traffic_share{{{_OF}}})", "{{color}} {{what}}"),),
            most=1,
        ),
        Panel(
            "Judge's score",
            "How much speaks against the version on trial, as ln(1 + R). It is taken back at the threshold.",
            "none",
            (
                Query(f"max(verdigris_judge_score{{{_OF}}}) or on () vector(0)", "score"),
                Query(f"max(verdigris_judge_threshold{{{_OF}}}) or on () vector(0)", "threshold"),
            ),
        ),
        Panel(
            "Gates",
            "What the gates of the rollout under way have measured, and their thresholds; 0 while there is none.",
            "none",
            (
                Query(f"max by (gate, check) (verdigris_gate_value{{{_OF}}}) {none('gate')}", "{{gate}} {{check}}"),
                Query(
                    f"max by (gate, check, bound) (verdigris_gate_threshold{{{_OF}}})",
                    "{{bound}} {{gate}} {{check}}",
                ),
            ),
        ),
        Panel(
            "Passed on to the version on trial",
            "Requests per second that active pods have passed on, by how it went; 0 while there is no trial.",
            "reqps",
            (Query(f"sum by (outcome) ({_rate('verdigris_forwarded_total')}) {none('outcome')}", "{{outcome}}"),),
        ),
        Panel(
            "Waiting",
            "For how long the rollout has waited for evidence, an approval or room; 0 while it does not.",
            "s",
            (
                Query(
                    f"time() - max by (what) (verdigris_rollout_held_since_timestamp_seconds{{{_OF}}}) {none('what')}",
                    "{{what}}",
                ),
            ),
        ),
        Panel(
            "Age of the evidence",
            "How old the newest sample is by which the rollout is judged; 0 while there is no rollout.",
            "s",
            (Query(f"max(verdigris_evidence_age_seconds{{{_OF}}}) or on () vector(0)", "age"),),
        ),
    ),
)
_MODEL = Row(
    "The model",
    (
        Panel(
            "Score distribution",
            "Answers by score: a probability, a value, or the decision.",
            "short",
            (Query(f"sum by (le) ({_rate('verdigris_score_bucket')})", "{{le}}"),),
            kind="heat",
        ),
        Panel(
            "Mean score by version",
            "A version whose answers are others than before shows here.",
            "none",
            (
                Query(
                    f"sum by (color) ({_rate('verdigris_score_sum')}) / "
                    f"sum by (color) ({_rate('verdigris_score_count')})",
                    "{{color}}",
                ),
            ),
        ),
        Panel(
            "Error budget left",
            "Of the objective spec.monitoring.slo over 30 days; 1 where the model has none.",
            "percentunit",
            (Query(f"max({LEFT}{{{_OF}}}) or on () vector(1)", "left"),),
        ),
    ),
)
_PODS = Row(
    "Pods",
    (
        Panel(
            "Pods and their bounds",
            "How many pods each colour is to have and how many are ready; the autoscaler's bounds.",
            "short",
            (
                Query(f"max by (color, what) (verdigris_pods{{{_OF}}})", "{{color}} {{what}}"),
                Query(f"max by (bound) (verdigris_pods_bound{{{_OF}}})", "{{bound}}"),
            ),
        ),
        Panel(
            "CPU against the request",
            "Cores that each pod uses, and what it requests.",
            "none",
            (
                Query(f"sum by (pod) ({_rate('process_cpu_seconds_total')})", "{{pod}}"),
                Query(f'max(verdigris_pod_request{{{_OF},resource="cpu"}}) or on () vector(0)', "request"),
            ),
        ),
        Panel(
            "Memory against request and limit",
            "What each pod holds in memory, what it requests, and where the kernel ends it.",
            "bytes",
            (
                Query(f"sum by (pod) (process_resident_memory_bytes{{{_OF}}})", "{{pod}}"),
                Query(f'max(verdigris_pod_request{{{_OF},resource="memory"}}) or on () vector(0)', "request"),
                Query(f"min(verdigris_memory_limit_bytes{{{_OF}}}) or on () vector(0)", "limit"),
            ),
        ),
        Panel(
            "Connections",
            "Open connections of each colour's pods: a colour that lost its clients lets them go.",
            "short",
            (Query(f"sum by (color) (verdigris_connections{{{_OF}}})", "{{color}}"),),
        ),
        Panel(
            "Stuck pods",
            "Pods that are stuck now, by what they are stuck in; 0 while none is.",
            "short",
            (Query(f"sum by (kind) (verdigris_stuck_pods{{{_OF}}}) {none('kind')}", "{{kind}}"),),
        ),
        Panel(
            "Pods that can be scraped",
            "1 for each pod that lets Prometheus read its metrics.",
            "none",
            (Query(f"sum by (color) (up{{{_OF}}})", "{{color}}"),),
        ),
    ),
)
MARKS = tuple(
    (name, color, f"max by (reason) (verdigris_last_{what}_timestamp_seconds{{{_OF}}}) * 1000")
    for name, color, what in (
        ("Promoted", "green", "promotion"),
        ("Rolled back", "red", "rollback"),
        ("Rejected", "orange", "rejection"),
    )
)
BOARD = Board(
    UID,
    "Verdigris / model",
    "One model: what clients get, how the version on trial does, and what it costs.",
    (_CLIENTS, _ROLLOUT, _MODEL, _PODS),
    variables=(
        ("namespace", "Namespace", "label_values(verdigris_model_ready, namespace)"),
        ("model", "Model", 'label_values(verdigris_model_ready{namespace="$namespace"}, model)'),
    ),
    marks=MARKS,
)
