"""What is quoted of a container's last words: the cause when there is one, and nothing that should stay a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rollout.kubelet import FETCHED, Json, ended, look, now_ended, raw_pod, status, view, waiting
from verdigris.core.pods.diagnosis.quoting import blamed, quotable, redacted

SECRET = "hunter2-" + "Tr0ub4dor"
STARTED = json.dumps({"time": "2026-11-23T10:00:01.500Z", "level": "info", "message": "serving", "sha256": "ab" * 32})


def crashed(words: str, code: int = 1, restarts: int = 3, reason: str = "Error", **server: Any) -> Json:
    """A pod whose server ended with these last words; `server` are more fields of the container in the spec."""
    raw = raw_pod(status=status(FETCHED, waiting("CrashLoopBackOff", "", ended(code, words, reason), restarts)))
    raw["spec"]["containers"][0] |= server
    return raw


@pytest.mark.parametrize(
    "line",
    [
        f"cannot connect as {SECRET}",
        f'{{"level": "error", "message": "bad key {SECRET}"}}',
        f"dsn=postgres://app:{SECRET}@db:5432/x refused",
        f"Authorization: Bearer {SECRET}",
        f"password is {SECRET}!",
    ],
)
def test_the_value_of_an_environment_variable_is_never_quoted(line: str) -> None:
    found = look(crashed(line, env=[{"name": "DB_PASSWORD", "value": SECRET}, {"name": "N", "value": "1"}]))
    assert SECRET not in found.message
    assert "hunter2" not in found.message
    assert "with code 1." in found.message


@pytest.mark.parametrize(
    "given_a_secret",
    [
        {"envFrom": [{"secretRef": {"name": "store"}}]},
        {"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "store", "key": "token"}}}]},
        {"volumeMounts": [{"name": "keys", "mountPath": "/keys"}]},
    ],
)
def test_the_log_of_a_container_that_was_given_a_secret_is_not_quoted_at_all(given_a_secret: Json) -> None:
    raw = crashed("ValueError: no such user: swordfish", **given_a_secret)
    raw["spec"]["volumes"] = [{"name": "keys", "secret": {"secretName": "store"}}]
    assert "swordfish" not in look(raw).message
    report = json.dumps({"reason": "GoldenRowsFailed", "message": "row 3 differs"})
    told = crashed(report, **given_a_secret)
    told["spec"]["volumes"] = raw["spec"]["volumes"]
    assert look(told).message == "row 3 differs", "what our own steps write to be read is told"


@pytest.mark.parametrize(
    "secret",
    [
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "d41d8cd98f00b204e9800998ecf8427e",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "dGhpcyBpcyBhIGxvbmcgc2VjcmV0IDEyMzQ1Ng==",
    ],
)
@pytest.mark.parametrize("around", ["{}", "got {} from the vault", '"value": "{}",', "x={};y", "[{}]"])
def test_what_looks_like_a_key_is_never_quoted_wherever_it_stands(secret: str, around: str) -> None:
    assert secret not in redacted(around.format(secret), {})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://bob:s3cr3t@host/x failed", "https://[redacted]@host/x failed"),
        ("GET https://b.test/m?X-Amz-Signature=abc&e=1 403", "GET https://b.test/m?[redacted] 403"),
        ("api_key = 'abc def', retry", "api_key = [redacted], retry"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\nx\n-----END PRIVATE KEY----- bad", "[redacted] bad"),
        ("Traceback: /usr/lib/python3.14/site-packages/Verdigris9/model.py line 3", None),
        ("ValueError: column age_in_years_at_first_visit is missing", None),
        ("expected 12 features, got 11", None),
    ],
)
def test_credentials_go_and_a_cause_stays(text: str, kept: str | None) -> None:
    assert redacted(text, {}) == (kept or text)


def test_a_checksum_in_a_report_of_ours_stays() -> None:
    report = json.dumps({"reason": "ChecksumMismatch", "message": f"expected {'ab' * 32}"})
    assert json.loads(quotable(report, {}, holds_secrets=True)) == json.loads(report)


WORDS = st.text(alphabet='abc :=,;/@?{}"\n', max_size=30)


@given(st.text(alphabet="xyzXY0189-", min_size=5, max_size=40), WORDS, WORDS)
def test_no_text_around_it_brings_a_value_through(value: str, before: str, after: str) -> None:
    assert value not in redacted(f"{before}{value}{after}", {"NAME": value})


@pytest.mark.parametrize(
    "log",
    [
        STARTED,
        f"{STARTED}\n{STARTED}",
        STARTED[30:],
        f'-23T10:00:01.5Z", "level": "info"}}\n{STARTED}',
        '{"level": "error", "message": "no mo',
        "INFO:     Uvicorn running on http://0.0.0.0:8080",
        "2026-11-23 10:00:01,123 INFO root serving",
        "[2026-11-23 10:00:01] [INFO] ready",
        "I1123 10:00:01.000000 1 main.go:1] ready",
        'time="2026-11-23T10:00:01Z" level=info msg=ready',
        "",
    ],
)
def test_a_healthy_line_or_half_a_line_is_no_cause(log: str) -> None:
    assert blamed(log) == ""
    assert "It said" not in look(crashed(log)).message


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            STARTED
            + "\n"
            + json.dumps({"level": "error", "message": "no model", "trace": "Traceback\n  x\nKeyError: 'a'"}),
            "no model: KeyError: 'a'",
        ),
        (f"{STARTED}\nRuntimeError: cannot allocate", "RuntimeError: cannot allocate"),
        ('open "model.bin": no such file', 'open "model.bin": no such file'),
        ("Segmentation fault (core dumped)", "Segmentation fault (core dumped)"),
    ],
)
def test_the_line_that_tells_of_the_fault_is_quoted_whole(log: str, cause: str) -> None:
    assert blamed(log) == cause
    assert f"It said: {cause}." in look(crashed(log)).message


@pytest.mark.parametrize(
    ("code", "once", "again"),
    [
        (1, "has exited once, with code 1.", "keeps exiting, with code 1."),
        (0, "has exited once, with code 0.", "keeps exiting, with code 0."),
        (137, "was killed (SIGKILL, not for its memory, exit", "keeps being killed (SIGKILL, not for its memory, exit"),
        (143, "was told to end (SIGTERM, exit code 143)", "keeps being told to end (SIGTERM, exit code 143)"),
        (139, "has exited once, with code 139 (SIGSEGV)", "keeps exiting, with code 139 (SIGSEGV)"),
    ],
)
def test_one_end_is_told_as_one_and_a_kill_as_a_kill(code: int, once: str, again: str) -> None:
    raw = raw_pod(status=status(FETCHED, now_ended(code, STARTED)))
    assert once in look(raw).message
    assert look(raw).reason == "ContainerExited"
    assert "keeps" not in look(raw).message
    found = look(crashed(STARTED, code))
    assert again in found.message
    assert "serving" not in found.message


def test_the_views_hold_nothing_that_may_not_be_quoted() -> None:
    """What is not kept cannot be told by a later sentence."""
    raw = crashed(f"key {SECRET}", env=[{"name": "KEY_PART", "value": SECRET}])
    (server,) = (container for container in view(raw).containers if container.name == "server")
    assert server.exit is not None
    assert server.exit.words == "key [KEY_PART]"
