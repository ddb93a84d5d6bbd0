"""Whom the operator may ask, and whose word counts: what a tenant writes must not send the operator anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlsplit

from verdigris.api.decision import Verb
from verdigris.core.words import plain

GOES_ON: frozenset[Verb] = frozenset({"approve", "promote", "retry"})
"""Verbs that let a version go on. The others take clients back and are heard from anybody: a rollback needs nothing."""

_PORTS = {"http": 80, "https": 443}


def same_address(one: str, other: str) -> bool:
    """Whether two base URLs are the same server and path: `http://Prom:80/` and `http://prom`."""
    return _normal(one) == _normal(other)


def _normal(address: str) -> tuple[str, str, int, str]:
    """Raises nothing: an address that is none is the same as itself only."""
    try:
        parts = urlsplit(address.strip())
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return ("", address, 0, "")
    return (parts.scheme, (parts.hostname or "").rstrip("."), port, parts.path.rstrip("/"))


def refused_address(wanted: str | None, own: str | None, allowed: Iterable[str]) -> str | None:
    """Why the address that a spec names is not asked, as a sentence; None when it is, or when it names none."""
    if wanted is None or any(same_address(wanted, one) for one in (own, *allowed) if one is not None):
        return None
    return (
        f"spec.analysis.prometheus.address is {plain(wanted)}, which this operator may not ask, so there is no "
        "evidence: leave it out to use the operator's own Prometheus, or have it added to "
        "prometheus.allowedAddresses in the values of the operator's chart."
    )


def not_vouched_for(verb: Verb, created: datetime, unguarded: str | None, since: datetime | None) -> str | None:
    """Why a decision is not followed: nobody checks who makes them (`unguarded` says so), or nobody did before `since`.

    None when it is followed.
    """
    if verb not in GOES_ON:
        return None
    if since is not None and created < since:
        return (
            f"Nobody vouches for who asked: this decision is older than the admission policy, of "
            f"{since:%Y-%m-%d %H:%M:%S} UTC, which checks that. Create it anew."
        )
    if unguarded is None:
        return None
    return (
        f"Nobody vouches for who asked: {unguarded} Until then no version goes on by a decision; to abort and to roll "
        "back need no proof. Then create the decision anew."
    )
