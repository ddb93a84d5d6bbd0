"""The benchmark of alerts: what it reads of Prometheus and Alertmanager, and when it says that all is well."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.alerts import operator_faults
from benchmarks.alerts.__main__ import TIMES, Report, all_well, written
from benchmarks.alerts.alertmanager import Receiver
from benchmarks.alerts.faults import FAULTS
from tests.alerts.test_runbooks import ALERTS
from tests.e2e.alerting import Firing, Prometheus
from verdigris.children.alerts.burning import BURNS

DOWN = Firing("VerdigrisModelDown", "critical", "clinic")
ROW = {"name": "VerdigrisModelDown", "severity": "critical", "fault": "f", **dict.fromkeys(TIMES, 5.0)}


def alert(state: str, **labels: str) -> dict[str, Any]:
    named = {"alertname": "VerdigrisModelDown", "severity": "critical", "namespace": "clinic", **labels}
    return {"state": state, "status": state, "labels": named}


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    told = [alert("firing"), alert("pending", namespace="other"), alert("firing", alertname="Watchdog")]
    groups = [{"file": "/etc/prometheus/rules/prometheus-main-rulefiles-0/clinic-diabetes-uid.yaml"}]
    answers = {"alerts": {"alerts": told}, "rules": {"groups": groups}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": answers[self.path.rpartition("/")[2]]}).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Prometheus(f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()


def test_what_fires_is_told_and_what_is_pending_or_somebody_elses_is_not(prometheus: Prometheus) -> None:
    assert prometheus.firing() == {DOWN}
    assert prometheus.until(DOWN, True, 5) is not None
    assert prometheus.until(DOWN, False, 0) is None


def test_the_rules_of_a_namespace_are_found_by_their_file(prometheus: Prometheus) -> None:
    prometheus.until_loaded("clinic", within=5)


def test_the_receiver_says_when_it_was_first_told_since_the_fault_began() -> None:
    receiver = Receiver()
    receiver.take({"alerts": [alert("firing")]})
    receiver.take({"alerts": [alert("firing")]})
    earlier, began = receiver.told[DOWN]
    assert receiver.told_of(DOWN, earlier, 0) == 0
    assert receiver.told_of(DOWN, began, 0) == 0
    assert receiver.told_of(DOWN, began + 1, 0) is None
    assert receiver.told_of(Firing("Other", "warning", ""), 0, 0) is None


def test_the_receiver_tells_the_end_from_the_beginning_and_one_window_from_another() -> None:
    receiver = Receiver()
    receiver.take({"alerts": [alert("firing", window="1h"), alert("resolved", window="6h")]})
    fires, ended = DOWN._replace(window="1h"), DOWN._replace(window="6h")
    assert [receiver.told_of(one, 0, 0) is not None for one in (fires, ended)] == [True, False]
    assert [receiver.told_the_end_of(one, 0, 0) is not None for one in (fires, ended)] == [False, True]


@pytest.mark.parametrize("missing", TIMES)
def test_all_is_well_when_each_fired_and_is_over_and_both_were_received(missing: str) -> None:
    found = {"alerts": [ROW], "healthy_minutes": 30, "false_alarms": []}
    assert all_well(found)
    assert not all_well({**found, "alerts": [ROW, {**ROW, missing: None}]})


def test_a_false_alarm_is_not_well_and_is_written() -> None:
    found = {"alerts": [ROW], "healthy_minutes": 30, "false_alarms": ["VerdigrisModelSlow"]}
    assert not all_well(found)
    assert "VerdigrisModelSlow" in written(found)


def test_what_is_found_anew_takes_the_place_of_the_same_faults_rows(tmp_path: Path) -> None:
    file = tmp_path / "bench" / "alerts.json"
    Report(file).add([ROW, {**ROW, "fault": "other"}], {"healthy_minutes": 30})
    Report(file).add([{**ROW, "fired_s": 1.0}])
    found = Report(file).found
    assert [(row["fault"], row["fired_s"]) for row in found["alerts"]] == [("other", 5.0), ("f", 1.0)]
    assert found["healthy_minutes"] == 30


def test_every_alert_has_a_fault_that_fires_it() -> None:
    faults = (*FAULTS.values(), *operator_faults.FAULTS.values())
    fired = [one[:2] for fault in faults for one in fault.alerts]
    assert set(fired) == {(one.name, one.severity) for one in ALERTS}


def test_every_window_of_a_burn_rate_is_waited_for() -> None:
    waited = [alert.window for alert in FAULTS["overspent"].firing("clinic") if alert.window]
    assert waited == [burn.long for burn in BURNS]
