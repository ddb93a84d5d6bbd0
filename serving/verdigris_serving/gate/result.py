"""What a gate answers: one JSON document, small enough for a termination message, and an exit code."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from verdigris_serving.reasons import TERMINATION_MESSAGE_BYTES

#: Most characters of a message that had to be cut.
_CUT_TO = 160


class Verdict(enum.StrEnum):
    """Law 3: no evidence is not evidence. Inconclusive neither promotes nor rolls back by itself."""

    PASS = "Pass"
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"


#: Not 1, with which Python itself ends on an error that nobody caught, nor what a signal makes: a crash is no verdict.
EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 10, Verdict.INCONCLUSIVE: 11}
#: What was asked cannot be done as it was asked; asking the same again changes nothing.
EXIT_BAD_INPUT = 2
#: The gate itself failed.
EXIT_CRASH = 70


class _Answered(Struct, frozen=True, rename="camel", kw_only=True):
    """Names in camel case, as in the status that they go to. Who reads it skips what a later version adds."""


class Check(_Answered, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at.

    ``bound`` says whether ``threshold`` is the least or the most that ``value`` may be; over ``n`` rows, or requests.
    Each of the two limits of ``interval`` holds by itself with the confidence that was asked for; null is no limit.
    What is not defined, or was not asked for, is left out.
    """

    name: str
    verdict: Verdict
    message: str
    value: float | None = None
    threshold: float | None = None
    bound: Literal["min", "max"] | None = None
    interval: tuple[float | None, float | None] | None = None
    n: int


class Group(_Answered, frozen=True, kw_only=True, omit_defaults=True):
    """One group of a protected attribute: ``n`` rows, the share that is selected, and of those that truly are
    favourable and of those that are not (left out where ``target`` is not given, or there are none).

    ``judged`` is false for a group of fewer rows than asked for.
    """

    attribute: str
    group: str
    n: int
    selection_rate: float
    tpr: float | None = None
    fpr: float | None = None
    judged: bool


class DataRead(_Answered, frozen=True, kw_only=True):
    """The data that was judged on."""

    sha256: str
    rows: int


class ArtifactRead(_Answered, frozen=True, kw_only=True):
    """The artifact that was judged, or compared with."""

    sha256: str
    version: str


class LoadSeen(_Answered, frozen=True, kw_only=True):
    """What the load was: requests, answers, the rest by what they had instead, and percentiles of the answers.

    ``busy`` is the share of one core that making it took, ``late_seconds`` by how much that was late at most.
    """

    asked: int
    answered: int
    errors: dict[str, int]
    seconds: float
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    busy: float
    late_seconds: float | None


class Result(_Answered, frozen=True, kw_only=True):
    """The whole answer. ``reason`` is one word for a condition, ``message`` the sentence for a person.

    ``asked`` is the SHA-256 of the document that was asked, as it was given: an answer belongs to one question.
    ``cut`` says what was left out to fit; the log has the whole.
    """

    gate: str
    verdict: Verdict
    reason: str
    message: str
    asked: str
    took_seconds: float = 0.0
    checks: list[Check] = []
    groups: list[Group] | UnsetType = UNSET
    data: DataRead | UnsetType = UNSET
    artifact: ArtifactRead | UnsetType = UNSET
    active: ArtifactRead | UnsetType = UNSET
    load: LoadSeen | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    cut: str | UnsetType = UNSET


@dataclass
class Finding:
    """What a gate found, before it is an answer. ``reason`` and ``message`` are those of the checks unless given."""

    checks: list[Check]
    reason: str = ""
    message: str = ""
    groups: list[Group] | UnsetType = UNSET
    data: DataRead | UnsetType = UNSET
    artifact: ArtifactRead | UnsetType = UNSET
    active: ArtifactRead | UnsetType = UNSET
    load: LoadSeen | UnsetType = UNSET
    seed: int | UnsetType = UNSET


_REASONS = {Verdict.PASS: "Passed", Verdict.FAIL: "ThresholdMissed", Verdict.INCONCLUSIVE: "NotDecided"}


def answer(gate: str, finding: Finding, asked: str, took_seconds: float) -> Result:
    """The document of what a gate found."""
    verdict = overall(finding.checks)
    return Result(
        gate=gate,
        verdict=verdict,
        reason=finding.reason or _REASONS[verdict],
        message=finding.message or summary(finding.checks),
        asked=asked,
        took_seconds=round(took_seconds, 3),
        checks=finding.checks,
        groups=finding.groups,
        data=finding.data,
        artifact=finding.artifact,
        active=finding.active,
        load=finding.load,
        seed=finding.seed,
    )


def encoded(result: Result) -> bytes:
    """The document as one line of JSON."""
    return msgspec.json.encode(result)


def bounded(result: Result, most: int = TERMINATION_MESSAGE_BYTES) -> bytes:
    """The document in at most ``most`` bytes: groups are left out first, then messages are shortened, then checks."""
    document = encoded(result)
    if len(document) <= most:
        return document
    # Small groups were not judged: they are the first that can be done without.
    groups = [] if isinstance(result.groups, UnsetType) else sorted(result.groups, key=lambda group: not group.judged)
    for kept in range(len(groups), -1, -1):
        told = f"{len(groups) - kept} of {len(groups)} groups; the log has all" if groups else "the log has the whole"
        shorter = _with(result, groups[:kept], told)
        for slim in (shorter, _shortened(shorter)):
            if len(document := encoded(slim)) <= most:
                return document
    for kept in range(len(result.checks), -1, -1):
        told = f"all groups, {len(result.checks) - kept} of {len(result.checks)} checks; the log has all"
        slim = _shortened(msgspec.structs.replace(_with(result, [], told), checks=_worst_first(result.checks)[:kept]))
        if len(document := encoded(slim)) <= most:
            return document
    raise AssertionError(f"a result without checks and groups takes {len(document)} bytes")


def _with(result: Result, groups: list[Group], cut: str) -> Result:
    return msgspec.structs.replace(result, groups=groups or UNSET, cut=cut)


def _shortened(result: Result) -> Result:
    checks = [msgspec.structs.replace(check, message=_short(check.message)) for check in result.checks]
    return msgspec.structs.replace(result, message=_short(result.message), checks=checks)


def _short(text: str) -> str:
    return text if len(text) <= _CUT_TO else text[: _CUT_TO - 1] + "…"


def _worst_first(checks: Sequence[Check]) -> list[Check]:
    order = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS]
    return sorted(checks, key=lambda check: order.index(check.verdict))


def overall(checks: Sequence[Check]) -> Verdict:
    """Fail when any check fails, Pass when all pass."""
    verdicts = {check.verdict for check in checks}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts == {Verdict.PASS} else Verdict.INCONCLUSIVE


def summary(checks: Sequence[Check]) -> str:
    """What decided, word for word: the messages of the checks with the worst verdict; of many that pass their names."""
    verdict = overall(checks)
    if verdict is Verdict.PASS and len(checks) > 2:
        return f"all {len(checks)} checks pass: {', '.join(check.name for check in checks)}"
    return "; ".join(check.message for check in checks if check.verdict is verdict)


def rounded(value: float) -> float | None:
    """Six significant digits; None for what is no finite number."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
