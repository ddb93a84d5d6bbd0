"""Which requests meet the version on trial. Pure: the same request has the same answer in every pod."""

from collections.abc import Callable, Mapping
from hashlib import blake2b

from verdigris_serving.http.shield.order import WHOLE, Order


def assigned(order: Order, headers: Mapping[bytes, bytes], chance: Callable[[], float]) -> bool:
    """Whether a request with these headers (lower-case names) goes to the version on trial.

    Testers always do. Else the order's share does: by the unit's hash where the request names one, so that a larger
    share only adds units; by ``chance`` (a number from 0 up to 1) where it does not.
    """
    testers = order.testers
    if testers is not None and headers.get(testers.header.lower().encode()) == testers.value.encode():
        return True
    if not order.share:
        return False
    unit = headers.get(order.unit.lower().encode(), b"") if order.unit is not None else b""
    return (place(order.salt, unit) if unit else chance()) * WHOLE < order.share


def place(salt: str, unit: bytes) -> float:
    """Where a unit stands between 0 and 1: uniform over units, and another order of them for each salt."""
    digest = blake2b(unit, digest_size=8, key=blake2b(salt.encode(), digest_size=32).digest()).digest()
    return int.from_bytes(digest) / 2**64
