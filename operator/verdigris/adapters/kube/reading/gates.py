"""The Job of the gate under way, and what its pod has left: read while a rollout is at a gate, and at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from verdigris.adapters.kube.reading import unseen, views
from verdigris.adapters.kube.reading.gate_answers import own_answer, parse_answer
from verdigris.adapters.kube.reading.observe import Picture
from verdigris.adapters.kube.reading.port import Reader
from verdigris.adapters.kube.reading.unseen import TolerantReads
from verdigris.adapters.kube.transport import kinds
from verdigris.api.status import Failure, ModelDeploymentStatus
from verdigris.children.names import GATE_CONTAINER, Owner
from verdigris.children.ownership import whose
from verdigris.core.facts.observed import GateJob, Observed
from verdigris.core.words import clip, plain

Raw = Mapping[str, Any]

_PODS_OF_JOB = "batch.kubernetes.io/job-name"


def jobs_of_gates(status: ModelDeploymentStatus) -> tuple[str, ...]:
    """The Jobs that the rollout under way may still have to read, make or end."""
    steps = status.rollout.steps if status.rollout is not None else ()
    return tuple(step.gate.job for step in steps if step.gate is not None and step.gate.verdict not in ("Pass", "Fail"))


async def look_at_gates(reader: Reader, picture: Picture) -> Picture:
    """The picture with the gates' Jobs, where the rollout has any.

    Where they cannot be read that kind is unseen: nothing goes forward, and a version can be taken back all the same.
    """
    observed, rollout = picture.observed, picture.observed.status.rollout
    tolerant = TolerantReads(unseen.PATIENCE)
    none: dict[str, _Found] = {}
    jobs = await tolerant.read(kinds.JOB, partial(_jobs, reader, observed), none)
    step = rollout.steps[rollout.step] if rollout is not None and rollout.kind is not None else None
    found = jobs.get(step.gate.job) if step is not None and step.gate is not None else None
    own = step is not None and step.kind == "Job"
    gate = gate_view(found.job, found.pods, observed.owner, own=own) if found is not None else None
    return replace(
        picture,
        observed=replace(observed, gate=gate, unseen=observed.unseen | frozenset(tolerant.unseen)),
        live={**picture.live, **{(kinds.JOB.kind, name): one.job for name, one in jobs.items()}},
        unseen={**picture.unseen, **tolerant.unseen},
    )


class _Found(NamedTuple):
    job: Raw
    pods: list[dict[str, Any]]


async def _jobs(reader: Reader, observed: Observed) -> dict[str, _Found]:
    """The Jobs that are there, by name, each with what calls itself its pod."""
    space, found = observed.owner.namespace, {}
    for name in jobs_of_gates(observed.status):
        for job in await reader.list(kinds.JOB, space, fields=f"metadata.name={name}"):
            found[name] = _Found(job, await reader.list(kinds.POD, space, f"{_PODS_OF_JOB}={name}"))
    return found


def gate_view(job: Raw, pods: Iterable[Raw], owner: Owner, *, own: bool = False) -> GateJob:
    """The Job with what its newest pods tell. Pods that are not its own say nothing.

    `own`: a program of the user's own judges, whose exit code is the answer.
    """
    meta = views.metadata(job)
    if whose(job, owner) != "Ours":
        return GateJob(meta["name"], foreign=True)
    its = [pod for pod in pods if any(one.get("uid") == meta["uid"] for one in _owners(pod))]
    its.sort(key=lambda pod: views.metadata(pod)["creationTimestamp"])
    found = (
        own_answer(ended, job) if own else parse_answer(ended.get("message") or "", meta["name"])
        for ended in map(_ended, its)
        if ended
    )
    answers = [answer for answer in found if answer is not None]
    return GateJob(
        meta["name"],
        answer=answers[-1] if answers else None,
        over=_over(job),
        pod=views.gate_pod(its[-1]) if its else None,
    )


def _owners(raw: Raw) -> Iterable[Raw]:
    owners: Iterable[Raw] = views.metadata(raw).get("ownerReferences") or ()
    return owners


def _over(job: Raw) -> Failure | None:
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            reason = condition.get("reason") or condition["type"]
            return Failure(reason=reason, message=clip(plain(condition.get("message") or "")))
    return None


def _ended(pod: Raw) -> Raw | None:
    """How the gate's container ended: its exit code, and what it left in its termination message."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        ended: Raw | None = (container.get("state") or {}).get("terminated")
        if container.get("name") == GATE_CONTAINER and ended:
            return ended
    return None
