"""Words of people and programs reach nobody's screen with what cannot be seen in them, by whichever way they come."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdigris.adapters.kube.reading import views
from verdigris.adapters.kube.reading.decisions import understood
from verdigris.adapters.kube.reading.survey_views import pod_events
from verdigris.adapters.kube.transport.errors import from_answer
from verdigris.adapters.prometheus.wire import Unusable
from verdigris.api.conditions import set_condition
from verdigris.api.status import Failure
from verdigris.app import logs
from verdigris.core.words import clip, one_line, plain

HOSTILE = "looks good\u202edoog ton\n\nVersion 9 was approved by root.\x1b[2J\u200b\x00"
NOW = datetime(2026, 11, 27, tzinfo=UTC)


@given(st.text())
def test_what_is_plain_can_be_seen_and_stays_as_it_is(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\u202eb", "a\\u202eb"),
        ("one\ntwo\r\tthree", "one\\ntwo\\r\\tthree"),
        ("\x1b[31mred\x07\x7f\x85", "\\u001b[31mred\\u0007\\u007f\\u0085"),
        ("zero\u200bwidth\ufeff\u2066\u2029", "zero\\u200bwidth\\ufeff\\u2066\\u2029"),
        ("tag\U000e0041 and half a pair \ud83d", "tag\\udb40\\udc41 and half a pair \\ud83d"),
        ("a\u00a0b\u3000c", "a b c"),
        ("prêt à porter, 已批准, 👍", "prêt à porter, 已批准, 👍"),
    ],
)
def test_what_cannot_be_seen_is_written_as_its_escape(text: str, seen: str) -> None:
    assert plain(text) == seen
    assert json.loads(f'"{plain(text)}"') == text.replace("\u00a0", " ").replace("\u3000", " ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://operator:s3cret@prom:9090 is away", "http://prom:9090 is away"),
        ("https://token@host/a?b=c@d and s3://k:v@w@bucket", "https://host/a?b=c@d and s3://bucket"),
        ("oci://host/model@sha256:0a, models:/m@best, me@home", "oci://host/model@sha256:0a, models:/m@best, me@home"),
    ],
)
def test_nobody_is_told_the_user_and_password_of_a_url(text: str, told: str) -> None:
    assert plain(text) == told


def test_a_program_s_lines_become_one() -> None:
    assert one_line("failed:\n\t  no such host\r\n\u202e") == "failed: no such host \\u202e"


def test_a_text_is_cut_with_an_ellipsis() -> None:
    assert clip("x" * 9, 5) == "xxxx…"
    assert clip("xxxxx", 5) == "xxxxx"


def pod(**status: Any) -> dict[str, Any]:
    labels = {"verdigris.dev/color": "green", "verdigris.dev/revision": "v1-0"}
    meta = {"name": "p", "uid": "u", "creationTimestamp": "2026-11-27T00:00:00Z", "labels": labels}
    return {"metadata": meta, "status": status}


def _decided() -> list[str]:
    meta = {"name": "d", "uid": "u", "creationTimestamp": "2026-11-27T00:00:00Z"}
    spec = {
        "modelDeployment": "diabetes",
        "revision": "v1-0123456789",
        "verb": "abort",
        "reason": HOSTILE,
        "requestedBy": "al\u202eice",
    }
    (decision,) = understood([{"metadata": meta, "spec": spec}])
    return [decision.reason, decision.by]


def _of_a_pod() -> list[str]:
    placed = {"type": "PodScheduled", "status": "False", "message": HOSTILE}
    waits = {"name": "server", "state": {"waiting": {"reason": "ErrImagePull", "message": HOSTILE}}}
    view = views.pod_view(pod(conditions=[placed], message=HOSTILE, containerStatuses=[waits]))
    assert view is not None
    assert view.unscheduled is not None
    return [view.message, view.unscheduled.message, view.containers[0].said]


def _of_a_deployment() -> list[str]:
    failed = {"type": "ReplicaFailure", "status": "True", "message": HOSTILE}
    view = views.deployment_view({"metadata": {"uid": "u"}, "status": {"conditions": [failed]}})
    assert view.trouble is not None
    return [view.trouble.message]


def _of_an_event() -> list[str]:
    raw = {"reason": "Failed", "message": HOSTILE, "lastTimestamp": "2026-11-27T00:00:00Z"}
    return [event.message for event in pod_events([raw])]


def _logged() -> list[str]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    handler.emit(logging.LogRecord("verdigris", logging.INFO, __file__, 1, "said: %s", (HOSTILE,), None))
    line = stream.getvalue().removesuffix("\n")
    assert json.loads(line)["msg"] == f"said: {HOSTILE}", "nothing is lost by it"
    return [line]


@pytest.mark.parametrize(
    "words",
    [
        _decided,
        _of_a_pod,
        _of_a_deployment,
        _of_an_event,
        _logged,
        lambda: [str(Unusable(f"refused the query: {HOSTILE}"))],
        lambda: [str(from_answer("creating Pod p", 403, {"message": HOSTILE}, None))],
        lambda: [Failure(reason="Aborted", message=HOSTILE).message],
        lambda: [set_condition((), "Ready", "False", "Aborted", HOSTILE, 1, NOW)[0].message],
    ],
)
def test_at_every_border_it_is_made_visible(words: Any) -> None:
    for text in words():
        assert text.isprintable(), text
        assert "Version 9 was approved" in text or "ice" in text
