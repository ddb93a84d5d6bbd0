"""Signed notes (C2SP signed-note) with Ed25519: a text, and below an empty line who signed it.

Keys are spelled as Go's golang.org/x/mod/sumdb/note spells them: `name+hash+key` to verify, `PRIVATE+KEY+name+hash+key`
to sign.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"
_NAME = re.compile(r"[^\s+]+")
_DASH = "— "


class NoteError(ValueError):
    """A key or a note that cannot be used. Its text says what is wrong with it."""


@dataclass(frozen=True)
class Verifier:
    """The public half of a key: the name that it signs by, and 32 bytes."""

    name: str
    key: bytes

    @property
    def hash(self) -> bytes:
        """4 bytes that stand before each signature of this key."""
        return sha256(f"{self.name}\n".encode() + _ED25519 + self.key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.hash.hex()}+{_b64(_ED25519 + self.key)}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """From its spelling. Raises NoteError."""
        name, key, said = _parts(text.strip(), "name+hash+key, as keygen writes it into the .pub file")
        found = cls(name, key)
        if found.hash != said:
            raise NoteError(f"the public key of {name} does not have the hash that it names: copy it again")
        return found

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether these 64 bytes are this key's signature under the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer:
    """The private half of a key."""

    def __init__(self, name: str, seed: bytes) -> None:
        """`seed` are the 32 bytes of an Ed25519 private key. Raises NoteError for a name that no note can have."""
        if not _NAME.fullmatch(name):
            raise NoteError(f"'{name}' cannot name a key: write one word without +, for example clinic.example/audit")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    def __str__(self) -> str:
        verifier = self.verifier
        return f"{_PRIVATE}{verifier.name}+{verifier.hash.hex()}+{_b64(_ED25519 + self._seed)}"

    @classmethod
    def generate(cls, name: str) -> Signer:
        """A new key. Raises NoteError for a name that no note can have."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Signer:
        """From its spelling. Raises NoteError; no text of it repeats the key."""
        text = text.strip()
        if not text.startswith(_PRIVATE):
            raise NoteError(f"a private key begins with {_PRIVATE}: give the .key file that keygen has written")
        name, seed, said = _parts(text.removeprefix(_PRIVATE), f"{_PRIVATE}name+hash+key")
        found = cls(name, seed)
        if found.verifier.hash != said:
            raise NoteError(f"the private key of {name} does not have the hash that it names: copy it again")
        return found

    def sign(self, text: str) -> str:
        """The note: `text`, which ends with a newline, and the signature. Raises NoteError."""
        if not text.endswith("\n"):
            raise NoteError("the text of a note ends with a newline")
        signature = self.verifier.hash + self._key.sign(text.encode())
        return f"{text}\n{_DASH}{self.verifier.name} {_b64(signature)}\n"


def opened(note: str, verifier: Verifier) -> str:
    """The text of a note that this key has signed. Raises NoteError. Signatures of others are passed over."""
    text, found, below = note.rpartition("\n\n")
    if not found or not below.endswith("\n"):
        raise NoteError("it is no signed note: a text, an empty line, and lines that begin with a dash")
    text += "\n"
    for line in below.splitlines():
        name, _, value = line.removeprefix(_DASH).partition(" ")
        signature = _from_b64(value)
        if not line.startswith(_DASH) or signature is None or len(signature) < 5:
            raise NoteError("a line of its signatures cannot be read")
        if (name, signature[:4]) == (verifier.name, verifier.hash):
            if verifier.has_signed(text, signature[4:]):
                return text
            raise NoteError(f"the signature of {name} does not belong to this text")
    raise NoteError(f"{verifier.name} (key {verifier.hash.hex()}) has not signed it")


def _parts(text: str, wanted: str) -> tuple[str, bytes, bytes]:
    name, _, rest = text.partition("+")
    said, _, key = rest.partition("+")
    raw = _from_b64(key)
    if not _NAME.fullmatch(name) or not re.fullmatch("[0-9a-f]{8}", said) or raw is None:
        raise NoteError(f"this is no key: write {wanted}")
    if raw[:1] != _ED25519 or len(raw) != 33:
        raise NoteError(f"the key of {name} is no Ed25519 key, the only kind that is used here")
    return name, raw[1:], bytes.fromhex(said)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _from_b64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
