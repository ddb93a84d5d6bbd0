"""Alerts about one model, from what its own pods show: they hold whether anybody scrapes the operator or not.

What counts is what clients got. A version on trial answers requests that active pods pass on to it, and when it fails
they answer themselves: such errors are subtracted, they are the judge's to look at (docs/design/0035).
"""

from __future__ import annotations

from collections.abc import Iterator

from verdigris.api.schema.fields import parse_duration, spell_duration
from verdigris.api.spec import MonitoringSpec, PrometheusRuleSpec
from verdigris.children.alerts.burning import burning
from verdigris.children.alerts.rule import Alert, Group, Severity
from verdigris.children.names import Owner
from verdigris.children.service_monitor import UID_LABEL

MODEL_ALERTS = (
    "VerdigrisModelErrorRate",
    "VerdigrisModelSlow",
    "VerdigrisModelDown",
    "VerdigrisModelNoTraffic",
    "VerdigrisModelMemory",
)

_REMEMBERED = "6h"
"""A model whose pods were last seen longer ago is not down but gone, as far as Prometheus alone can tell."""


def of_model(owner: Owner, spec: MonitoringSpec) -> tuple[Group, ...]:
    """All groups of this model. `spec.prometheus_rule.enabled` is the caller's to look at."""
    wanted, series = spec.prometheus_rule, Pods(owner)
    groups = [Group(f"verdigris.{owner.name}", tuple(_alerts(owner, wanted, series)))]
    if spec.slo is not None:
        least = wanted.error_rate.min_requests
        groups += burning(owner, spec.slo, series.asked("5m", "rate"), series.failed("5m", "rate"), least)
    return tuple(groups)


class Pods:
    """PromQL about the pods of one model, of either colour."""

    def __init__(self, owner: Owner) -> None:
        self.labels = f'namespace="{owner.namespace}",model="{owner.name}",{UID_LABEL}=~"{owner.uid}|"'

    def asked(self, window: str, function: str = "increase") -> str:
        """Requests that were answered within `window`; per second with the function `rate`."""
        return f"sum({function}(verdigris_requests_total{{{self.labels}}}[{window}]))"

    def failed(self, window: str, function: str = "increase") -> str:
        """Those of them that were answered with an error, to a client."""
        errors = f'{{{self.labels},code=~"5.."}}[{window}]'
        spared = f"sum({function}(verdigris_passed_on_requests_total{errors})) or vector(0)"
        return f"(sum({function}(verdigris_requests_total{errors})) - ({spared}))"

    def quantile(self, share: float, window: str) -> str:
        """This quantile of the time that an answer took, in seconds; 1 beyond the histogram's end."""
        durations = f"verdigris_request_duration_seconds_bucket{{{self.labels}}}[{window}]"
        return f"histogram_quantile({share:g}, sum by (le) (rate({durations})))"


def _alerts(owner: Owner, wanted: PrometheusRuleSpec, pods: Pods) -> Iterator[Alert]:
    about = {"namespace": owner.namespace, "model": owner.name}
    name = f"{owner.namespace}/{owner.name}"
    window, least = spell_duration(wanted.error_rate.window), wanted.error_rate.min_requests
    enough = f"{pods.asked(window)} >= {least}"
    limits: tuple[tuple[Severity, float], ...] = (
        ("critical", wanted.error_rate.critical),
        ("warning", wanted.error_rate.warning),
    )
    for severity, limit in limits:
        yield Alert(
            "VerdigrisModelErrorRate",
            f"{pods.failed(window)} / {pods.asked(window)} > {limit:g}\nand\n{enough}",
            severity,
            f"{{{{ $value | humanizePercentage }}}} of the answers of {name} within {window} were errors; "
            f"the limit is {100 * limit:g} %.",
            hold="1m",
            keep="2m",
            labels=about,
        )
    p95 = parse_duration(wanted.latency.p95).total_seconds()
    yield Alert(
        "VerdigrisModelSlow",
        f"{pods.quantile(0.95, window)} > {p95:g}\nand\n{enough}",
        "warning",
        f"5 % of the answers of {name} within {window} took longer than {{{{ $value | humanizeDuration }}}}; "
        f"the limit is {wanted.latency.p95}.",
        hold="1m",
        keep="2m",
        labels=about,
    )
    yield from _downtime(wanted, pods, about, name)
    yield Alert(
        "VerdigrisModelMemory",
        f"max by (pod) (process_resident_memory_bytes{{{pods.labels}}} / "
        f"verdigris_memory_limit_bytes{{{pods.labels}}}) > {wanted.memory.share:g}",
        "warning",
        f"Pod {{{{ $labels.pod }}}} of {name} uses {{{{ $value | humanizePercentage }}}} of its memory limit, "
        f"at which it is killed; the alert's limit is {100 * wanted.memory.share:g} %.",
        hold="2m",
        keep="2m",
        labels=about,
    )


def _downtime(wanted: PrometheusRuleSpec, pods: Pods, about: dict[str, str], name: str) -> Iterator[Alert]:
    after, quiet = spell_duration(wanted.downtime.after), spell_duration(wanted.downtime.no_traffic)
    up, told = f"up{{{pods.labels}}}", f'namespace="{about["namespace"]}",model="{about["model"]}"'
    yield Alert(
        "VerdigrisModelDown",
        f"(absent({up} == 1) and max(max_over_time({up}[{_REMEMBERED}])) == 1)\n"
        f"or\nmax(verdigris_model_available{{{told}}}) == 0",
        "critical",
        f"No pod of {name} is ready, or none lets Prometheus read its metrics; that has lasted {after} or longer.",
        hold=after,
        labels=about,
    )
    before = f"sum(increase(verdigris_requests_total{{{pods.labels}}}[1h] offset {quiet}))"
    yield Alert(
        "VerdigrisModelNoTraffic",
        f"{pods.asked(quiet)} == 0\nand\n{before} >= {wanted.error_rate.min_requests}",
        "warning",
        f"Nobody has asked {name} for {quiet}, after "
        f'{{{{ with query `{before}` }}}}{{{{ . | first | value | printf "%.0f" }}}}{{{{ end }}}} '
        "requests in the hour before.",
        labels=about,
    )
