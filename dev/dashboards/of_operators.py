"""All models and the operator itself: what runs, what is under way, and whether the operator keeps up."""

from __future__ import annotations

from dev.dashboards import of_model
from dev.dashboards.panels import Board, Panel, Query, Row, none

UID = "verdigris-operators"
_RECONCILE = "verdigris_controller_runtime_reconcile"
_TO_THE_MODEL = (
    "This model",
    f"/d/{of_model.UID}?var-namespace=${{__data.fields.namespace}}&var-model=${{__data.fields.model}}&${{__url_time_range}}",
)


def _rate(metric: str, more: str = "") -> str:
    return f"rate({metric}{more}[$__rate_interval])"


def _quantiles(metric: str, *shares: float) -> tuple[Query, ...]:
    buckets = f"sum by (le) ({_rate(f'{metric}_bucket')})"
    return tuple(Query(f"histogram_quantile({share:g}, {buckets})", f"p{100 * share:g}") for share in shares)


def _number(title: str, about: str, expr: str, unit: str = "short") -> Panel:
    return Panel(title, about, unit, (Query(expr),), kind="number", width=4, height=4)


_NOW = Row(
    "Now",
    (
        _number("Models", "Models that the operator looks after.", "count(verdigris_model_ready) or on () vector(0)"),
        _number(
            "Not available",
            "Models that have an active version of which no pod is ready.",
            "sum(verdigris_model_available == bool 0) or on () vector(0)",
        ),
        _number("Rolling out", "Rollouts under way.", "count(verdigris_rollout_stage) or on () vector(0)"),
        _number(
            "Waiting",
            "Rollouts that wait for evidence, an approval or room.",
            "count(verdigris_rollout_held_since_timestamp_seconds) or on () vector(0)",
        ),
        _number("Stuck pods", "Pods that are stuck now.", "sum(verdigris_stuck_pods) or on () vector(0)"),
        _number("Leader", "1 while one replica of the operator leads.", "sum(verdigris_leader)"),
    ),
)
_MODELS = Row(
    "Models",
    (
        Panel(
            "Versions",
            "Every model, and which version is in which colour. A row leads to the model's own dashboard.",
            "none",
            (Query("max by (namespace, model, role, color, version) (verdigris_model_version)"),),
            kind="table",
            width=12,
            links=(_TO_THE_MODEL,),
        ),
        Panel(
            "Rollouts under way, by stage",
            "0 while there is none.",
            "short",
            (Query(f"count by (stage) (verdigris_rollout_stage) {none('stage')}", "{{stage}}"),),
            width=6,
        ),
        Panel(
            "Verdicts on versions on trial",
            "0 while there is none.",
            "short",
            (Query(f"count by (verdict) (verdigris_rollout_verdict) {none('verdict')}", "{{verdict}}"),),
            width=6,
        ),
        Panel(
            "Rollouts that have ended",
            "Within an hour, by outcome.",
            "short",
            (Query("sum by (outcome) (increase(verdigris_rollouts_total[1h]))", "{{outcome}}"),),
        ),
        Panel(
            "Gates that have answered",
            "Within an hour, by gate and verdict.",
            "short",
            (Query("sum by (gate, verdict) (increase(verdigris_gates_total[1h]))", "{{gate}} {{verdict}}"),),
        ),
        Panel(
            "Rollbacks",
            "Seconds from the decision until clients were back, over an hour; 0 where nothing was taken back.",
            "s",
            (
                Query(
                    "sum(increase(verdigris_rollback_duration_seconds_sum[1h])) / "
                    "(sum(increase(verdigris_rollback_duration_seconds_count[1h])) > 0) or on () vector(0)",
                    "mean",
                ),
            ),
        ),
        Panel(
            "Stuck pods, by kind",
            "Pods that are stuck now; 0 while none is.",
            "short",
            (Query(f"sum by (kind) (verdigris_stuck_pods) {none('kind')}", "{{kind}}"),),
        ),
        Panel(
            "What was done about stuck pods",
            "Within an hour: found (Report), removed in one of three ways, or refused by the API server.",
            "short",
            (Query("sum by (action) (increase(verdigris_stuck_pods_total[1h]))", "{{action}}"),),
        ),
        Panel(
            "Waiting the longest",
            "For how long rollouts have waited, and for what; 0 while none does.",
            "s",
            (
                Query(
                    "topk(10, time() - max by (namespace, model, what) "
                    f"(verdigris_rollout_held_since_timestamp_seconds)) {none('what')}",
                    "{{what}} {{namespace}} {{model}}",
                ),
            ),
        ),
    ),
)
_OPERATOR = Row(
    "The operator",
    (
        Panel(
            "Reconciles",
            "Per second, by result.",
            "ops",
            (Query(f"sum by (result) ({_rate(f'{_RECONCILE}_total')})", "{{result}}"),),
        ),
        Panel("Length of a reconcile", "Of live looks.", "s", _quantiles(f"{_RECONCILE}_time_seconds", 0.5, 0.99)),
        Panel(
            "Looks at models",
            "Per second: of live reads, or of memory, where there was nothing to do.",
            "ops",
            (Query(f"sum by (source) ({_rate('verdigris_looks_total')})", "{{source}}"),),
        ),
        Panel("Queue", "Keys that wait for a worker.", "short", (Query("sum(verdigris_workqueue_depth)", "depth"),)),
        Panel(
            "Wait in the queue",
            "Seconds until a worker took a key.",
            "s",
            _quantiles("verdigris_workqueue_queue_duration_seconds", 0.5, 0.99),
        ),
        Panel(
            "Retries",
            "Keys per second that were put back after a failure, and reconciles that failed.",
            "ops",
            (
                Query(f"sum({_rate('verdigris_workqueue_retries_total')})", "put back"),
                Query(f"sum({_rate(f'{_RECONCILE}_errors_total')})", "failed"),
            ),
        ),
        Panel(
            "Writes",
            "That the API server has carried out, per second. Steady means silent.",
            "ops",
            (Query(f"sum by (kind) ({_rate('verdigris_writes_total')})", "{{kind}}"),),
        ),
        Panel(
            "Questions to Prometheus",
            "Per second, by whether they were answered.",
            "ops",
            (Query(f"sum by (result) ({_rate('verdigris_evidence_answers_total')})", "{{result}}"),),
        ),
        Panel(
            "Oldest evidence",
            "How old the newest sample of a rollout under way is, of the worst ten; 0 while there is none.",
            "s",
            (
                Query(
                    f"topk(10, max by (namespace, model) (verdigris_evidence_age_seconds)) {none('model')}",
                    "{{model}} {{namespace}}",
                ),
            ),
        ),
        Panel(
            "CPU of the operator",
            "Cores, by replica.",
            "none",
            (
                Query(
                    f"sum by (pod) ({_rate('process_cpu_seconds_total')} and on (pod) verdigris_leader)",
                    "{{pod}}",
                ),
            ),
        ),
        Panel(
            "Memory of the operator",
            "By replica.",
            "bytes",
            (Query("sum by (pod) (process_resident_memory_bytes and on (pod) verdigris_leader)", "{{pod}}"),),
        ),
        Panel(
            "Decisions are checked",
            "1 for what is known of the admission policy that vouches for who decides.",
            "none",
            (Query("max by (state) (verdigris_decision_policy)", "{{state}}"),),
        ),
    ),
)
BOARD = Board(
    UID,
    "Verdigris / operators",
    "All models and the operator itself: what runs, what is under way, and whether the operator keeps up.",
    (_NOW, _MODELS, _OPERATOR),
)
