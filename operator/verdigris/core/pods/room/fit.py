"""Whether further pods of a revision would get a place now. Advice, in words: the scheduler decides.

Pods of one revision are all alike, so that a node's room is a whole number of them and no other packing does better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from verdigris.api.status import CapacityStatus, Color, Failure, RolloutStatus
from verdigris.children.names import REVISION_LABEL
from verdigris.core.facts.observed import Observed, PodView
from verdigris.core.facts.survey import Survey
from verdigris.core.pods.room.needs import PODS, PodNeed, pod_need
from verdigris.core.pods.room.nodes import Out, Room, sort_nodes
from verdigris.core.pods.room.quota import QuotaRoom, quota_rooms, refusal
from verdigris.core.pods.room.words import listed, named, ordered, spell, told
from verdigris.core.words import clip

Template = Mapping[str, Any]
Amounts = dict[str, Decimal]

_NAMED_NODES = 4
"""Up to so many nodes, each one's free amount is told."""


def wants_survey(observed: Observed) -> bool:
    """Whether nodes and quotas are worth a look: pods of the candidate wait for a place, or a quota holds some up."""
    if any(d.trouble is not None and d.trouble.reason == "QuotaExceeded" for d in observed.deployments.values()):
        return True
    rollout = observed.status.rollout
    if rollout is None or rollout.stage not in ("Starting", "Measuring", "Trading"):
        return False
    return placed(observed, rollout) < rollout.replicas


def placed(observed: Observed, rollout: RolloutStatus) -> int:
    """Pods of the candidate that have a node."""
    mine = (pod for pod in observed.pods if pod.color == rollout.color and pod.revision == rollout.revision)
    return sum(bool(pod.node) and not _over(pod) for pod in mine)


def check(observed: Observed, template: Template, count: int) -> CapacityStatus | None:
    """How many of `count` pods of this template would get a place now; None when nobody has looked.

    `count` are pods that have no node yet, whether they exist already (Pending) or not: those that exist are in the
    quotas' `used` and are not counted there again. Where the nodes may not be seen, only a quota that is too small
    gives an answer. The message goes on after "The candidate " and has no full stop.
    """
    survey = observed.survey
    if survey is None or count <= 0:
        return None
    need = pod_need(template, survey.limit_ranges)
    waiting = min(count, _waiting(observed, template))
    by_quota, facts = _let_in(survey, need, count - waiting)
    by_quota += waiting
    if not _nodes_seen(survey):
        return _status(need, count, by_quota, facts) if by_quota < count else None
    rooms, out = sort_nodes(survey.nodes, template, need.requests)
    by_nodes = sum(room.pods for room in rooms)
    if by_nodes < count:
        facts += _node_words(rooms, out, need)
    return _status(need, count, min(by_nodes, by_quota), facts, _lacks(rooms, need) if by_nodes <= by_quota else "")


def _let_in(survey: Survey, need: PodNeed, further: int) -> tuple[int, list[str]]:
    """How many of these further pods the namespace lets in, and what keeps the others out."""
    refused = refusal(survey.quotas, survey.limit_ranges, need)
    if refused is not None and further:
        return 0, [_as_clause(refused)]
    tight = _tight(survey, need, further)
    return min((line.pods for line in tight), default=further), _quota_words(tight)


def quota_refusal(observed: Observed, template: Template, count: int) -> Failure | None:
    """Why the namespace does not let in `count` pods that do not exist yet; None when it does, or nobody has looked.

    The reason is QuotaExceeded, or LimitExceeded or ResourcesNotSet when not even one would be let in.
    """
    survey = observed.survey
    if survey is None or count <= 0:
        return None
    need = pod_need(template, survey.limit_ranges)
    refused = refusal(survey.quotas, survey.limit_ranges, need)
    tight = _tight(survey, need, count)
    if refused is not None or not tight:
        return refused
    told_lines = [
        f"quota {line.quota} allows {_of(line, line.hard)} {line.resource} and {_of(line, line.used)} are used, "
        f"{count} more {'pods need' if count > 1 else 'pod needs'} {_of(line, line.each * count)}"
        for line in tight
    ]
    fits = min(line.pods for line in tight)
    message = (
        f"In namespace {observed.owner.namespace}, {listed(told_lines)}: {_fit(count, fits)}. Raise the quota or "
        "free some of it, or lower spec.serving.resources or spec.autoscaling.minReplicas."
    )
    return Failure(reason="QuotaExceeded", message=clip(message))


def no_node_is_large_enough(observed: Observed, template: Template) -> bool:
    """Whether no node that is open to these pods could take one even if it were empty. False when nobody has looked."""
    survey = observed.survey
    if survey is None or not survey.nodes:
        return False
    need = pod_need(template, survey.limit_ranges)
    rooms, _ = sort_nodes((replace(node, requested={}) for node in survey.nodes), template, need.requests)
    return not any(room.pods for room in rooms)


def is_refused_by_a_quota_unseen(observed: Observed, color: Color) -> bool:
    """Whether this colour's Deployment says QuotaExceeded, and whether that is still so cannot be looked at."""
    deployment, survey = observed.deployments.get(color), observed.survey
    trouble = deployment.trouble if deployment else None
    return trouble is not None and trouble.reason == "QuotaExceeded" and (survey is None or not survey.quotas)


