"""RFC 6962's tree, held against published vectors, and its proofs against the algorithm that checks them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdigris.audit.merkle import EMPTY, Tree, leaf_hash, node_hash, root

# The vectors of Certificate Transparency's reference implementation (merkle_tree_test.cc).
ENTRIES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]


def test_the_empty_log_has_the_hash_of_nothing() -> None:
    assert root([]) == EMPTY
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_each_beginning_has_its_published_root(size: int) -> None:
    assert root(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_a_proof_is_the_published_one() -> None:
    assert [step.hex() for step in Tree(LEAVES).inclusion_proof(0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


def led_to(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root that a proof leads to (RFC 9162, 2.1.3.2)."""
    at, last = index, size - 1
    for step in proof:
        assert last > 0, "the proof is too long"
        if at % 2 or at == last:
            leaf = node_hash(step, leaf)
            while not at % 2 and at:
                at, last = at >> 1, last >> 1
        else:
            leaf = node_hash(leaf, step)
        at, last = at >> 1, last >> 1
    assert last == 0, "the proof is too short"
    return leaf


@given(st.integers(1, 70), st.data())
def test_every_entry_can_be_proven_and_no_other_in_its_place(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    log = [leaf_hash(b"%d" % number) for number in range(size)]
    proof = Tree(log).inclusion_proof(index)
    assert led_to(log[index], index, size, proof) == root(log)
    assert led_to(leaf_hash(b"another"), index, size, proof) != root(log)


@pytest.mark.parametrize("index", [-1, 8])
def test_there_is_no_proof_of_what_the_log_does_not_have(index: int) -> None:
    with pytest.raises(IndexError, match="is not among 8"):
        Tree(LEAVES).inclusion_proof(index)
