"""`report`: what a bug report needs, and nothing that is secret."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from tests.cli.scenes import on_trial
from tests.cli.stage import Stage
from tests.cli.test_check import deployment
from verdigris.cli.model.redacting import GONE, Redactor

SECRETS = [
    ("https://alice:pw@host/x?sig=abc", "https://REDACTEDhost/x?REDACTED"),
    ("Authorization: Bearer abcdefgh12345678", f"Authorization: {GONE}"),
    ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln is", f"token {GONE} is"),
    ("password=hunter2, next", f"password={GONE}, next"),
    ('"api_key": "abc123"', f'"api_key": "{GONE}"'),
    ("AKIAIOSFODNN7EXAMPLE", GONE),
    ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", GONE),
    ("AWS_SECRET_ACCESS_KEY=abc/def", f"AWS_SECRET_ACCESS_KEY={GONE}"),
    ("1.1.0 failed 200 of 400 requests (50 %).", "1.1.0 failed 200 of 400 requests (50 %)."),
]


@pytest.mark.parametrize(("text", "left"), SECRETS)
def test_what_reads_like_a_secret_is_taken_out(text: str, left: str) -> None:
    assert Redactor().text(text) == left


def test_a_document_keeps_what_tells_and_loses_what_must_not_be_seen() -> None:
    container = {"name": "server", "env": [{"name": "KEY", "value": "s3"}, {"name": "B", "valueFrom": {"x": "y"}}]}
    given = {
        "metadata": {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "verdigris.dev/traffic": "on"},
            "managedFields": [{}],
            "name": "diabetes",
        },
        "spec": {"containers": [container], "requestedBy": "alice", "uri": "s3://b/k", "credentialsSecret": "s3-read"},
        "status": {"podIP": "10.0.0.1", "by": "alice", "message": "alice aborted it", "requests": 7},
    }
    left = Redactor().document(given)
    assert left == {
        "metadata": {"annotations": {"verdigris.dev/traffic": "on"}, "name": "diabetes"},
        "spec": {
            "containers": [
                {"name": "server", "env": [{"name": "KEY", "value": GONE}, {"name": "B", "valueFrom": {"x": "y"}}]}
            ],
            "requestedBy": "person-1",
            "uri": "s3://b/k",
            "credentialsSecret": "s3-read",
        },
        "status": {"podIP": GONE, "by": "person-1", "message": "person-1 aborted it", "requests": 7},
    }


def test_the_file_holds_what_could_be_read_and_names_what_could_not(stage: Stage, tmp_path: Path) -> None:
    scene = on_trial()
    scene.pods[0]["spec"]["containers"] = [{"name": "server", "env": [{"name": "KEY", "value": "s3cr3t"}]}]
    decision = {
        "kind": "RolloutDecision",
        "metadata": {"name": "d", "namespace": "clinic"},
        "spec": {"requestedBy": "alice.smith", "modelDeployment": "diabetes"},
    }
    stage.given(scene.model, decision, deployment(), *scene.pods).may_not("list events")
    file = tmp_path / "r.zip"
    code, out, err = stage.run("report", "--to", str(file))
    assert (code, "redacted" in out) == (0, True)
    assert "left out: events.json: bob may not list events" in err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert "bob may not list events" in files["README.txt"]
    assert json.loads(files["models.json"])["items"][0]["metadata"]["name"] == "diabetes"
    everything = "".join(files.values())
    assert "s3cr3t" not in everything
    assert "hunter2" not in everything
    assert "alice.smith" not in everything


def test_where_nothing_can_be_read_there_is_no_file(stage: Stage, tmp_path: Path) -> None:
    stage.holds("away", True)
    code, _, err = stage.run("report", "--to", str(tmp_path / "r.zip"))
    assert (code, "Check the context" in err, (tmp_path / "r.zip").exists()) == (1, True, False)


def test_a_place_that_cannot_be_written_is_told(stage: Stage) -> None:
    code, _, err = stage.run("report", "--to", "/nowhere/r.zip")
    assert (code, "--to" in err) == (1, True)
