"""What a gate has left behind, as the status keeps it: the document of one of ours, the exit code of a user's own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from verdigris.api.status import GateCheck, GateStatus, Verdict
from verdigris.children.gate_job import OWN_ANSWERS, QUESTION
from verdigris.children.names import GATE_CONTAINER
from verdigris.core.words import clip, plain, sentence

Raw = Mapping[str, Any]

_MOST_DIGITS = 15
_REASON, _SHA256 = re.compile("[A-Z][A-Za-z0-9]{1,63}"), re.compile("[0-9a-f]{64}")
_REASONS: Mapping[Verdict, str] = {"Pass": "Passed", "Fail": "ThresholdMissed", "Inconclusive": "NotDecided"}


def parse_answer(text: str, job: str, unsaid: Mapping[str, Any] = MappingProxyType({})) -> GateStatus | None:
    """A gate's answer (docs/gates.md) as the status keeps it; None for what is none.

    `unsaid` stands in for what the document does not say.
    """
    try:
        told = json.loads(text, parse_int=_whole)
        found = GateStatus.parse({**_renamed({**unsaid, **told}), "job": job})
    except (ValueError, ValidationError, TypeError, AttributeError, KeyError):
        return None
    return found if found.verdict is not None else None


_MOST_OF_A_NAME = 64
"""Characters of the name of a check or a group."""


def _whole(digits: str) -> int:
    """Raises ValueError for more than the API server can keep: it would refuse the whole status."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"{digits} is no count")
    return int(digits)


def _renamed(told: Mapping[str, Any]) -> dict[str, Any]:
    data, active = told.get("data") or {}, told.get("active") or {}
    return {
        "asked": told["asked"],
        "verdict": told["verdict"],
        "reason": _word(told["reason"]) or _REASONS[told["verdict"]],
        "message": clip(sentence(plain(told["message"]))),
        "tookSeconds": told.get("tookSeconds", 0.0),
        "dataSha256": sha256 if _SHA256.fullmatch(sha256 := data.get("sha256") or "") else "",
        "rows": data.get("rows", 0),
        "active": plain(active.get("version") or ""),
        "checks": [_check(one) for one in told.get("checks") or ()][: _most(GateStatus, "checks")],
        "groups": [_group(one) for one in told.get("groups") or ()][: _most(GateStatus, "groups")],
    }


def _check(told: Mapping[str, Any]) -> dict[str, Any]:
    low, high = told.get("interval") or (None, None)
    kept = {name: told[name] for name in GateCheck.model_fields if name in told}
    return {
        **_counted({**kept, "n": told.get("n", 0)}),
        "name": _name(told["name"]),
        "low": low,
        "high": high,
    }


def _group(told: Mapping[str, Any]) -> dict[str, Any]:
    names = {field: _name(told[field]) for field in ("attribute", "group")}
    return {**_counted(told), **names}


def _name(text: str) -> str:
    return plain(text)[:_MOST_OF_A_NAME]


def _word(text: str) -> str:
    """A reason: it stands in conditions, Events and the audit log, and a sentence may quote what nobody is to read."""
    return text if _REASON.fullmatch(text) else ""


def _counted(told: Mapping[str, Any]) -> dict[str, Any]:
    """With `n` under its whole name: in YAML, an n alone is a no."""
    return {name: value for name, value in told.items() if name != "n"} | {"count": told["n"]}


def _most(model: type[GateStatus], field: str) -> int:
    most: int = next(one.max_length for one in model.model_fields[field].metadata if hasattr(one, "max_length"))
    return most


def own_answer(ended: Raw, job: Raw) -> GateStatus | None:
    """The answer of a user's own program: its exit code; None for one that decides nothing.

    A JSON document in the termination message says more (docs/gates.md), where it can be read. What it was asked is
    what its Job has told it: nobody can change that. One whose document contradicts its exit code has not decided.
    """
    code, asked = ended.get("exitCode", -1), _asked(job)
    verdict = OWN_ANSWERS.get(code)
    if verdict is None or asked is None:
        return None
    short = GateStatus(
        job=job["metadata"]["name"],
        asked=asked,
        verdict=verdict,
        reason=_REASONS[verdict],
        message=f"It ended with exit code {code}.",
    )
    text = (ended.get("message") or "").strip()
    if not text.startswith("{"):
        return short
    found = parse_answer(text, short.job, short.dump())
    if found is None:
        return _saying(short, f"It ended with exit code {code}; what it left is no document as docs/gates.md has it.")
    if (found.verdict, found.asked) == (verdict, asked):
        return found
    other = found.verdict if found.verdict != verdict else "that it was asked something else"
    told = f"It ended with exit code {code} ({verdict}), and its document says {other}"
    message = f"{told}: correct the gate's program, so that both say the same."
    return _saying(short, message, verdict="Inconclusive", reason="GateContradicts")


def _saying(short: GateStatus, message: str, **changes: str) -> GateStatus:
    return short.model_copy(update={"message": message, **changes})


def _asked(job: Raw) -> str | None:
    """SHA-256 of the question that the Job gives its container."""
    pod = ((job.get("spec") or {}).get("template") or {}).get("spec") or {}
    for container in pod.get("containers") or ():
        for variable in container.get("env") or ():
            if container.get("name") == GATE_CONTAINER and variable.get("name") == QUESTION:
                return hashlib.sha256((variable.get("value") or "").encode()).hexdigest()
    return None
