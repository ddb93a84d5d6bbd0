"""PURE: the figures of the report, from what the clients saw and the status says. Seconds count from the apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dev.demo.records import KINDS, Kind, Request, within

ON_TRIAL = "on trial"
"""How the mark ends of the moment from which the active pods pass requests on."""


@dataclass(frozen=True)
class Act:
    """One `kubectl apply` and what followed: from `begin` to `end`, unix seconds.

    `pods_created` is when the first pod of the new version was seen to exist; the other times are the status's own.
    """

    name: str
    version: str
    begin: float
    end: float
    pods_created: float | None = None
    ready: float | None = None
    decided: float | None = None
    restored: float | None = None
    marks: tuple[tuple[float, str], ...] = field(default=())
    """The operator's decisions, for the picture: (unix seconds, what)."""


def promotion(requests: Sequence[Request], act: Act) -> dict[str, Any]:
    """How a good version took over: nothing may be lost."""
    seen = list(within(requests, act.begin, act.end))
    first = first_answer(seen, act.version)
    return {
        "apply_to_first_answer_s": _since(act.begin, first),
        "failed_requests": sum(request.result != "answered" for request in seen),
        "requests": len(seen),
        "pods_created_to_ready_s": _since(act.pods_created, act.ready),
        "pods_created_to_first_answer_s": _since(act.pods_created, first),
        "first_to_last_old_answer_s": {kind: _since(first, last_of_others(seen, act.version, kind)) for kind in KINDS},
        "outcomes": dict(Counter(request.outcome for request in seen)),
        "latency_ms": latencies(seen),
    }


def rollback(requests: Sequence[Request], act: Act) -> dict[str, Any]:
    """How a bad version was taken back: from its first bad answer to the last one, for both kinds of clients."""
    seen = list(within(requests, act.begin, act.end))
    bad = [request for request in seen if request.result == "bad"]
    first = min((request.ended for request in bad), default=None)
    last = {kind: last_bad(bad, kind) for kind in KINDS}
    return {
        "first_bad_s": _since(act.begin, first),
        "decided_s": _since(act.begin, act.decided),
        "traffic_restored_s": _since(act.begin, act.restored),
        "last_bad_new_connections_s": _since(act.begin, last["new"]),
        "last_bad_keepalive_s": _since(act.begin, last["keepalive"]),
        "bad_answers": len(bad),
        "failed_by_switch": sum(request.result == "lost" for request in seen),
        "requests": len(seen),
        "first_to_last_bad_new_connections_s": _since(first, last["new"]),
        "first_to_last_bad_keepalive_s": _since(first, last["keepalive"]),
        "first_to_last_bad_s": _since(first, max((request.ended for request in bad), default=None)),
        "outcomes": dict(Counter(request.outcome for request in seen)),
        "latency_ms": latencies(seen),
    }


def shield(requests: Sequence[Request], act: Act, spared: int) -> dict[str, Any]:
    """What clients noticed of a bad version behind the shield, and what they were spared.

    The added latency is the median's, of the time on trial beside the time before it.
    """
    seen = list(within(requests, act.begin, act.end))
    began = next((at for at, what in act.marks if what.endswith(ON_TRIAL)), None)
    on_trial = list(within(seen, began, act.decided)) if began and act.decided else []
    before, meanwhile = latencies(list(within(seen, act.begin, began or act.begin))), latencies(on_trial)
    return {
        "requests": len(seen),
        "bad_answers_seen_by_clients": sum(request.result == "bad" for request in seen),
        "spared": spared,
        "failed_by_switch": sum(request.result == "lost" for request in seen),
        "detected_s": _since(began, act.decided),
        "added_latency_p50_ms": round(meanwhile["p50"] - before["p50"], 2) if before and meanwhile else None,
        "latency_on_trial_ms": meanwhile,
        "outcomes": dict(Counter(request.outcome for request in seen)),
    }


def first_answer(requests: Sequence[Request], version: str) -> float | None:
    """When a client first got an answer by that version, unix seconds."""
    answers = (request.ended for request in requests if request.result == "answered" and request.version == version)
    return min(answers, default=None)


def last_of_others(requests: Sequence[Request], version: str, kind: Kind) -> float | None:
    """When a client of that kind last got an answer by another version, unix seconds."""
    others = (request for request in requests if request.result == "answered" and request.version != version)
    return max((request.ended for request in others if request.kind == kind), default=None)


def last_bad(bad: Sequence[Request], kind: Kind) -> float | None:
    """When a client of that kind got its last bad answer, unix seconds."""
    return max((request.ended for request in bad if request.kind == kind), default=None)


def latencies(requests: Sequence[Request]) -> dict[str, float]:
    """Median, 95th and 99th percentile and maximum of the latency of all requests, in milliseconds."""
    ordered = sorted(request.latency for request in requests)
    if not ordered:
        return {}
    at = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))], 2) for name, q in at.items()}


def _since(begin: float | None, moment: float | None) -> float | None:
    return None if begin is None or moment is None else round(moment - begin, 3)
