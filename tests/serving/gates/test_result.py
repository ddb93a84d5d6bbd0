"""The answer: small enough, whole where it can be, and as its published schema says."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from verdigris_serving.gate.result import (
    ArtifactRead,
    Check,
    DataRead,
    Finding,
    Group,
    LoadSeen,
    Result,
    Verdict,
    answer,
    bounded,
    encoded,
    overall,
)

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "gates" / "result.schema.json").read_text())


def check(verdict: Verdict = PASS, name: str = "auc", message: str = "auc is 0.9") -> Check:
    """One check."""
    return Check(
        name=name, verdict=verdict, message=message, value=0.9, threshold=0.85, bound="min", interval=(0.88, None), n=9
    )


def group(name: str, n: int = 40) -> Group:
    """One group."""
    return Group(attribute="age_band", group=name, n=n, selection_rate=0.3, tpr=0.7, fpr=0.1, judged=n >= 30)


def result(checks: list[Check], groups: list[Group] | None = None) -> Result:
    """A whole answer."""
    finding = Finding(
        checks,
        data=DataRead(sha256="a" * 64, rows=100),
        artifact=ArtifactRead(sha256="b" * 64, version="1.0.0"),
        active=ArtifactRead(sha256="c" * 64, version="0.9.0"),
        load=LoadSeen(
            asked=9,
            answered=8,
            errors={"it was answered 503": 1},
            seconds=1.0,
            p50_seconds=0.1,
            p95_seconds=0.2,
            p99_seconds=None,
            busy=0.1,
            late_seconds=0.001,
        ),
    )
    if groups is not None:
        finding.groups = groups
    return answer("quality", finding, "d" * 64, 1.23456)


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([PASS, PASS], PASS),
        ([PASS, INCONCLUSIVE], INCONCLUSIVE),
        ([INCONCLUSIVE, FAIL], FAIL),
        ([PASS, FAIL], FAIL),
        ([], INCONCLUSIVE),
    ],
)
def test_one_failure_fails_and_only_all_passes_pass(verdicts: list[Verdict], whole: Verdict) -> None:
    assert overall([check(verdict) for verdict in verdicts]) is whole


def test_the_message_is_that_of_the_checks_that_decided() -> None:
    told = result([check(), check(FAIL, "f1", "f1 is bad"), check(INCONCLUSIVE, "r2", "r2 is unknown")])
    assert (told.verdict, told.reason, told.message) == (FAIL, "ThresholdMissed", "f1 is bad")
    assert result([check(name=name) for name in ("a", "b", "c")]).message == "all 3 checks pass: a, b, c"


def test_what_fits_is_left_whole() -> None:
    whole = result([check()], [group("x")])
    assert bounded(whole) == encoded(whole)


@pytest.mark.parametrize(
    "large",
    [
        result([check(message="m" * 300) for _ in range(3)], [group(f"group {k}") for k in range(50)]),
        result([check(message="m" * 5_000)], [group("x")]),
        result([check(FAIL if k == 90 else PASS, f"check {k}", "m" * 300) for k in range(100)]),
        result([check(message="ü" * 5_000) for _ in range(3)], [group("ö" * 40) for _ in range(50)]),
    ],
    ids=["groups", "a message", "checks", "letters of two bytes"],
)
def test_what_does_not_fit_is_cut_and_says_so(large: Result) -> None:
    document = bounded(large)
    assert len(document) <= 4_096
    cut = msgspec.json.decode(document, type=Result)
    assert cut.cut
    assert cut.verdict is large.verdict
    assert cut.asked == large.asked
    assert overall(cut.checks) is large.verdict, "the checks that decided are the last to go"


def test_groups_that_were_not_judged_go_before_those_that_were() -> None:
    groups = [group(f"group {k}", n=10 if k % 2 else 100) for k in range(50)]
    cut = msgspec.json.decode(bounded(result([check()], groups)), type=Result)
    assert isinstance(cut.groups, list)
    assert 0 < len(cut.groups) < 50
    assert [each.judged for each in cut.groups] == sorted((each.judged for each in cut.groups), reverse=True)


@pytest.mark.parametrize("one", [result([check()], [group("x", 3)]), result([])], ids=["whole", "empty"])
def test_an_answer_is_as_its_schema_says(one: Result) -> None:
    jsonschema.validate(json.loads(bounded(one)), SCHEMA)


def test_the_schema_refuses_another_verdict() -> None:
    document = {**json.loads(encoded(result([check()]))), "verdict": "Maybe"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)
