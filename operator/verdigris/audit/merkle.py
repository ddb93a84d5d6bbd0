"""The Merkle tree of RFC 6962 (section 2.1) over SHA-256: roots, and proofs that an entry, or a log, is in it."""

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


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of entry `index` in the log with these leaf hashes. Raises IndexError when there is none such."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"entry {index} is not among {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root(leaves[:split])]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that a proof leads to. Raises ValueError for a proof that is too long or too short."""
    if not 0 <= index < size or (size == 1) != (not proof):
        raise ValueError(f"a proof of {len(proof)} hashes does not fit entry {index} of {size}")
    if size == 1:
        return leaf
    split = _split(size)
    *below, sibling = proof
    if index < split:
        return node_hash(root_from_inclusion(leaf, index, split, below), sibling)
    return node_hash(sibling, root_from_inclusion(leaf, index - split, size - split, below))


def consistency_proof(leaves: Sequence[bytes], older: int) -> list[bytes]:
    """What shows that the log of these leaf hashes begins with its first `older` ones (0 < older <= their number)."""
    if not 0 < older <= len(leaves):
        raise IndexError(f"a log of {len(leaves)} entries never had {older}")
    return _subproof(leaves, older, complete=True)


def _subproof(leaves: Sequence[bytes], older: int, *, complete: bool) -> list[bytes]:
    if older == len(leaves):
        return [] if complete else [root(leaves)]
    split = _split(len(leaves))
    if older <= split:
        return [*_subproof(leaves[:split], older, complete=complete), root(leaves[split:])]
    return [*_subproof(leaves[split:], older - split, complete=False), root(leaves[:split])]


def is_consistent(older: int, older_root: bytes, size: int, newer_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the log of `size` entries begins with the one of `older` (RFC 9162, 2.1.4.2)."""
    if older == size:
        return not proof and older_root == newer_root
    if not 0 < older < size or not proof:
        return False
    path = list(proof) if older & (older - 1) else [older_root, *proof]
    first, last = older - 1, size - 1
    while first % 2:
        first, last = first >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if first % 2 or first == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while first and not first % 2:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, step)
        first, last = first >> 1, last >> 1
    return old == older_root and new == newer_root and last == 0


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
