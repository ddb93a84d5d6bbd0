"""What somebody else changes back after each write of ours: it is written at growing intervals, and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verdigris.adapters.kube.transport.errors import ApiError
from verdigris.adapters.kube.writing.restores import Ref, RestoreBackoff
from verdigris.children.names import GROUP


class Contested(ApiError):
    """Somebody else changes a field back after each write of ours: it is written at growing intervals."""


def hold_back(backoff: RestoreBackoff, ref: Ref, where: str, named: str, who: str) -> None:
    """Raise Contested while the field `where` of the object `named` is not to be written again yet.

    `who` changed it last, "" when nobody knows. Every write that may be undone asks this first, and tells the backoff
    of it afterwards; only a move of clients from one colour to another does not (law 13).
    """
    wait = backoff.wait(ref, where)
    if wait <= 0:
        return
    who = who or "an admission webhook or a controller"
    raise Contested(
        f"{named}: {where} was put back {backoff.count(ref, where)} times in a row and was changed each time again, "
        f"last by {who}. It is put back again in {wait:.0f} s: stop {who} from changing what the operator writes",
        retry_after=wait,
    )


def added_to(wanted: Mapping[str, Any], selector: Mapping[str, Any]) -> str | None:
    """An entry that somebody else has added to a selector that is as wanted otherwise; None for any other selector."""
    ours = {key: value for key, value in selector.items() if key.startswith(f"{GROUP}/")}
    added = [key for key in selector if key not in ours]
    return added[0] if added and ours == wanted else None