def quota_has_room_again(observed: Observed, color: Color) -> bool:
    """Whether this colour's Deployment says QuotaExceeded although by now a quota would let one more pod in.

    The ReplicaSet controller waits for up to minutes after a refusal; a change of the ReplicaSet wakes it at once.
    """
    deployment, survey = observed.deployments.get(color), observed.survey
    if deployment is None or survey is None or deployment.trouble is None:
        return False
    snapshot = observed.snapshots.get(deployment.revision)
    # Without a single quota in sight, nobody was able to look: the refusal stands.
    if deployment.trouble.reason != "QuotaExceeded" or snapshot is None or not survey.quotas:
        return False
    by = deployment.trouble.message.partition("exceeded quota: ")[2].partition(",")[0]
    if any(quota.scoped and quota.name == by for quota in survey.quotas):
        # What a quota with scopes has room for is the API server's to say.
        return False
    need = pod_need(snapshot.pod_template, survey.limit_ranges)
    return not refusal(survey.quotas, survey.limit_ranges, need) and not _tight(survey, need, 1)


def _over(pod: PodView) -> bool:
    return pod.terminating or pod.phase in ("Failed", "Succeeded")


def _waiting(observed: Observed, template: Template) -> int:
    """Pods of this very revision that exist and have no node."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    revision = labels.get(REVISION_LABEL)
    return sum(pod.revision == revision and not pod.node and not _over(pod) for pod in observed.pods)


def _nodes_seen(survey: Survey) -> bool:
    return bool(survey.nodes) or survey.problem is None


def _tight(survey: Survey, need: PodNeed, further: int) -> list[QuotaRoom]:
    """The lines of quotas that do not let in so many more pods."""
    return [line for line in quota_rooms(survey.quotas, need) if line.pods < further]


def _status(need: PodNeed, count: int, fits: int, facts: list[str], lacks: str = "") -> CapacityStatus:
    fits = min(fits, count)
    known = f"; {'; '.join(facts)}" if facts and fits < count else ""
    message = f"{_asks(need, count)}{known}: {_fit(count, fits)}{lacks if fits < count else ''}"
    return CapacityStatus(needed=count, fits=fits, message=clip(message))


def _asks(need: PodNeed, count: int) -> str:
    resources = ordered(name for name in need.requests if name != PODS)
    return (
        f"needs {count} x {told(need.requests, resources)}" if resources else f"needs {count} {named(PODS, str(count))}"
    )


def _fit(count: int, fits: int) -> str:
    if fits >= count:
        return "all fit now" if count > 1 else "it fits now"
    return f"{fits or 'none'} {'fit' if fits > 1 else 'fits'} now"


def _as_clause(failure: Failure) -> str:
    return failure.message[:1].lower() + failure.message[1:].rstrip(".")


def _of(line: QuotaRoom, amount: Decimal) -> str:
    return spell(line.resource, amount)


def _quota_words(tight: list[QuotaRoom]) -> list[str]:
    return [
        f"quota {line.quota} has {_of(line, line.used)} of {_of(line, line.hard)} {line.resource} in use"
        for line in tight
    ]


def _node_words(rooms: tuple[Room, ...], out: tuple[Out, ...], need: PodNeed) -> Iterator[str]:
    if rooms:
        short = ordered(name for room in rooms for name in _short(room, need.requests))
        has = "have" if len(rooms) > 1 else "has"
        yield f"{_nodes(len(rooms))} {has} {listed([_free(rooms, name) for name in short])} free"
    else:
        yield "no node is open to it"
    for why, number in sorted(Counter(out).items(), key=lambda item: (-item[1], item[0].one)):
        yield f"{_nodes(number)} {why.many if number > 1 else why.one}"


def _nodes(number: int) -> str:
    return f"{number} node{'s' if number != 1 else ''}"


def _free(rooms: tuple[Room, ...], resource: str) -> str:
    amounts = sorted(room.free[resource] for room in rooms)
    if len(amounts) > _NAMED_NODES:
        return f"at most {spell(resource, amounts[-1], down=True)} {named(resource)}"
    spelled = [spell(resource, amount, down=True) for amount in amounts]
    return f"{listed(spelled)} {named(resource, *spelled)}"


def _short(room: Room, need: Mapping[str, Decimal]) -> Amounts:
    """What a node lacks for one pod more than it has room for, by resource."""
    left = {name: room.free[name] - amount * room.pods for name, amount in need.items()}
    return {name: amount - left[name] for name, amount in need.items() if left[name] < amount}


def _lacks(rooms: tuple[Room, ...], need: PodNeed) -> str:
    """How much more room the next pod wants, on the node where that is least in proportion."""
    shortages = [(room.node, _short(room, need.requests)) for room in rooms]
    if not shortages:
        return ""
    node, least = min(
        shortages,
        key=lambda item: (max(item[1][name] / need.requests[name] for name in item[1]), len(item[1]), item[0]),
    )
    return f", the next one lacks {told(least, ordered(least))} on {node}"
