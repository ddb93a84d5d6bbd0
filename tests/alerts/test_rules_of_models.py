"""When the alerts about a model fire, and when they do not, asked of Prometheus itself (promtool test rules).

Values come every 15 s, so 5 minutes hold 20 of them. These need no cluster, but the program that tests rules: it costs
seconds where the cluster's Prometheus is compiled, and minutes elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from tests.alerts.promtool import Firing, Promtool, Series
from tests.alerts.samples import DIABETES, SEPSIS, answers, durations, labels, rules
from verdigris.children.alerts.rule import Group

pytestmark = pytest.mark.cluster

WARNING, CRITICAL = "VerdigrisModelErrorRate/warning", "VerdigrisModelErrorRate/critical"
SLOW, DOWN = "VerdigrisModelSlow/warning", "VerdigrisModelDown/critical"
QUIET, MEMORY = "VerdigrisModelNoTraffic/warning", "VerdigrisModelMemory/warning"
BURN, SLOW_BURN = "VerdigrisModelErrorBudgetBurn/critical", "VerdigrisModelErrorBudgetBurn/warning"
SPENT = "VerdigrisModelErrorBudgetSpent/warning"


class Case(NamedTuple):
    """What is seen of the model, and which alerts fire when."""

    series: Series
    at: dict[str, Firing]
    groups: tuple[Group, ...] = rules()


UP = f"up{labels()}"
AVAILABLE = 'verdigris_model_available{namespace="clinic",model="diabetes",service="verdigris"}'
USED, LIMIT = f"process_resident_memory_bytes{labels()}", f"verdigris_memory_limit_bytes{labels()}"
ON_TRIAL = {**answers(pod="b", c500="0+50x60"), **answers(pod="b", counter="passed_on_requests", c500="0+50x60")}
OBJECTIVE = rules(slo=99.9)
NAN = " ".join(["NaN"] * 60)

CASES: dict[str, Case] = {
    "an error rate above the warning": Case(answers(c200="0+994x60", c500="0+6x60"), {"10m": {WARNING: 1}}),
    "an error rate just below it": Case(answers(c200="0+9951x60", c500="0+49x60"), {"10m": {}}),
    "an error rate above what is critical": Case(
        answers(c200="0+989x60", c500="0+11x60"), {"10m": {WARNING: 1, CRITICAL: 1}}
    ),
    "errors of several pods and codes": Case(
        {**answers(pod="a", c200="0+1000x60", c500="0+3x60"), **answers(pod="b", c200="0+100x60", c503="0+4x60")},
        {"10m": {WARNING: 1}},
    ),
    "callers' own faults": Case(answers(c200="0+10x60", c400="0+90x60"), {"10m": {}}),
    "fewer requests than the floor": Case(answers(c500="0+4.9x60"), {"10m": {}}),
    "as many requests as the floor": Case(answers(c500="0+5.1x60"), {"10m": {WARNING: 1, CRITICAL: 1}}),
    "an error rate that has not lasted": Case(
        answers(c200="0+100x60", c500="0x37 100x22"), {"10m": {}, "11m": {WARNING: 1, CRITICAL: 1}}
    ),
    "an error rate that wavers is one alert": Case(
        # Two bursts, six minutes apart: the window is clean for a minute in between.
        answers(c200="0+100x120", c500="0x39 100x23 200x40"),
        {
            "13m": {WARNING: 1, CRITICAL: 1},
            "15m45s": {WARNING: 1, CRITICAL: 1},
            "18m": {WARNING: 1, CRITICAL: 1},
            "25m": {},
        },
    ),
    "no data": Case({}, {"10m": {}}),
    "data that ends": Case(answers(c200="0+100x20", c500="0+100x20"), {"4m": {WARNING: 1, CRITICAL: 1}, "20m": {}}),
    "a counter that begins again": Case(answers(c200="0+100x20 0+100x40", c500="5x20 0x40"), {"6m": {}, "10m": {}}),
    "a new pod whose first errors count": Case(
        {**answers(c200="0+10x60"), **answers(pod="b", c200="_x20 0+10x40", c500="_x20 0 5x39")},
        {"9m": {WARNING: 1, CRITICAL: 1}},
    ),
    "NaN": Case(
        {**answers(c200="0+100x60", c500=NAN), USED: NAN, LIMIT: "100x60", **durations(le0_1=NAN)},
        {"10m": {}},
    ),
    "another model's errors": Case(
        {**answers(SEPSIS, c500="0+100x60"), **answers(c200="0+100x60")},
        {"10m": {WARNING: 1, CRITICAL: 1}},
        (*rules(), *rules(SEPSIS)),
    ),
    "both models' errors": Case(
        {**answers(SEPSIS, c500="0+100x60"), **answers(c500="0+100x60")},
        {"10m": {WARNING: 2, CRITICAL: 2}},
        (*rules(), *rules(SEPSIS)),
    ),
    "a model of the same name that was deleted": Case(
        answers(replace(DIABETES, uid="before"), c500="0+100x60"),
        {"10m": {}},
    ),
    "errors on trial, behind the shield": Case({**answers(c200="0+100x60"), **ON_TRIAL}, {"10m": {}}),
    "errors of the active version beside a trial": Case(
        {**answers(c200="0+100x60", c500="0+10x60"), **ON_TRIAL}, {"10m": {WARNING: 1, CRITICAL: 1}}
    ),
    "a p95 above its limit": Case(
        {**answers(c200="0+100x60"), **durations(le0_1="0+94x60", le0_25="0+100x60", leInf="0+100x60")},
        {"10m": {SLOW: 1}},
    ),
    "a p95 just below it": Case(
        {**answers(c200="0+100x60"), **durations(le0_1="0+96x60", le0_25="0+100x60", leInf="0+100x60")},
        {"10m": {}},
    ),
    "a p95 of a few requests": Case(
        {**answers(c200="0+4x60"), **durations(le0_1="0x60", le0_25="0+4x60", leInf="0+4x60")}, {"10m": {}}
    ),
    "no pod that can be scraped": Case({UP: "1x20 0x60"}, {"5m": {}, "7m": {}, "7m30s": {DOWN: 1}}),
    "no pod any more": Case({UP: "1x20"}, {"5m": {}, "12m": {DOWN: 1}}),
    "one pod of two": Case({UP: "1x20 0x60", f"up{labels(pod='b')}": "1x80"}, {"10m": {}}),
    "a model that never was up": Case({UP: "0x60"}, {"10m": {}}),
    "a model that the operator sees down": Case({UP: "1x60", AVAILABLE: "1x20 0x40"}, {"7m": {}, "8m": {DOWN: 1}}),
    "a model that is back": Case({UP: "1x20 0x20 1x40"}, {"9m": {DOWN: 1}, "12m": {}}),
    "nobody asks any more": Case(answers(c200="0+10x40 400x60"), {"19m": {}, "21m": {QUIET: 1}}),
    "hardly anybody ever asked": Case(answers(c200="0+1x40 40x60"), {"21m": {}}),
    "nobody has ever asked": Case(answers(c200="0x100"), {"21m": {}}),
    "memory near its limit": Case({USED: "91x60", LIMIT: "100x60"}, {"1m": {}, "3m": {MEMORY: 1}}),
    "memory below its limit": Case({USED: "89x60", LIMIT: "100x60"}, {"10m": {}}),
    "memory without a limit": Case({USED: "91x60"}, {"10m": {}}),
    "a budget that burns fast": Case(
        answers(c200="0+98x260", c500="0+2x260"),
        {"65m": {WARNING: 1, CRITICAL: 1, BURN: 2, SLOW_BURN: 2, SPENT: 1}},
        OBJECTIVE,
    ),
    "a budget that burnt": Case(
        # As many errors, and none for the last half hour: the short windows are clean.
        answers(c200="0+98x380", c500="0+2x260 520x120"),
        {"95m": {SPENT: 1, SLOW_BURN: 2}},
        OBJECTIVE,
    ),
    "a budget that is kept": Case(answers(c200="0+10000x260", c500="0+9x260"), {"65m": {}}, OBJECTIVE),
    "errors of a few requests": Case(answers(c200="0x260", c500="0x100 9x160"), {"65m": {}}, OBJECTIVE),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_exactly_these_alerts_fire(promtool: Promtool, case: Case) -> None:
    promtool.fires(case.groups, case.series, case.at)


def test_promtool_finds_no_fault_in_the_rules(promtool: Promtool) -> None:
    assert "SUCCESS" in promtool.check((*OBJECTIVE, *rules(SEPSIS)))


@pytest.mark.parametrize(
    ("alert", "series", "at", "summary"),
    [
        (
            "VerdigrisModelSlow",
            {**answers(c200="0+100x60"), **durations(le0_1="0x60", le0_25="0+100x60", leInf="0+100x60")},
            "10m",
            "5 % of the answers of clinic/diabetes within 5m took longer than 242.5ms; the limit is 100ms.",
        ),
        (
            "VerdigrisModelNoTraffic",
            answers(c200="0+10x40 400x60"),
            "21m",
            "Nobody has asked clinic/diabetes for 10m, after 400 requests in the hour before.",
        ),
    ],
)
def test_a_summary_has_the_numbers(promtool: Promtool, alert: str, series: Series, at: str, summary: str) -> None:
    expected = {
        "exp_labels": {"severity": "warning", "namespace": "clinic", "model": "diabetes"},
        "exp_annotations": {"summary": summary, "runbook_url": f"https://example.com/runbooks/{alert}.md"},
    }
    promtool.says(rules(), series, at, alert, expected)


def test_who_is_alerted_of_a_burning_budget_is_told_what_is_left_of_it(promtool: Promtool) -> None:
    series = answers(c200="0+9980x300", c500="0+20x300")
    left = "-100% of the error budget of 30d is left."
    expected = {
        "exp_labels": {"severity": "warning", "namespace": "clinic", "model": "diabetes", "window": "3d"},
        "exp_annotations": {
            "summary": "clinic/diabetes has spent its error budget 2.0 times as fast as its objective of 99.9 % "
            f"allows, over 3d; the limit is 1. {left}",
            "runbook_url": "https://example.com/runbooks/VerdigrisModelErrorBudgetBurn.md",
        },
    }
    promtool.says(OBJECTIVE, series, "65m", "VerdigrisModelErrorBudgetBurn", expected)
