"""`kubectl verdigris dashboard`: a real process, a real port, the fake kubectl."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.chart.kubectl import eventually
from tests.cli.scenes import on_trial, waiting
from tests.cli.stage import Stage
from tests.cli.test_check import PROMETHEUS, deployment
from verdigris.cli.exits import ERROR, CliError
from verdigris.tools import zipapp
from verdigris.web.loopback.server import Server
from verdigris.web.site.messages import MOST_BODY

DECIDE = "/models/clinic/diabetes/decisions"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stage:
    """An empty cluster."""
    return Stage(tmp_path, monkeypatch, capsys)


@dataclass
class Dashboard:
    """A dashboard that runs; `cookie` once it has been opened."""

    port: int
    token: str
    cookie: str = ""
    host: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, Any, str]:
        """Status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        origin = {"Origin": f"http://127.0.0.1:{self.port}"} if method == "POST" else {}
        body = urlencode(form) if form is not None else None
        connection.request(method, path, body, {"Cookie": self.cookie, **origin, **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def open(self) -> None:
        """As a browser does with the address that was printed."""
        status, headers, _ = self.ask("GET", f"/?token={self.token}")
        assert status == 303
        self.cookie = headers["Set-Cookie"].partition(";")[0]


@contextmanager
def running(*command: str) -> Iterator[Dashboard]:
    """Until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"Open http://127\.0\.0\.1:(\d+)/\?token=([\w-]{43})\n", line)
        assert found is not None, line + process.stderr.read()
        yield Dashboard(int(found[1]), found[2])
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@contextmanager
def of_the_package(*options: str) -> Iterator[Dashboard]:
    """As it is installed."""
    with running(sys.executable, "-m", "verdigris.cli", "dashboard", *options) as found:
        yield found


def test_it_shows_what_the_caller_may_see_and_decides_as_the_caller(stage: Stage) -> None:
    scene = waiting()
    stage.given(scene.model, *scene.pods)
    with of_the_package() as dashboard:
        dashboard.open()
        status, _, page = dashboard.ask("GET", "/")
        assert status == 200
        assert "as <strong>bob</strong>" in page
        assert "Waits for you (1)" in page
        _, _, page = dashboard.ask("GET", "/models/clinic/diabetes")
        assert "2 pods well" in page
        assert "Prometheus is not asked: the operator, or its setting prometheus.address, was not found" in page
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)
        assert csrf is not None
        form = {"csrf": csrf[1], "verb": "approve", "revision": "v1-47d0ebfbc1", "reason": "looked <at> it"}
        assert dashboard.ask("POST", DECIDE, form)[0] == 303
        made = stage.kept("RolloutDecision", "diabetes-approve-abcde")
        assert made["spec"]["requestedBy"] == "bob"
        assert made["spec"]["reason"] == "looked <at> it"
        assert "looked &lt;at&gt; it" in dashboard.ask("GET", "/models/clinic/diabetes")[2]


def test_the_one_file_without_any_package_serves_the_same_page(stage: Stage, tmp_path: Path) -> None:
    scene = on_trial()
    stage.given(scene.model, *scene.pods)
    program = zipapp.build(tmp_path / zipapp.NAME)
    with running(sys.executable, "-I", "-S", str(program), "dashboard") as dashboard:
        dashboard.open()
        assert "Under way (1)" in dashboard.ask("GET", "/")[2]
        status, headers, style = dashboard.ask("GET", "/assets/page.css")
        assert (status, headers["Content-Type"]) == (200, "text/css; charset=utf-8")
        assert "prefers-color-scheme" in style


def test_every_answer_of_the_server_has_the_policy_and_the_token_opens_once(stage: Stage) -> None:
    stage.given(on_trial().model)
    with of_the_package() as dashboard:
        dashboard.open()
        for path, cookie, host, status in (
            ("/", dashboard.cookie, None, 200),
            ("/", "", None, 403),
            (f"/?token={dashboard.token}", "", None, 403),
            ("/", dashboard.cookie, "elsewhere.example", 403),
            ("/events", "", None, 403),
        ):
            sent = {"Host": host} if host else {}
            kept, dashboard.cookie = dashboard.cookie, cookie
            got, headers, _ = dashboard.ask("GET", path, **sent)
            dashboard.cookie = kept
            assert got == status
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "Python" not in headers["Server"]
        assert dashboard.ask("POST", DECIDE, {"x": "y" * MOST_BODY})[0] == 413
        assert dashboard.ask("POST", DECIDE, {}, Origin="https://elsewhere.example")[0] == 403
        status, headers, _ = dashboard.ask("PUT", "/")
        assert status == 501
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_change_in_the_cluster_is_told_to_who_looks(stage: Stage) -> None:
    scene = on_trial()
    stage.given(scene.model)
    changed = json.loads(json.dumps(scene.model))
    changed["metadata"]["resourceVersion"] = "99"
    changed["status"]["rollout"]["message"] = "Something new."
    stage.then(changed)
    with of_the_package() as dashboard:
        dashboard.open()
        eventually("the page shows it", lambda: "Something new." in dashboard.ask("GET", "/")[2])
        connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=60)
        connection.request("GET", "/events?since=0", headers={"Cookie": dashboard.cookie})
        answer = connection.getresponse()
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.read(len("retry: 3000\n\nevent: changed\n")) == b"retry: 3000\n\nevent: changed\n"
        connection.close()


def test_when_it_ends_its_kubectl_ends_as_well(stage: Stage) -> None:
    stage.given(on_trial().model)
    with of_the_package() as dashboard:
        dashboard.open()
        eventually("it watches", lambda: any("--watch" in call for call in stage.calls()))
    eventually("no kubectl of it is left", lambda: not processes_of(stage))


def processes_of(stage: Stage) -> list[str]:
    """Of the fake kubectl of this stage, by what they were started with and where they answer from."""
    wanted = f"FAKE_KUBECTL={stage.folder}".encode()
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if b"fake_kubectl" in (one / "cmdline").read_bytes() and wanted in (one / "environ").read_bytes():
                found.append(one.name)
        except OSError:
            continue
    return found


def matrix(rate: str) -> dict[str, Any]:
    """Prometheus' answer to a range query: one colour, one value, just now."""
    values = [[time.time() - 60, rate]]
    return {
        "status": "success",
        "data": {"resultType": "matrix", "result": [{"metric": {"color": "blue"}, "values": values}]},
    }


def test_the_operators_prometheus_is_asked_through_the_api_server(stage: Stage) -> None:
    stage.given(on_trial().model, deployment())
    stage.holds("raw.json", {f"{PROMETHEUS}/query_range": matrix("12.5")})
    with of_the_package() as dashboard:
        dashboard.open()
        page = dashboard.ask("GET", "/models/clinic/diabetes")[2]
    assert "Requests and failures are Prometheus&#x27; counters" in page
    assert "blue 1.0.0 12.5 /s" in page
    asked = [call[-1] for call in stage.calls() if "--raw" in call or any("query_range" in one for one in call)]
    assert len(asked) == 2


def test_a_prometheus_that_may_not_be_asked_is_told_and_the_status_is_drawn(stage: Stage) -> None:
    stage.given(on_trial().model, deployment()).holds("raw.json", {"/nothing": {}})
    with of_the_package() as dashboard:
        dashboard.open()
        page = dashboard.ask("GET", "/models/clinic/diabetes")[2]
    assert "Prometheus is not asked: the server could not find the requested resource." in page
    assert "score 1.53" in page


def test_who_may_see_one_namespace_is_shown_that_one_and_told_so(stage: Stage) -> None:
    stage.given(on_trial().model)
    with of_the_package("-n", "clinic") as dashboard:
        dashboard.open()
        page = dashboard.ask("GET", "/")[2]
        assert "Only the models of namespace clinic are shown, as -n asks for it." in page
        assert "Under way (1)" in page


def test_who_may_see_nothing_is_told_which_right_is_missing(stage: Stage) -> None:
    stage.may_not("list modeldeployments")
    code, out, err = stage.run("dashboard")
    assert (code, out) == (ERROR, "")
    assert "bob may not list modeldeployments.verdigris.dev in namespace clinic" in err


def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    with (
        Server(0) as first,
        pytest.raises(CliError, match=r"cannot listen on 127\.0\.0\.1:\d+ .*: give another --port"),
    ):
        Server(first.port)


def test_the_server_listens_on_the_own_machine_alone() -> None:
    with Server(0) as server:
        assert server.server_address[0] == "127.0.0.1"
