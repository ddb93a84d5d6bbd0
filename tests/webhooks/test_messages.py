"""What receivers are sent, and in which words: signed so that a published library takes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.webhooks.samples import KEY, entry, receiver, slack
from verdigris.audit.event import What
from verdigris.webhooks.message import headers, message
from verdigris.webhooks.receiver import Receiver, ReceiversError, read_receivers
from verdigris.webhooks.words import sentence


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def test_the_standard_s_own_library_takes_what_is_signed_and_nothing_that_was_changed() -> None:
    sent = message(receiver(), entry(reason="é \u2028 </script>"))
    at = now()
    signed = headers(receiver(), sent, at)
    event = Webhook(KEY).verify(sent.body, signed)
    assert event == json.loads(sent.body)
    assert (event["specversion"], event["subject"]) == ("1.0", "clinic/diabetes")
    assert signed["content-type"] == "application/cloudevents+json"
    later = signed["webhook-timestamp"].replace(str(at), str(at - 1))
    for changed, body in (
        ({**signed, "webhook-id": "evt_other"}, sent.body),
        ({**signed, "webhook-timestamp": later}, sent.body),
        (signed, sent.body.replace(b"1.1.0", b"1.2.0")),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(KEY).verify(body, changed)


def test_a_message_has_the_same_id_at_each_try_and_no_other_event_has_it() -> None:
    ids = {message(receiver(), entry(what)).id for what in get_args(What)}
    assert len(ids) == len(get_args(What))
    assert message(receiver(), entry()).id == message(receiver(), entry()).id


@pytest.mark.parametrize("what", get_args(What))
def test_every_event_is_a_sentence_whatever_it_knows(what: What) -> None:
    everything: dict[str, Any] = {
        "gate": "Quality", "verdict": "Fail", "reason": "TooLow", "kind": "Trial", "share": 12.5, "from": "1.1.0",
        "to": "1.0.0", "seconds": 0.25, "outcome": "Accepted", "verb": "approve", "by": "ada", "pod": "p", "dropped": 3,
        "alias": "champion", "model": "diabetes", "number": "2",
    }  # fmt: skip
    said = sentence(entry(what, **everything))
    assert said.startswith("clinic/diabetes: ")
    assert "?" not in said
    assert "{" not in said


def test_nobody_s_words_act_in_a_line_for_slack() -> None:
    said = sentence(
        entry("decision", verb="approve", by="<!channel>", outcome="Accepted", reason="a\n<http://e|b> & c")
    )
    assert "<" not in said
    assert said == "clinic/diabetes: approve by &lt;!channel&gt;: Accepted – a &lt;http://e|b&gt; &amp; c"
    sent = message(slack(), entry("decision", by="bob", verb="abort", outcome="Accepted"))
    assert json.loads(sent.body) == {"text": "clinic/diabetes: abort by bob: Accepted", "mrkdwn": False}
    assert "webhook-signature" not in headers(slack(), sent, now())


GOOD = f"""
- name: ops
  url: https://example.com/hook
  key: {KEY}
- name: chat
  url: https://hooks.example.com/T/B/x
  format: slack
  tell: [rolledback]
  namespaces: [clinic]
"""


def test_a_receiver_is_told_what_it_asked_for_of_the_namespaces_that_it_named() -> None:
    ops, chat = read_receivers(GOOD)
    assert ops.wants("serves", "anywhere")
    assert not ops.wants("share", "anywhere")
    assert chat.wants("rolledback", "clinic")
    assert not chat.wants("rolledback", "other")
    assert not chat.wants("serves", "clinic")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is no list"),
        ("a: b", "it is no list"),
        ("- [", "it is no YAML"),
        ("- 7", "receiver 1:"),
        ("- {name: a}", "receiver 1, url: Field required"),
        (GOOD.replace("- name: chat", "- name: Chat!"), "receiver 2, name:"),
        (GOOD.replace("name: chat", "name: ops"), "two receivers are called ops"),
        (GOOD.replace("https://example.com", "ftp://example.com"), "receiver 1, url: must begin with https://"),
        (GOOD.replace(KEY, "hush"), "receiver 1, key: must hold 24 to 64 bytes"),
        (GOOD.replace(KEY, "whsec_!!!"), "receiver 1, key: must hold 24 to 64 bytes"),
        (GOOD.replace(KEY, "whsec_AAAA"), "receiver 1, key: must hold 24 to 64 bytes"),
        (GOOD.replace(f"  key: {KEY}\n", ""), "receiver 1: format events needs a key"),
        (GOOD.replace("format: slack", f"format: slack\n  key: {KEY}"), "receiver 2: format events needs a key"),
        (GOOD.replace("[rolledback]", "[everything]"), "receiver 2, tell.0:"),
        (GOOD + "  colour: red\n", "receiver 2, colour:"),
    ],
)
def test_what_cannot_be_used_is_said_and_no_secret_with_it(text: str, why: str) -> None:
    with pytest.raises(ReceiversError) as refused:
        read_receivers(text)
    assert why in str(refused.value)
    assert "hush" not in str(refused.value)
    assert "example.com" not in str(refused.value)


def test_a_receiver_that_is_printed_shows_neither_address_nor_key() -> None:
    shown = repr(receiver())
    assert "example.com" not in shown
    assert KEY not in shown
    assert isinstance(receiver(), Receiver)
