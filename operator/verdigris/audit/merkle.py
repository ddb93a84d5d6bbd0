"""The Merkle tree of RFC 6962 (section 2.1) over SHA-256: roots, and proofs that an entry is in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""The root of a log without entries."""


def leaf_hash(entry: bytes) -> bytes:
    """32 bytes: the hash of one entry, told apart from that of an inner node by its prefix."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """32 bytes: the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """What has to be remembered of a log to append to it: at most 64 hashes, of its complete subtrees from the left."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []
        for leaf in leaves:
            self.add(leaf)

    def add(self, leaf: bytes) -> None:
        """Append the entry with this leaf hash."""
        at, joined = self.size, leaf
        while at % 2:
            joined = node_hash(self._subtrees.pop(), joined)
            at //= 2
        self._subtrees.append(joined)
        self.size += 1

    @property
    def root(self) -> bytes:
        """32 bytes: the root of the log as it is now."""
        if not self._subtrees:
            return EMPTY
        *left, joined = self._subtrees
        for subtree in reversed(left):
            joined = node_hash(subtree, joined)
        return joined


def root(leaves: Sequence[bytes]) -> bytes:
    """32 bytes: the root of the log with these leaf hashes."""
    return Frontier(leaves).root


class Tree:
    """A whole log's tree, for many proofs: the roots of its complete subtrees are computed once."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [list(leaves)]
        while len(below := self._levels[-1]) > 1:
            pairs = range(0, len(below) - 1, 2)
            self._levels.append([node_hash(below[at], below[at + 1]) for at in pairs])

    def inclusion_proof(self, index: int) -> list[bytes]:
        """The audit path of entry `index`, from its neighbour upwards. Raises IndexError when there is none such."""
        size = len(self._levels[0])
        if not 0 <= index < size:
            raise IndexError(f"entry {index} is not among {size}")
        return self._path(index, 0, size)

    def _path(self, index: int, first: int, end: int) -> list[bytes]:
        if end - first == 1:
            return []
        split = first + _split(end - first)
        if index < split:
            return [*self._path(index, first, split), self._root(split, end)]
        return [*self._path(index, split, end), self._root(first, split)]

    def _root(self, first: int, end: int) -> bytes:
        size = end - first
        height = size.bit_length() - 1
        if size == 1 << height and first % size == 0:
            return self._levels[height][first >> height]
        split = first + _split(size)
        return node_hash(self._root(first, split), self._root(split, end))


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
