"""What is made of the line that the load generator writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.serving.errors import BenchError
from benchmarks.serving.load import parse, write_bodies


def said(**errors: int) -> str:
    kinds = {"connect": 0, "read": 0, "write": 0, "timeout": 0, "status": 0, **errors}
    figures = {
        "requests": 500,
        "duration_us": 2_000_000,
        "p50_us": 120,
        "p99_us": 950,
        "max_us": 4_000,
        "errors": kinds,
    }
    return f"Running 2s test @ http://127.0.0.1:1/\n  500 requests in 2.00s\nfigures {json.dumps(figures)}\n"


def test_rates_are_a_second_and_latencies_are_milliseconds() -> None:
    load = parse(said(), connections=16)
    assert (load.requests_per_s, load.p50_ms, load.p99_ms, load.errors) == (250.0, 0.12, 0.95, 0)
    assert load.ideal_ms == pytest.approx(64.0)


def test_an_answer_with_an_error_status_is_an_error_and_no_throughput() -> None:
    load = parse(said(status=100, read=3, timeout=2), connections=1)
    assert (load.errors, load.requests_per_s) == (105, 200.0)


def test_without_one_good_answer_there_is_no_ideal() -> None:
    assert parse(said(status=500), connections=1000).ideal_ms is None


def test_a_generator_that_says_no_figures_is_quoted() -> None:
    with pytest.raises(BenchError, match="unable to connect to 127"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n", connections=1)


def test_bodies_are_written_one_a_line(tmp_path: Path) -> None:
    assert write_bodies(tmp_path / "bodies", [b"{}", b"[1]"]).read_bytes() == b"{}\n[1]\n"
