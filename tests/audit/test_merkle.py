"""RFC 6962's tree, held against its own published vectors and against each other's proofs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdigris.audit.merkle import (
    EMPTY,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    root,
    root_from_inclusion,
)

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


def test_proofs_are_the_published_ones() -> None:
    assert [step.hex() for step in inclusion_proof(LEAVES, 0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [step.hex() for step in consistency_proof(LEAVES, 6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


@given(st.integers(1, 70), st.data())
def test_every_entry_can_be_proven_and_no_other_in_its_place(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    log = leaves(size)
    proof = inclusion_proof(log, index)
    assert root_from_inclusion(log[index], index, size, proof) == root(log)
    assert root_from_inclusion(leaf_hash(b"another"), index, size, proof) != root(log)


@given(st.integers(1, 70), st.data())
def test_a_longer_log_shows_that_it_begins_with_the_shorter_one(size: int, data: st.DataObject) -> None:
    older = data.draw(st.integers(1, size))
    log = leaves(size)
    proof = consistency_proof(log, older)
    assert is_consistent(older, root(log[:older]), size, root(log), proof)
    other = [leaf_hash(b"another"), *log[1:older]]
    assert not is_consistent(older, root(other), size, root(log), proof)


@pytest.mark.parametrize("proof", [[], LEAVES[:1], LEAVES])
def test_a_proof_of_the_wrong_length_is_none(proof: list[bytes]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        root_from_inclusion(LEAVES[5], 5, 8, proof)


def test_there_is_no_proof_of_what_the_log_does_not_have() -> None:
    with pytest.raises(IndexError, match="entry 8 is not among 8"):
        inclusion_proof(LEAVES, 8)
    with pytest.raises(IndexError, match="never had 9"):
        consistency_proof(LEAVES, 9)
