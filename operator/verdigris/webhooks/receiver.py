"""Who is told: the document that a Secret holds, checked."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from verdigris.audit.event import What

PREFIX = "whsec_"
"""Of a key that signs, as the Standard Webhooks write it; what follows is Base64."""
SHORTEST_KEY, LONGEST_KEY = 24, 64
"""Bytes, by the same specification."""
ALL: tuple[What, ...] = get_args(What)
USUAL: tuple[What, ...] = ("deployed", "serves", "rolledback", "restored", "ended", "decision", "gate", "removed")
"""What is told where a receiver does not choose. Shares and steps are for who wants every move."""


class ReceiversError(ValueError):
    """The document cannot be used; the message says what is wrong, where, and what to do."""


class Receiver(BaseModel):
    """One receiver. `format` events: CloudEvents that are signed as Standard Webhooks; slack: a line of text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    url: SecretStr
    format: Literal["events", "slack"] = "events"
    key: SecretStr | None = None
    tell: tuple[What, ...] = USUAL
    namespaces: tuple[str, ...] = ()

    @field_validator("url")
    @classmethod
    def _url(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("must begin with https:// or http://")
        return url

    @field_validator("key")
    @classmethod
    def _key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not SHORTEST_KEY <= len(_bytes(key)) <= LONGEST_KEY:
            raise ValueError(f"must hold {SHORTEST_KEY} to {LONGEST_KEY} bytes, in Base64 behind {PREFIX}")
        return key

    @model_validator(mode="after")
    def _signed(self) -> Receiver:
        if (self.format == "events") != (self.key is not None):
            raise ValueError("format events needs a key, and format slack takes none: its address is the secret")
        return self

    @property
    def signing_key(self) -> bytes:
        """What signs; empty where nothing does."""
        return _bytes(self.key) if self.key is not None else b""

    def wants(self, what: What, namespace: str) -> bool:
        """Whether it is to be told of this."""
        return what in self.tell and (not self.namespaces or namespace in self.namespaces)


def read_receivers(text: str) -> tuple[Receiver, ...]:
    """The list that the Secret holds. Raises ReceiversError, whose message repeats no address and no key."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ReceiversError(f"it is no YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    if not isinstance(found, list):
        raise ReceiversError("it is no list: write each receiver as an item, - name: …")
    receivers = tuple(_receiver(number, one) for number, one in enumerate(found, 1))
    names = [receiver.name for receiver in receivers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ReceiversError(f"two receivers are called {twice}: each needs a name of its own")
    return receivers


def _receiver(number: int, found: object) -> Receiver:
    try:
        return Receiver.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise ReceiversError(f"receiver {number}{f', {where}' if where else ''}: {message}") from None


def _bytes(key: SecretStr) -> bytes:
    text = key.get_secret_value()
    if not text.startswith(PREFIX):
        return b""
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return b""
