"""From: the same bytes have to have served in another environment, healthy and for so long, before they go on here.

What counts is what that environment's own status says, read anew at each look. That it cannot be read, or says
otherwise, is no verdict on the version: it is told, and ends as the user declared for it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from verdigris.api.schema.fields import parse_duration
from verdigris.api.spec import FromStep
from verdigris.api.status import Failure, SourceStatus
from verdigris.children.names import Owner
from verdigris.core.facts.source import PROMOTE_FROM, SourceView, asked_source
from verdigris.core.steps.passing_on import asks, judge_meanwhile, passed_on, routed
from verdigris.core.steps.step import NEXT, STAY, Ruling, Step
from verdigris.core.steps.watching import with_answer, without_answer
from verdigris.core.turn import Turn
from verdigris.core.words import clip, sentence

LOOK_EVERY = timedelta(seconds=15)
"""How often the other environment is asked: nobody tells when it changes."""


def judged(asked: FromStep, owner: Owner, sha256: str, seen: SourceView, now: datetime) -> SourceStatus:
    """The verdict: Pass, Inconclusive with a reason, or none while the time of the right bytes is not over."""
    where = _where(asked, owner)
    why_not = _not_seen(asked, owner, seen) or _not_these(where, sha256, seen) or _not_well(where, seen)
    active, available = seen.active, seen.available
    version = active.version if active is not None else ""
    if why_not is not None or active is None or available is None:
        reason, message = why_not or ("SourceNotActive", f"{where} has no active version.")
        return SourceStatus(verdict="Inconclusive", reason=reason, message=clip(message), version=version)
    since = max(active.since, available.last_transition_time)
    over = since + parse_duration(asked.healthy_for)
    told = f"{where} has served these bytes as {version}, healthy, since {_at(since)}"
    if now < over:
        message = f"{told}. They are to have for {asked.healthy_for}, which is over at {_at(over)}."
        return SourceStatus(reason="SourceTooYoung", message=clip(message), version=version, since=since)
    message = f"{told}: at least {asked.healthy_for}."
    return SourceStatus(verdict="Pass", reason="Passed", message=clip(message), version=version, since=since)


def _where(asked: FromStep, owner: Owner) -> str:
    return f"ModelDeployment {asked.namespace}/{asked.name or owner.name}"


Why = tuple[str, str]
"""A reason and a sentence."""


def _not_seen(asked: FromStep, owner: Owner, seen: SourceView) -> Why | None:
    where, group = _where(asked, owner), f"system:serviceaccounts:{owner.namespace}"
    match seen.state:
        case "Seen":
            return None
        case "NotAllowed":
            return "SourceNotAllowed", (
                f"Namespace {asked.namespace} has not agreed that {owner.namespace} may ask about its model "
                f"{asked.name or owner.name}. Whoever owns it binds a Role with the verb {PROMOTE_FROM} on "
                f"modeldeployments there to the group {group}; the chart has one: kubectl create rolebinding "
                f"promote-to-{owner.namespace} -n {asked.namespace} --clusterrole=verdigris-promote-from "
                f"--group={group}"
            )
        case "NoRight":
            return "SourceNoRight", (
                f"The operator may not look at {where} ({seen.said}). Add {asked.namespace} to watchNamespaces of its "
                f"chart, or bind the ClusterRole verdigris-promote-source there to the operator's ServiceAccount."
            )
        case "Missing":
            message = f"There is no {where}: correct namespace and name in the step, or apply the model there first."
            return "SourceMissing", message
        case _:
            return "SourceUnread", f"{where} cannot be read: {sentence(seen.said)}"


def _not_these(where: str, sha256: str, seen: SourceView) -> Why | None:
    active = seen.active
    if not sha256:
        message = "This version has no spec.model.sha256, so nobody can tell whether it is what serves elsewhere."
        return "ModelUnverified", f"{message} Set it, and apply."
    if active is None:
        return "SourceNotActive", f"{where} has no active version yet."
    if active.sha256 != sha256:
        theirs = f"SHA-256 {active.sha256}" if active.sha256 else "no checksum"
        message = f"{where} serves {active.version} ({theirs}), and this version has SHA-256 {sha256}."
        return "SourceServesOther", f"{message} Roll these very bytes out there first."
    return None


def _not_well(where: str, seen: SourceView) -> Why | None:
    available = seen.available
    if seen.leaving:
        return "SourceNotHealthy", f"{where} is being deleted."
    if not seen.current:
        return "SourceNotHealthy", f"Nobody has looked at the spec of {where} as it is now: does its operator run?"
    if available is None or available.status != "True":
        said = sentence(available.message) if available is not None else "It has no condition Available."
        return "SourceNotHealthy", f"{where} does not answer its clients: {said}"
    return None


def _at(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn, leave = judge_meanwhile(turn)
    if leave is not None:
        return turn, leave
    asked, seen = asked_source(turn.observed.spec, turn.observed.status), turn.observed.source
    if asked is not None and seen is not None:
        turn = _heard(turn, judged(asked, turn.observed.owner, turn.rollout.sha256, seen, turn.now))
    elif asked is None:
        turn = _heard(turn, _UNKNOWN)
    found = turn.rollout.steps[turn.rollout.step].source
    if turn.observed.held:
        return turn, STAY
    if turn.rollout.promote_now or (found is not None and found.verdict == "Pass"):
        return turn, NEXT
    return _waits(turn, found, asked)


_UNKNOWN = SourceStatus(
    verdict="Inconclusive",
    reason="SourceUnknown",
    message="Whom this step asks is not in the status any more: look at who else writes it, and whether the CRD is as "
    "new as the operator.",
)


def _heard(turn: Turn, found: SourceStatus) -> Turn:
    """With what was found kept in the status; who follows the rollout is told when it is something else."""
    before = turn.rollout.steps[turn.rollout.step].source or SourceStatus()
    turn = turn.change_step(source=found).change_rollout(message=found.message)
    if found.reason in (before.reason, "SourceTooYoung"):
        return turn
    if found.verdict == "Pass":
        return turn.note("Normal", "GatePassed", found.message)
    return turn.note("Warning", found.reason, found.message)


def _waits(turn: Turn, found: SourceStatus | None, asked: FromStep | None) -> tuple[Turn, Ruling]:
    if found is not None and found.verdict == "Inconclusive":
        return without_answer(turn, Failure(reason=found.reason, message=found.message))
    turn = with_answer(turn)
    if found is None or found.since is None or asked is None:
        return turn, STAY
    over = found.since + parse_duration(asked.healthy_for)
    return replace(turn, look_at=min(over, turn.look_at or over)), STAY


FROM = Step(
    "From",
    "AwaitingSource",
    lambda _: "Another environment is asked how these bytes do there.",
    _look,
    asks=asks,
    passed_on=passed_on,
    routed=routed,
)
