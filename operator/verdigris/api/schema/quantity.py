"""Kubernetes quantities in the one spelling that the API server gives back, so that equal amounts are equal strings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor

_QUANTITY = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_NANO, _MILLI = Fraction(1, 10**9), Fraction(1, 10**3)


def canonical(value: int | float | str) -> str:
    """`1000m` → `1`, `0.5` → `500m`, `1024Mi` → `1Gi`, 2 → `2`. Raises ValueError when it is no quantity.

    The rules are those of apimachinery's resource.Quantity: the largest suffix that leaves a whole number; powers of
    1024 only when written with one and from 1024 up; finer than a nano is rounded away from zero.
    """
    return _spell(value, _NANO)


def resource_list(amounts: Mapping[str, int | str]) -> dict[str, str]:
    """A container's requests or limits: like `canonical`, but the API server rounds these up to whole thousandths."""
    return {name: _spell(amount, _MILLI) for name, amount in amounts.items()}


@lru_cache(maxsize=4096, typed=True)
def by_value(value: int | float | str) -> str:
    """One spelling for one amount, whichever suffix it was written with: `65536Ki` and 67108864 → `64Mi`.

    `canonical` keeps the kind of suffix, as the API server does. Raises ValueError when it is no quantity.
    """
    # Not a Decimal's remainder: that fails beyond 28 digits.
    amount = Fraction(amount_of(canonical(value)))
    if amount >= 1024 and amount % 1024 == 0:
        return _in_binary(int(amount))
    return _in_decimal(amount, exponent_form=False)


@lru_cache(maxsize=4096)
def amount_of(value: int | float | str) -> Decimal:
    """The amount in its base unit: `500m` → 0.5, `1Ki` → 1024. Raises ValueError when it is no quantity."""
    sign, digits, suffix, exponent = _parts(value)
    if suffix in _BINARY:
        return Decimal(sign + digits) * (1 << _BINARY[suffix])
    return Decimal(f"{sign}{digits}e{exponent or _DECIMAL[suffix or '']}")


def _parts(value: int | float | str) -> tuple[str, str, str | None, str | None]:
    """Sign, digits, suffix and exponent."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        raise ValueError(f"'{value}' is not a quantity: write for example 500m, 2 or 128Mi")
    sign, digits, suffix, exponent = match.groups()
    return sign, digits, suffix, exponent


@lru_cache(maxsize=4096, typed=True)
def _spell(value: int | float | str, finest: Fraction) -> str:
    sign, digits, suffix, exponent = _parts(value)
    amount = Fraction(sign + digits)
    if suffix in _BINARY:
        amount *= 2 ** _BINARY[suffix]
    else:
        amount *= Fraction(10) ** int(exponent or _DECIMAL[suffix or ""])
    amount = (ceil if amount > 0 else floor)(amount / finest) * finest
    if suffix in _BINARY and abs(amount) >= 1024 and amount.denominator == 1:
        return _in_binary(int(amount))
    return _in_decimal(amount, exponent is not None)


def _in_binary(amount: int) -> str:
    for suffix, power in reversed(_BINARY.items()):
        if amount % 2**power == 0:
            return f"{amount // 2**power}{suffix}"
    return str(amount)


def _in_decimal(amount: Fraction, exponent_form: bool) -> str:
    if amount == 0:
        return "0"
    for power in sorted(_SUFFIX, reverse=True):
        scaled = amount / Fraction(10) ** power
        if scaled.denominator == 1:
            spelled = f"e{power}" if power else ""
            return f"{scaled.numerator}{spelled if exponent_form else _SUFFIX[power]}"
    raise ValueError(f"{amount} is finer than a nano")  # unreachable: `canonical` rounds first
