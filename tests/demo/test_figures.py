"""What the report says about what the clients saw."""

from __future__ import annotations

import json

import pytest

from dev.demo.figures import Act, promotion, rollback, shield
from dev.demo.records import Kind, Reader, RecordsMissingError, Request
from dev.demo.report import bars, failures, runs_table, shield_bars, table
from dev.demo.spared import spared_in


def request(due: float, kind: Kind = "new", status: int | None = 200, version: str | None = "1.1.0") -> Request:
    return Request(due, 0.01, kind, status, version if status == 200 else None, None if status else "reset")


PROMOTION = Act("promotion", "1.1.0", begin=100.0, end=110.0, pods_created=100.5, ready=102.5)
SHIELDED = Act("rollback", "1.2.0", begin=100.0, end=120.0, decided=106.0, marks=((103.0, "1.2.0 on trial"),))
ROLLBACK = Act("rollback", "1.2.0", begin=100.0, end=120.0, decided=106.0, restored=106.4)


def test_a_promotion_counts_every_request_of_the_act_and_none_from_outside() -> None:
    seen = [request(99.9, version="1.0.0"), request(101, version="1.0.0"), request(103), request(110.0)]
    figures = promotion(seen, PROMOTION)
    assert (figures["requests"], figures["failed_requests"]) == (2, 0)
    assert figures["apply_to_first_answer_s"] == pytest.approx(3.01)
    assert figures["pods_created_to_first_answer_s"] == pytest.approx(2.51)
    assert figures["pods_created_to_ready_s"] == pytest.approx(2.0)
    assert figures["first_to_last_old_answer_s"] == {"new": pytest.approx(-2.0), "keepalive": None}


@pytest.mark.parametrize("status", [None, 500, 503, 404])
def test_anything_but_a_200_is_a_failed_request_of_a_promotion(status: int | None) -> None:
    assert promotion([request(101, status=status)], PROMOTION)["failed_requests"] == 1


def test_a_rollback_is_measured_from_the_first_to_the_last_bad_answer_of_each_kind() -> None:
    bad = [request(102, status=500), request(105, status=500), request(104, "keepalive", status=500)]
    figures = rollback([*bad, request(103), request(107, "keepalive", status=None)], ROLLBACK)
    assert figures["first_bad_s"] == pytest.approx(2.01)
    assert figures["last_bad_new_connections_s"] == pytest.approx(5.01)
    assert figures["last_bad_keepalive_s"] == pytest.approx(4.01)
    assert figures["first_to_last_bad_keepalive_s"] == pytest.approx(2.0)
    assert (figures["decided_s"], figures["traffic_restored_s"]) == (6.0, pytest.approx(6.4))
    assert (figures["bad_answers"], figures["failed_by_switch"]) == (3, 1)


def test_a_bar_that_could_not_be_measured_is_missed() -> None:
    good = promotion([request(103)], PROMOTION)
    nothing_seen = rollback([request(103)], ROLLBACK)
    missed = {bar.what for bar in bars(good, [nothing_seen]) if not bar.met}
    assert missed == {
        "first -> last bad answer, new connections, worst run",
        "first -> last bad answer, keep-alive, worst run",
        "first -> last bad answer, median of 1",
    }


def test_the_worst_run_decides_and_the_tables_show_every_run() -> None:
    good = promotion([request(103)], PROMOTION)
    quick = rollback([request(101, status=500), request(101.5, "keepalive", status=500)], ROLLBACK)
    slow = rollback([request(101, status=500), request(109, "keepalive", status=500)], ROLLBACK)
    lines = bars(good, [quick, slow])
    assert [bar.met for bar in lines if "keep-alive" in bar.what] == [False]
    assert "8.00 s  <= 6.5 s  MISSED" in table(lines)
    assert len(runs_table([quick, slow]).splitlines()) == 3


def test_the_demo_fails_for_a_lost_request_a_missing_rollback_and_the_wrong_version() -> None:
    lost = promotion([request(101, status=None)], PROMOTION)
    fine = promotion([request(101)], PROMOTION)
    quiet, noticed = shield([request(101)], SHIELDED, 9), shield([request(101, status=500)], SHIELDED, 9)
    assert failures(fine, quiet, [True, True], "1.1.0", "1.1.0") == []
    sentences = failures(lost, noticed, [True, False], "1.2.0", "1.1.0")
    assert len(sentences) == 4
    assert "noticed the bad version behind the shield 1 times" in sentences[0]
    assert "lost 1 of 1 requests: {'reset': 1}" in sentences[1]
    assert "run 2" in sentences[2]
    assert "is 1.2.0 at the end" in sentences[3]


def test_behind_the_shield_it_is_told_what_clients_noticed_and_what_they_were_spared() -> None:
    slow = Request(104, 0.02, "new", 200, "1.2.0", None)
    figures = shield([request(101), slow, request(104, status=500), request(105, status=None)], SHIELDED, 40)
    assert (figures["requests"], figures["bad_answers_seen_by_clients"], figures["failed_by_switch"]) == (4, 1, 1)
    assert (figures["spared"], figures["detected_s"], figures["added_latency_p50_ms"]) == (40, 3.0, 0.0)
    assert [bar.met for bar in shield_bars(figures)] == [False, False, True, True, True]


def test_what_was_spared_is_read_from_what_a_pod_shows() -> None:
    shown = (
        'verdigris_spared_total{active="answered",revision="v1-new"} 41.0\n'
        'verdigris_spared_total{active="failed",revision="v1-new"} 3.0\n'
        'verdigris_spared_total{active="answered",revision="v1-old"} 7.0\n'
    )
    assert spared_in(shown, "v1-new") == 41.0
    assert spared_in("", "v1-new") == 0.0


def line(seq: int) -> str:
    return json.dumps(
        {"seq": seq, "flushed": 1.0, "records": [[1.0, 0.1, "new", 200, "1.0.0", None]]}, separators=(",", ":")
    )


def test_lines_read_twice_count_once_and_a_missing_line_is_an_error() -> None:
    reader = Reader()
    assert len(reader.read(line(0))) == 1
    assert reader.read(line(0)) == []
    assert reader.read("a warning of Python's") == []
    with pytest.raises(RecordsMissingError, match="records 1 to 2 did not arrive"):
        reader.read(line(3))
