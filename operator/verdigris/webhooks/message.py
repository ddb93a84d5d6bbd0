"""What a receiver is sent: the body and the headers of one request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field

from verdigris.audit.event import Entry, spelled
from verdigris.webhooks.receiver import Receiver
from verdigris.webhooks.words import sentence


@dataclass(frozen=True)
class Message:
    """One event for one receiver. `id` is the same at each try: by it a receiver knows what it has had."""

    id: str
    content_type: str
    body: bytes = field(repr=False)


def message(receiver: Receiver, entry: Entry) -> Message:
    """The event as the receiver reads it."""
    identity = f"evt_{hashlib.sha256(entry.id.encode()).hexdigest()[:32]}"
    if receiver.format == "slack":
        return Message(identity, "application/json", json.dumps({"text": sentence(entry), "mrkdwn": False}).encode())
    return Message(identity, "application/cloudevents+json", spelled(entry.dump()))


def headers(receiver: Receiver, sent: Message, at: int) -> dict[str, str]:
    """The headers of a try at that time (Unix seconds).

    Signed as standard-webhooks.com says: HMAC-SHA256 over `id.timestamp.body`.
    """
    found = {"content-type": sent.content_type, "webhook-id": sent.id, "webhook-timestamp": str(at)}
    if receiver.signing_key:
        signed = hmac.digest(receiver.signing_key, f"{sent.id}.{at}.".encode() + sent.body, "sha256")
        found["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
    return found
