"""Quantities are spelled as the API server spells them. (test_on_cluster.py asks a real one.)"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdigris.api.schema.quantity import amount_of, canonical, resource_list

SPELLINGS = [
    (2, "2"),
    ("1000m", "1"),
    ("0.5", "500m"),
    ("1500m", "1500m"),
    ("1.5", "1500m"),
    ("10000", "10k"),
    ("100000000", "100M"),
    ("1024Mi", "1Gi"),
    ("1.5Gi", "1536Mi"),
    ("1000Ki", "1000Ki"),
    ("0.5Ki", "512"),
    ("0.0005Ki", "512m"),
    ("1.0001Ki", "1024102400u"),
    ("128974848", "128974848"),
    ("129e6", "129e6"),
    ("1e4", "10e3"),
    ("0", "0"),
    ("0Gi", "0"),
    ("0.0000000001", "1n"),
    ("-1500m", "-1500m"),
    ("1.", "1"),
    (".5", "500m"),
]


@pytest.mark.parametrize(("written", "kept"), SPELLINGS)
def test_a_quantity_has_one_spelling(written: int | str, kept: str) -> None:
    assert canonical(written) == kept


@given(st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", fullmatch=True))
def test_the_amount_stays_and_a_second_time_changes_nothing(written: str) -> None:
    kept = canonical(written)

    assert canonical(kept) == kept
    assert Decimal(0) <= amount_of(kept) - amount_of(written) < Decimal("1e-9")


@pytest.mark.parametrize("written", ["", "one", "1 Gi", "5x", "1KI", "--1", "."])
def test_what_is_no_quantity_is_refused_with_a_sentence(written: str) -> None:
    with pytest.raises(ValueError, match=r"is not a quantity: write for example 500m, 2 or 128Mi"):
        canonical(written)


RESOURCE_SPELLINGS = [("1", "1"), ("2048Mi", "2Gi"), ("1.0001Ki", "1024103m"), ("100u", "1m"), ("0.0015", "2m")]


@pytest.mark.parametrize(("written", "kept"), RESOURCE_SPELLINGS)
def test_requests_and_limits_are_whole_thousandths(written: str, kept: str) -> None:
    assert resource_list({"cpu": written}) == {"cpu": kept}


@pytest.mark.parametrize(("given", "spelled"), SPELLINGS)
def test_an_amount_is_the_same_in_every_spelling(given: float | str, spelled: str) -> None:
    # What is finer than a nano is rounded in the spelling alone.
    assert abs(amount_of(given) - amount_of(spelled)) < Decimal("1e-9")


def test_amounts_are_in_base_units() -> None:
    assert [amount_of(text) for text in ("500m", "1Ki", "2k", "129e6", "1E")] == [
        Decimal("0.5"),
        1024,
        2000,
        129_000_000,
        10**18,
    ]
    with pytest.raises(ValueError, match="is not a quantity"):
        amount_of("much")
