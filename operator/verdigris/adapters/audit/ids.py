"""The ids of all entries of a log: a log grows for years, and the operator's memory does not."""

from __future__ import annotations

from array import array
from hashlib import sha256

_BUCKETS = 1024


class Ids:
    """Which ids there are, by 8 bytes of each: of a million ids two are the same once in 30 million logs.

    A set of so many takes 65 bytes for each of them.
    """

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(_BUCKETS)]

    def __contains__(self, identity: str) -> bool:
        key = _key(identity)
        return key in self._buckets[key % _BUCKETS]

    def add(self, identity: str) -> None:
        """One that is not there yet."""
        key = _key(identity)
        self._buckets[key % _BUCKETS].append(key)


def _key(identity: str) -> int:
    return int.from_bytes(sha256(identity.encode()).digest()[:8], "big")
