"""The benchmark of alerts: what it reads of Prometheus and Alertmanager, and when it says that all is well."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks.alerts.__main__ import TOLD_FOR_A_WHILE, all_well, filled, written
from benchmarks.alerts.alertmanager import Receiver
from benchmarks.alerts.faults import FAULTS
from dev.dashboards.__main__ import BOARDS
from tests.alerts.test_runbooks import ALERTS
from tests.e2e.alerting import Firing, Prometheus

DOWN = Firing("VerdigrisModelDown", "critical", "clinic")
ROW = {"name": "VerdigrisModelDown", "severity": "critical", "fault": "f", "fired_s": 5.0, "resolved_s": 7.0}


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


def test_the_receiver_keeps_when_it_was_first_told() -> None:
    receiver = Receiver()
    receiver.take({"alerts": [alert("firing")]})
    first = receiver.told[DOWN]
    receiver.take({"alerts": [alert("firing")]})
    receiver.take({"alerts": [alert("resolved")]})
    assert receiver.told[DOWN] == receiver.when(DOWN, 0) == first
    assert receiver.when(Firing("Other", "warning", ""), 0) is None
    assert receiver.over.keys() == {DOWN}


@pytest.mark.parametrize(
    ("change", "well"),
    [
        ({}, True),
        ({"fired_s": None}, False),
        ({"received_s": None}, False),
        ({"resolved_s": None}, False),
        ({"resolved_s": None, "name": TOLD_FOR_A_WHILE[0]}, True),
    ],
)
def test_all_is_well_when_each_fired_was_received_and_is_over(change: dict[str, Any], well: bool) -> None:
    found = {"alerts": [{**ROW, "received_s": 6.0, **change}], "healthy_minutes": 30, "false_alarms": []}
    assert all_well(found) is well
    assert not all_well({**found, "false_alarms": ["VerdigrisModelSlow"]})
    assert "VerdigrisModelSlow" in written({**found, "false_alarms": ["VerdigrisModelSlow"]})


def test_every_alert_that_a_fault_is_to_fire_exists() -> None:
    known = {(one.name, one.severity) for one in ALERTS}
    assert {entry for fault in FAULTS.values() for entry in fault.alerts} <= known


def test_no_variable_is_left_in_a_query() -> None:
    queries = [query.expr for board in BOARDS for panel in board.panels for query in panel.queries]
    assert all("$" not in filled(query, "clinic") for query in queries)
