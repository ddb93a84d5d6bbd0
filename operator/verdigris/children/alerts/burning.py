"""How fast a model spends the error budget of its objective: alerts on several windows and burn rates.

The windows and rates are those of Google's SRE workbook, chapter 5 ("Alerting on SLOs", table 5-8, for 30 days): a long
window so that it matters, and a short one so that the alert ends soon after the errors do. Requests and errors are
recorded every RECORDED seconds, and windows are sums over what was recorded: they weigh requests, not minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from verdigris.children.alerts.rule import Alert, Group, Record, Severity
from verdigris.children.names import Owner

BURNING_ALERTS = ("VerdigrisModelErrorBudgetBurn", "VerdigrisModelErrorBudgetSpent")
PERIOD = "30d"
RECORDED = 30
"""Seconds between two recorded values: a sum of rates times this is a number of requests."""

REQUESTS = "verdigris:model_requests:rate5m"
ERRORS = "verdigris:model_errors:rate5m"
LEFT = "verdigris:model_error_budget:left"


class Burn(NamedTuple):
    """Spent `rate` times as fast as the budget allows, over both windows."""

    rate: float
    long: str
    short: str
    severity: Severity


BURNS = (
    Burn(14.4, "1h", "5m", "critical"),
    Burn(6, "6h", "30m", "critical"),
    Burn(3, "1d", "2h", "warning"),
    Burn(1, "3d", "6h", "warning"),
)


def burning(owner: Owner, objective: float, requests: str, errors: str, least: int) -> Iterator[Group]:
    """The groups for an objective in percent. `requests` and `errors` are PromQL, per second over 5 minutes.

    Fewer than `least` requests within the long window alert nobody: one error of ten is no outage.
    """
    about = {"namespace": owner.namespace, "model": owner.name}
    budget = _Budget(owner, objective)
    yield Group(
        f"verdigris.{owner.name}.recorded",
        (Record(REQUESTS, requests, about), Record(ERRORS, errors, about)),
        interval=f"{RECORDED}s",
    )
    yield Group(
        f"verdigris.{owner.name}.budget",
        (Record(LEFT, f"1 - {budget.ratio(PERIOD)} / {budget.allowed:g}", about), budget.spent(least, about)),
        interval="5m",
    )
    yield Group(
        f"verdigris.{owner.name}.burning",
        tuple(budget.alert(burn, least, about) for burn in BURNS),
        interval=f"{RECORDED}s",
    )


class _Budget:
    def __init__(self, owner: Owner, objective: float) -> None:
        self._labels = f'{{namespace="{owner.namespace}",model="{owner.name}"}}'
        self._name = f"{owner.namespace}/{owner.name}"
        self._objective = f"{objective:g} %"
        #: Share of requests that may fail. (100 - 99.9 is not 0.1 in binary.)
        self.allowed = round(1 - objective / 100, 9)

    def _sum(self, series: str, window: str) -> str:
        return f"sum(sum_over_time({series}{self._labels}[{window}]))"

    def ratio(self, window: str) -> str:
        """Share of the requests within `window` that failed."""
        return f"({self._sum(ERRORS, window)} / {self._sum(REQUESTS, window)})"

    def _enough(self, window: str, least: int) -> str:
        return f"{RECORDED} * {self._sum(REQUESTS, window)} >= {least}"

    def _left(self) -> str:
        value = "{{ . | first | value | humanizePercentage }}"
        return (
            f"{{{{ with query `{LEFT}{self._labels}` }}}} {value} of the error budget of {PERIOD} is left.{{{{ end }}}}"
        )

    def alert(self, burn: Burn, least: int, about: dict[str, str]) -> Alert:
        """Both windows burn faster than the rate."""
        both = (f"{self.ratio(window)} / {self.allowed:g} > {burn.rate:g}" for window in (burn.long, burn.short))
        speed = '{{ $value | printf "%.1f" }}'
        return Alert(
            "VerdigrisModelErrorBudgetBurn",
            "\nand\n".join((*both, self._enough(burn.long, least))),
            burn.severity,
            f"{self._name} has spent its error budget {speed} times as fast as its objective of {self._objective} "
            f"allows, over {burn.long}; the limit is {burn.rate:g}.{self._left()}",
            labels={**about, "window": burn.long},
        )

    def spent(self, least: int, about: dict[str, str]) -> Alert:
        """Nothing of the period's budget is left."""
        return Alert(
            "VerdigrisModelErrorBudgetSpent",
            f"{LEFT}{self._labels} < 0\nand on ()\n{self._enough(PERIOD, least)}",
            "warning",
            f"{self._name} has answered more than {100 * self.allowed:g} % of the requests of {PERIOD} with errors: "
            f"its objective of {self._objective} is missed, and {{{{ $value | humanizePercentage }}}} of the error "
            "budget is left.",
            labels=about,
        )
