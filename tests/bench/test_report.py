"""The shape of the report, and the bars that it is judged by."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.serving.report import bars, forest_bars, notes, servers, table
from tests.bench.results import document, load, measured


def missed(**changes: Any) -> list[str]:
    return [bar.what for bar in bars(document(**changes)) if not bar.met]


def test_a_row_holds_the_medians_and_how_far_the_rounds_were_apart() -> None:
    (row,) = servers([measured("verdigris", 20_000, 0.05)])
    assert {
        key: row[key] for key in ("server", "requests_per_s", "p50_ms", "p99_ms", "rss_mb", "start_to_ready_s")
    } == {
        "server": "verdigris",
        "requests_per_s": 20_000,
        "p50_ms": 0.05,
        "p99_ms": 0.25,
        "rss_mb": 40,
        "start_to_ready_s": 0.3,
    }
    assert row["spread"]["requests_per_s"] == [16_000, 24_000]
    assert row["spread"]["start_to_ready_s"] == [0.2, 0.4]
    assert row["versions"] == {"python": "3.11.7"}


def test_the_report_is_json_and_has_a_row_for_every_server_where_it_was_measured() -> None:
    report = json.loads(json.dumps(document(), allow_nan=False))
    everybody = ["verdigris", "mlserver", "kserve", "bentoml", "nginx"]
    assert [row["server"] for row in report["servers"]] == everybody
    assert [row["server"] for row in report["connections_1000"]] == everybody
    assert [row["server"] for row in report["batch_1000"]] == everybody[:-1]


@pytest.mark.parametrize(("ours", "met"), [(3_600, True), (3_500, False)])
def test_a_forest_has_a_bar_of_its_own(ours: float, met: bool) -> None:
    report = document(forest=document(verdigris=measured("verdigris", ours, 0.3)))
    (bar,) = forest_bars(report)
    assert bar.what == "a forest, requests/s, 16 connections, times kserve's (best peer)"
    assert bar.met is met
    assert forest_bars(document()) == []


def test_all_bars_are_there_and_met_by_a_report_that_meets_them() -> None:
    assert [(bar.figure, bar.bar) for bar in bars(document())] == [
        ("16.7", ">= 10"),
        ("0.200", ">= 0.15"),
        ("0.07", "<= 0.2"),
        ("0.25 ms", "<= 1 ms"),
        ("0", "0"),
        ("2.00", "<= 3"),
        ("16.67", ">= 1"),
        ("40 MB", "<= 50 MB"),
        ("0.3 s", "<= 0.5 s"),
        ("20 MB", "<= 40 MB"),
        ("110 MB", "<= 170 MB"),
        ("20 MB", "<= 160 MB"),
        ("20 MB", "<= 300 MB"),
    ]
    assert missed() == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"kserve": measured("kserve", 2_100, 0.8)}, "requests/s, 16 connections, times kserve's (best peer)"),
        ({"nginx": measured("nginx", 140_000, 0.02)}, "requests/s, 16 connections, of nginx's fixed body"),
        ({"bentoml": measured("bentoml", 500, 0.2)}, "p50, one connection, of bentoml's (best peer)"),
        ({"verdigris": measured("verdigris", 20_000, 0.05, single=[load(1, 0.05, 1.1)])}, "p99, one connection"),
        (
            {
                "verdigris": measured(
                    "verdigris", 20_000, 0.05, crowd=[load(20_000, p99_ms=1, errors=1, connections=1000)]
                )
            },
            "errors at 1,000 connections",
        ),
        (
            {"verdigris": measured("verdigris", 20_000, 0.05, crowd=[load(20_000, p99_ms=151, connections=1000)])},
            "p99 at 1,000 connections, times the ideal",
        ),
        (
            {"verdigris": measured("verdigris", 20_000, 0.05, batch=[load(11)])},
            "requests/s of 1,000 rows, times kserve's (best peer)",
        ),
        ({"verdigris": measured("verdigris", 20_000, 0.05, memory_mb=[50.1])}, "memory after load (RSS)"),
        ({"verdigris": measured("verdigris", 20_000, 0.05, starts=[0.51])}, "process start -> ready"),
    ],
)
def test_each_bar_can_be_missed_alone(changes: dict[str, Any], what: str) -> None:
    assert missed(**changes) == [what]


def test_an_image_that_is_too_large_or_not_built_is_missed() -> None:
    large = {"above_base_mb": 41.0, "whole_mb": 171.0}
    assert missed(images={"default": large, "onnx": None, "sklearn": {"above_base_mb": 300.0, "whole_mb": 400.0}}) == [
        "image above its base, default",
        "image, default, whole",
        "image above its base, onnx",
    ]


def test_a_report_of_one_server_has_no_bar_that_needs_another() -> None:
    report = document()
    for part in ("servers", "batch_1000", "connections_1000"):
        report[part] = [row for row in report[part] if row["server"] == "verdigris"]
    assert not [bar.what for bar in bars(report) if "peer" in bar.what or "nginx" in bar.what]


def test_a_server_that_answers_none_of_a_crowd_is_shown_as_that() -> None:
    report = document(bentoml=measured("bentoml", 500, 1.2, crowd=[load(0, errors=1000, connections=1000)]))
    line = next(line for line in table(report).splitlines() if "bentoml" in line)
    assert "1000 errors, no answer" in line


def test_a_disturbed_measurement_and_idle_servers_are_named() -> None:
    disturbed = measured("verdigris", 20_000, 0.05, core_share=[0.5], foreign_share=[0.4])
    idle = measured("nginx", 100_000, 0.02, batch=[], core_share=[0.6])
    found = notes(document(verdigris=disturbed, nginx=idle))
    assert any("Other work took 40% of the core while verdigris" in sentence for sentence in found)
    assert any("nginx used 60% of its core" in sentence for sentence in found)
    assert not any("mlserver" in sentence for sentence in found)
    assert found[-1] == "One thing."


def test_a_machine_that_makes_nginx_wait_is_named() -> None:
    slow = measured("nginx", 100_000, 0.02, batch=[], single=[load(1, 0.02, p99_ms=2.4)])
    assert any("nginx itself has a p99 of 2.4 ms" in sentence for sentence in notes(document(nginx=slow)))
    assert not any("nginx itself" in sentence for sentence in notes(document()))


def test_the_sklearn_format_is_compared_with_its_own_predict() -> None:
    ours = measured("verdigris-sklearn", 4_000, 0.25)
    found = notes(document(**{"verdigris-sklearn": ours}))
    assert any("reaches 80% of that, and its p50 is 1.25 times the floor" in sentence for sentence in found)
