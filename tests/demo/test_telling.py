"""What the demo tells and draws."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

from dev.demo.figures import Act
from dev.demo.follow import Followers
from dev.demo.observer import Observer
from dev.demo.picture import BAD, BIN, SPARED, binned, draw, lanes
from dev.demo.records import Request
from dev.demo.timeline import Timeline, changes, marks

ACTIVE: dict[str, Any] = {"active": {"version": "1.0.0"}, "traffic": [{"version": "1.0.0", "weight": 100}]}


def rollout(stage: str, **more: Any) -> dict[str, Any]:
    return {"version": "1.2.0", "stage": stage, "since": "2026-11-23T10:00:00.500Z", **more}


def test_only_what_has_changed_is_told() -> None:
    starting = {**ACTIVE, "rollout": rollout("Starting", message="0 of 2 ready")}
    assert list(changes(starting, starting)) == []
    assert list(changes(ACTIVE, starting)) == [("rollout", "1.2.0 Starting: 0 of 2 ready")]
    evidence = {"verdict": "Fail", "reason": "ErrorRateDoubled", "message": "1.2.0 failed 40 of 80"}
    failing = {**ACTIVE, "rollout": rollout("Starting", message="0 of 2 ready", evidence=evidence)}
    assert list(changes(starting, failing)) == [("verdict", "Fail: 1.2.0 failed 40 of 80")]


def test_a_rollback_is_marked_when_it_was_decided_and_when_traffic_was_back() -> None:
    back = {"fromVersion": "1.2.0", "toVersion": "1.0.0", "decidedAt": "a", "message": "m"}
    decided = {**ACTIVE, "rollout": rollout("RollingBack"), "lastRollback": back}
    restored = {**decided, "lastRollback": {**back, "trafficRestoredAt": "b"}}
    baking = {**ACTIVE, "rollout": rollout("Baking")}
    assert list(marks(ACTIVE, baking)) == [("2026-11-23T10:00:00.500Z", "traffic on 1.2.0")]
    assert list(marks(baking, decided)) == [("a", "rollback decided")]
    assert list(marks(decided, restored)) == [("b", "traffic on 1.0.0")]
    promoted = {"active": {"version": "1.2.0"}}
    assert list(marks(baking, promoted)) == [(None, "promoted")]


def test_a_follower_that_ends_is_started_again_and_records_seen_twice_count_once() -> None:
    records = [[time.time(), 0.01, "new", 200, "1.0.0", None]]
    line = json.dumps({"seq": 0, "flushed": time.time(), "records": records}, separators=(",", ":"))
    out = io.StringIO()
    with Followers() as followers:
        observer = Observer(followers, Timeline(time.time(), out))
        followers.follow("clients", [sys.executable, "-c", f"print({line!r})"])
        assert observer.watch("a record", lambda: len(observer.requests) == 1, 10)
        observer.pass_time(0.9)
    assert len(observer.requests) == 1
    assert out.getvalue().count("first 200 by 1.0.0") == 1


def test_what_does_not_happen_is_told_and_is_no_error() -> None:
    out = io.StringIO()
    with Followers() as followers:
        observer = Observer(followers, Timeline(time.time(), out))
        assert not observer.watch("a miracle", lambda: False, 0.2)
    assert "waited 0 s for a miracle, in vain" in out.getvalue()


def test_every_request_is_in_the_picture_once_in_the_step_in_which_it_ended() -> None:
    requests = [Request(9.9, 0.2, "new", 200, "1.0.0", None), Request(10.0, 0.1, "new", 500, None, None)]
    edges, layers = binned(requests, 10.0, 12.0, zero=10.0)
    assert edges == [0.0, 0.5, 1.0, 1.5]
    assert layers == {"200 by 1.0.0": [1 / BIN, 0, 0, 0], BAD: [1 / BIN, 0, 0, 0]}


def test_a_label_lies_above_the_later_ones_that_it_reaches_over() -> None:
    assert lanes([(0.0, "first"), (1.0, "second"), (9.0, "third")], seconds_a_character=0.5) == [1, 0, 0]


def test_the_picture_is_written_as_png_and_svg(tmp_path: Path) -> None:
    requests = [Request(100 + n / 50, 0.01, "new", 200, "1.0.0", None) for n in range(200)]
    act = Act("promotion", "1.1.0", 100.0, 104.0, marks=((101.0, "promoted"),))
    spared = {act: [(100.0, 0.0), (101.0, 40.0), (102.0, 40.0)]}
    paths = draw(requests, [("promoted", act), ("taken back", act)], tmp_path, spared)
    assert SPARED in (tmp_path / "demo.svg").read_text(), "the picture shows what clients were spared"
    assert [path.suffix for path in paths] == [".png", ".svg"]
    assert all(path.stat().st_size > 5_000 for path in paths)
