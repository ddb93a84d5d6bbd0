"""What is kept of a fault: the last look in which it was there, without what tells of the machine."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.stuck.record import Look, recording, write
from dev.faults import FAULTS

BEGAN = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)
CANDIDATE = next(fault for fault in FAULTS if fault.name == "server that exits")
STRUCK = next(fault for fault in FAULTS if fault.name == "pod that ran out of its time")
ACTIVE = {"color": "blue", "version": "1.0.0", "revision": "v1-old", "since": "2026-11-27T05:59:00Z"}
ROLLOUT = {"color": "green", "version": "1.1.0", "revision": "v1-new", "startedAt": "2026-11-27T06:00:00Z"}


def pod(name: str, color: str, **metadata: Any) -> dict[str, Any]:
    labels = {"verdigris.dev/model": "diabetes", "verdigris.dev/color": color}
    meta = {"name": name, "uid": f"uid-{name}", "labels": labels, "managedFields": [1], **metadata}
    said = 'open "/srv/work/kubelet/pods/1/x": no route to 10.244.0.7'
    return {"metadata": meta, "spec": {"volumes": []}, "status": {"podIP": "10.244.0.9", "message": said}}


def look(seconds: float, *pods: dict[str, Any], **status: Any) -> Look:
    model = {"spec": {"model": {}, "cleanup": {}, "serving": {}}, "status": {"active": ACTIVE, **status}}
    about = {"involvedObject": {"uid": "uid-new", "name": "new"}, "reason": "BackOff", "source": {"host": "here"}}
    other = {"involvedObject": {"uid": "uid-clients"}}
    by_kind = {"ModelDeployment": [model], "Pod": list(pods), "Event": [about, other]}
    return Look(BEGAN + timedelta(seconds=seconds), by_kind)


def test_a_new_versions_fault_is_kept_as_it_was_last_seen_before_the_rollout_ended() -> None:
    going = pod("new", "green", deletionTimestamp="2026-11-27T06:00:30Z")
    looks = [
        look(1, pod("old", "blue"), rollout=ROLLOUT),
        look(2, pod("old", "blue"), pod("new", "green"), rollout=ROLLOUT),
        look(3, pod("old", "blue"), pod("new", "green"), pod("newer", "green"), rollout=ROLLOUT),
        look(4, pod("old", "blue"), pod("new", "green"), rollout={**ROLLOUT, "failure": {"reason": "NeverReady"}}),
        look(5, pod("old", "blue"), going, rollout=ROLLOUT),
        look(6, pod("old", "blue")),
    ]
    kept = recording(CANDIDATE, looks)
    assert kept is not None
    assert [one["metadata"]["name"] for one in kept["pods"]] == ["old", "new", "newer"]
    assert (kept["fault"], kept["now"], kept["rollout"]) == (CANDIDATE.name, "2026-11-27T06:00:04+00:00", ROLLOUT)
    assert recording(CANDIDATE, looks[:1]) is None


def test_the_pod_that_was_struck_is_kept_as_it_was_before_it_was_removed() -> None:
    gone = {"removed": [{"pod": "struck"}]}
    looks = [
        look(1, pod("struck", "blue"), pod("other", "blue")),
        look(2, pod("struck", "blue", deletionTimestamp="2026-11-27T06:00:30Z"), **gone),
        look(3, pod("other", "blue"), **gone),
    ]
    kept = recording(STRUCK, looks)
    assert kept is not None
    assert [one["metadata"]["name"] for one in kept["pods"]] == ["struck", "other"]
    assert recording(replace(STRUCK, strike=None, worsen=lambda *_: None), looks) == kept


def test_a_recording_tells_of_the_fault_and_not_of_the_machine(tmp_path: Path) -> None:
    kept = recording(CANDIDATE, [look(1, pod("new", "green"), rollout=ROLLOUT)])
    assert kept is not None
    write(tmp_path, kept)
    text = (tmp_path / "server-that-exits.json").read_text()
    assert json.loads(text) == kept
    assert kept["events"] == [{"involvedObject": {"uid": "uid-new"}, "reason": "BackOff"}]
    assert kept["pods"][0]["status"] == {"message": 'open "/var/lib/kubelet/pods/1/x": no route to 10.0.0.1'}
    assert [word for word in ("managedFields", "volumes", "here", "serving") if word in text] == []
