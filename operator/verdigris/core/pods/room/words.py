"""Amounts of resources in words. Rounded, so that a text does not change with every byte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from verdigris.core.facts.survey import Amounts

_NAMES = {"cpu": "CPU", "ephemeral-storage": "ephemeral storage", "pods": "pod slots"}
_BYTES = frozenset({"memory", "ephemeral-storage", "storage"})
_WIDE = Context(prec=80)
"""For any amount that the CRD lets in: quantize fails on what has more digits than its context."""
_UNITS = (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10))


def spell(resource: str, amount: Decimal, *, down: bool = False) -> str:
    """`500m`, `64Mi`, `3`: with one decimal at most, rounded up, or (what is free) down."""
    rounding = ROUND_FLOOR if down else ROUND_CEILING
    base = resource.rpartition(".")[2]
    if base in _BYTES or resource.startswith("hugepages-"):
        unit, size = next(((u, s) for u, s in _UNITS if amount >= s), ("", 1))
        step = Decimal("0.1") if unit else Decimal(1)
        return f"{_plain((amount / size).quantize(step, rounding, _WIDE))}{unit}"
    if base == "cpu" and amount != amount.to_integral_value():
        return f"{_plain((amount * 1000).quantize(Decimal(1), rounding, _WIDE))}m"
    return _plain(amount.quantize(Decimal(1), rounding, _WIDE))


def _plain(amount: Decimal) -> str:
    return f"{amount:f}".removesuffix(".0")


def named(resource: str, *spelled: str) -> str:
    """The resource as people call it, after these amounts of it."""
    if resource == "pods" and spelled == ("1",):
        return "pod slot"
    return _NAMES.get(resource, resource)


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def told(amounts: Amounts, resources: Iterable[str]) -> str:
    """`500m CPU and 64Mi memory`."""
    spelled = [(name, spell(name, amounts[name])) for name in resources]
    return listed([f"{amount} {named(name, amount)}" for name, amount in spelled])


def ordered(resources: Iterable[str]) -> list[str]:
    """CPU first, then memory, then the others by name."""
    return sorted(set(resources), key=lambda name: (name != "cpu", name != "memory", name))
