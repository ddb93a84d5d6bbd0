"""The fairness gate: its table beside fairlearn's, and its verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as wanted
from sklearn.metrics import recall_score

from benchmarks.gates import drawn
from tests.serving.gates.asking import artifact, ask, table
from tests.serving.gates.test_quality import FEATURES, patients
from verdigris_serving.gate.config import Artifact, Attribute, Data, DisparateImpact, EqualOpportunity, Fairness
from verdigris_serving.gate.fairness import compared, grouped, judge
from verdigris_serving.gate.refusals import Refusal
from verdigris_serving.gate.result import Verdict
from verdigris_serving.gate.rows import Answers

NAMES = ["young", "middle", "old"]


def treated(size: int = 2_000) -> Answers:
    """Three groups that are treated unlike each other."""
    source = np.random.default_rng(2)
    group = source.choice(NAMES, size, p=[0.5, 0.3, 0.2])
    truths = source.random(size) < np.select([group == "young", group == "middle"], [0.3, 0.4], 0.5)
    rate = np.select([group == "young", group == "middle"], [0.55, 0.7], 0.8)
    labels = source.random(size) < np.where(truths, rate, 0.15)
    answers = Answers(drawn.TWO, truths.astype(int).tolist(), labels.astype(int).tolist(), [], {}, size)
    answers.attributes["band"] = group.tolist()
    return answers


def asked(*attributes: Attribute, **more: Any) -> Fairness:
    """A document, without the files."""
    nothing = "0" * 64
    usual = {"disparate_impact": DisparateImpact(0.8), "equal_opportunity": EqualOpportunity(0.1)}
    model, data = Artifact("file:///m", nothing), Data("file:///d", nothing, "y")
    return Fairness(model, data, list(attributes or [Attribute("band")]), **{**usual, **more})


def test_the_table_and_both_values_are_fairlearns() -> None:
    answers = treated()
    checks, table_ = judge(asked(), answers, 1)
    truths, labels, group = answers.truths, answers.labels, answers.attributes["band"]
    frame = wanted.MetricFrame(
        metrics={
            "selection_rate": wanted.selection_rate,
            "tpr": wanted.true_positive_rate,
            "fpr": wanted.false_positive_rate,
            "n": wanted.count,
        },
        y_true=truths,
        y_pred=labels,
        sensitive_features=group,
    )
    for row in table_:
        expected = frame.by_group.loc[row.group]
        found = {"selection_rate": row.selection_rate, "tpr": row.tpr, "fpr": row.fpr, "n": row.n}
        assert found == pytest.approx(dict(expected), rel=1e-5)
    impact, opportunity = checks
    assert impact.value == pytest.approx(
        wanted.demographic_parity_ratio(truths, labels, sensitive_features=group), rel=1e-5
    )
    difference = wanted.MetricFrame(metrics=recall_score, y_true=truths, y_pred=labels, sensitive_features=group)
    assert opportunity.value == pytest.approx(difference.difference(), rel=1e-5)
    assert (impact.verdict, opportunity.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert "young to old" in impact.message


def test_with_a_privileged_group_each_other_is_compared_with_it_alone() -> None:
    rates = {"a": (30, 100), "b": (45, 100), "c": (60, 100)}
    every, _ = compared("min", rates, None)
    assert every.value == pytest.approx(0.5)
    one, whose = compared("min", rates, "b")
    assert one.value == pytest.approx(30 / 45)
    assert whose == "a to b"
    best, _ = compared("min", rates, "a")
    assert best.value == pytest.approx(1.5)
    assert best.limits(0.05)[1] > 1.5
    largest, _ = compared("max", rates, "b")
    assert largest.value == pytest.approx(0.15)


def test_no_ratio_of_all_pairs_is_beyond_one_and_no_difference_below_nothing() -> None:
    alike = {"a": (40, 100), "b": (40, 100)}
    assert compared("min", alike, None)[0].limits(0.05)[1] == 1.0
    assert compared("max", alike, None)[0].limits(0.05)[0] == 0.0


def test_groups_that_are_alike_pass_when_there_are_enough_rows() -> None:
    answers = drawn.selected(np.random.default_rng(1), (0.4, 0.41, 0.4), 3_000, truly=1)
    answers.attributes["band"] = answers.attributes.pop("group")
    checks, _ = judge(asked(), answers, 1)
    assert [check.verdict for check in checks] == [Verdict.PASS, Verdict.PASS]


def test_small_groups_are_named_and_not_judged() -> None:
    answers = drawn.selected(np.random.default_rng(1), (0.4, 0.4), 3_000, truly=1)
    answers.attributes["band"] = [*["a"] * 2_990, *["few"] * 10, *["b"] * 3_000]
    answers.labels[2_990:3_000] = [0] * 10
    checks, rows = judge(asked(), answers, 1)
    assert [check.verdict for check in checks] == [Verdict.PASS, Verdict.PASS]
    assert all("not judged, with fewer than 30 rows: few (10)" in check.message for check in checks)
    assert {row.group: row.judged for row in rows} == {"a": True, "b": True, "few": False}


@pytest.mark.parametrize(
    ("cells", "attribute", "why"),
    [
        (["only"] * 200, Attribute("band"), "one group only, only"),
        (["a"] * 190 + ["b"] * 10, Attribute("band"), "fewer than two groups have 30 rows"),
        (["a"] * 150 + ["b"] * 40 + ["c"] * 10, Attribute("band", "c"), "the privileged group c has fewer than 30"),
    ],
)
def test_nothing_to_compare_is_no_verdict(cells: list[str], attribute: Attribute, why: str) -> None:
    answers = drawn.selected(np.random.default_rng(1), (0.4,), 200, truly=1)
    answers.attributes["band"] = cells
    checks, _ = judge(asked(attribute), answers, 1)
    assert {check.verdict for check in checks} == {Verdict.INCONCLUSIVE}
    assert all(why in check.message for check in checks)


def test_nobody_selected_at_all_is_no_verdict() -> None:
    answers = drawn.selected(np.random.default_rng(1), (0.0, 0.0), 200, truly=1)
    answers.attributes["band"] = answers.attributes.pop("group")
    impact, _ = judge(asked(), answers, 1)[0]
    assert (impact.verdict, impact.value) == (Verdict.INCONCLUSIVE, None)


def test_the_favourable_label_may_be_the_other_one() -> None:
    answers = treated()
    ill, well = (judge(asked(), answers, favourable)[0][0].value for favourable in (1, 0))
    assert ill != well
    assert well == pytest.approx(
        wanted.demographic_parity_ratio(
            [1 - truth for truth in answers.truths],
            [1 - label for label in answers.labels],
            sensitive_features=answers.attributes["band"],
        ),
        rel=1e-5,
    )


def test_bins_part_a_number_and_a_missing_one_is_a_group_of_its_own() -> None:
    found = grouped(Attribute("age", bins=[30.0, 45.0]), ["21", "30", "30.5", "45", "46", ""])
    assert found == ["<= 30", "<= 30", "30 to 45", "30 to 45", "> 45", "(missing)"]
    assert grouped(Attribute("sex"), ["0", "1", ""]) == ["0", "1", "(missing)"]


@pytest.mark.parametrize(
    ("attribute", "cells", "why"),
    [
        (Attribute("age"), [str(k) for k in range(60)], "age is a number with 60 different values: say in bins"),
        (Attribute("id"), [f"p{k}" for k in range(51)], "id has 51 different values"),
        (Attribute("sex", bins=[30.0]), ["female", "male"], "a value in it is no number: leave bins out"),
    ],
)
def test_a_column_that_is_no_group_is_refused(attribute: Attribute, cells: list[str], why: str) -> None:
    with pytest.raises(Refusal, match=why):
        grouped(attribute, cells)


def test_the_gate_reads_attributes_that_are_no_features(tmp_path: Path) -> None:
    rows = patients(1_500)
    for number, row in enumerate(rows):
        row[4] = ("a", "b")[number % 2]
    data = table(tmp_path / "data.csv", [*FEATURES, "outcome", "sex"], rows)
    document = {
        "model": artifact(tmp_path / "m.vmodel"),
        "data": {**data, "target": "outcome"},
        "attributes": [{"name": "sex"}, {"name": "age", "bins": [50]}],
        "disparateImpact": {"min": 0.7},
    }
    answer = ask("fairness", document)
    assert [check.name for check in answer.result.checks] == ["disparateImpact:sex", "disparateImpact:age"]
    assert answer.result.checks[0].verdict is Verdict.PASS
    assert isinstance(answer.result.groups, list)
    assert [(row.attribute, row.group) for row in answer.result.groups] == [
        ("sex", "a"),
        ("sex", "b"),
        ("age", "<= 50"),
        ("age", "> 50"),
    ]


def test_without_a_target_the_table_has_no_rates_of_the_truth(tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", [*FEATURES, "outcome", "sex"], patients(200))
    document = {
        "model": artifact(tmp_path / "m.vmodel"),
        "data": data,
        "attributes": [{"name": "age", "bins": [50]}],
        "disparateImpact": {},
    }
    groups = ask("fairness", document).result.groups
    assert isinstance(groups, list)
    assert {(row.tpr, row.fpr) for row in groups} == {(None, None)}
