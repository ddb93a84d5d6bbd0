"""Pods whose containers end: what our own steps report, want of memory, a failing init step, a crash loop."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from verdigris.api.status import Failure, Remedy, StuckKind
from verdigris.core.facts.observed import ContainerView, Exit, PodView
from verdigris.core.pods.diagnosis.check import Around, Check, Diagnosis
from verdigris.core.pods.diagnosis.questions import (
    BEFORE_A_START,
    began,
    give_up_after,
    others_are_ready,
    starting,
    stuck_after,
)
from verdigris.core.pods.diagnosis.quoting import as_report, blamed
from verdigris.core.pods.diagnosis.words import clip, last, said
from verdigris.core.words import one_line, sentence

DEFINITE_FAULTS = frozenset(
    {
        "ArtifactNotFound",
        "ChecksumMismatch",
        "ArtifactTruncated",
        "ArtifactTooLarge",
        "ArtifactInvalid",
        "ModelMismatch",
        "GoldenRowsFailed",
    }
)
"""What the init step and the server report on their way out and no fresh start can heal."""
REPORTED_TROUBLE = frozenset({"ArtifactUnreachable"})
"""What they report and what may be better next time."""

_BACKING_OFF = ("CrashLoopBackOff", "RunContainerError")
_KILLED = (0, 137, 143)
"""Exit codes of a container that was told to end: of itself, by SIGKILL, by SIGTERM."""
_BY_SIGNAL = {
    137: ("was killed", "keeps being killed", "SIGKILL, not for its memory"),
    143: ("was told to end", "keeps being told to end", "SIGTERM"),
}
"""Ends that come from outside: the kubelet for a probe, the node, or a person."""
_FAULTS = {
    126: "its command may not be run",
    127: "its command is not in the image",
    132: "SIGILL: its image may be built for another processor",
    134: "SIGABRT",
    135: "SIGBUS",
    136: "SIGFPE",
    139: "SIGSEGV",
    255: "it ended with its node, or nobody saw how",
}
ENOUGH = 2
"""Restarts before a crash is called hopeless, however long it takes: the first one may be an accident."""


class _Told(NamedTuple):
    kind: StuckKind
    reason: str
    message: str
    remedy: Remedy = "None"


def reported(pod: PodView, around: Around) -> Diagnosis | None:
    """What the init step or the server said in its termination message when it last ended badly."""
    if not starting(pod):
        return None
    reports = [report for container in pod.containers if (report := _report(container.exit))]
    since = began(pod)
    for report in reports:
        if report.reason in DEFINITE_FAULTS:
            return Diagnosis("InitFailing", report.reason, report.message, "None", since, since, hopeless=True)
    trouble = next((report for report in reports if report.reason in REPORTED_TROUBLE), None)
    if trouble is None:
        return None
    return Diagnosis("InitFailing", trouble.reason, trouble.message, "None", since, since + stuck_after(around))


def _report(ended: Exit | None) -> Failure | None:
    """One line of JSON with a reason and a message, from a container that ended badly."""
    if ended is None or ended.code == 0:
        return None
    told = as_report(ended.words)
    if told is None:
        return None
    return Failure(reason=str(told["reason"])[:128], message=clip(one_line(str(told.get("message", "")))))


def out_of_memory(pod: PodView, around: Around) -> Diagnosis | None:
    """A container was killed because it needed more memory than its limit."""
    container = _crashing(pod, around)
    if container is None or container.exit is None or container.exit.reason != "OOMKilled":
        return None
    limit = f", which is {container.memory_limit}" if container.memory_limit else ""
    message = (
        f"Container {container.name} was killed when its memory reached the limit{limit} (OOMKilled, exit code "
        f"{container.exit.code}). Raise spec.serving.resources.limits.memory, or serve a smaller model."
    )
    return _looping(pod, container, around, _Told("OutOfMemory", "OOMKilled", message))


def init_failing(pod: PodView, around: Around) -> Diagnosis | None:
    """The init step ends badly again and again, without a report of its own."""
    container = _crashing(pod, around)
    if container is None or not _is_step(container):
        return None
    message = f"The init step {container.name} {how_it_ended(container)} Look at its log with kubectl logs -p."
    return _looping(pod, container, around, _Told("InitFailing", "CrashLoopBackOff", message))


def initializing(pod: PodView, around: Around) -> Diagnosis | None:
    """The init step is at work: how long that may take is for `progressDeadline` to say."""
    if not starting(pod):
        return None
    step = next((c for c in pod.containers if _is_step(c) and c.running_since), None)
    if step is None or step.running_since is None or not _holds_up(pod):
        return None
    message = f"The init step {step.name} has not ended yet. Look at its log with kubectl logs -c {step.name}"
    message += ": where does it fetch from, and how large is the artifact?" if step.own else "."
    since = step.running_since
    return Diagnosis("InitFailing", "Initializing", message, "None", since, since + stuck_after(around), passing=True)


def _holds_up(pod: PodView) -> bool:
    """Whether no server has begun yet."""
    servers = [container for container in pod.containers if not container.init]
    return all(container.running_since is None and container.exit is None for container in servers)


def crash_loop(pod: PodView, around: Around) -> Diagnosis | None:
    """A container ends again and again. Between two crashes it runs for a moment: that changes nothing."""
    container = _crashing(pod, around)
    if container is None:
        return None
    probe = _failed_probe(container, around)
    advice = probe or "Look at its log with kubectl logs -p."
    message = f"Container {container.name} {how_it_ended(container)} {advice}"
    remedy: Remedy = "Evict" if others_are_ready(pod, around) else "None"
    reason = "CrashLoopBackOff" if _again(container) else "ContainerExited"
    return _looping(pod, container, around, _Told("CrashLoop", reason, message, remedy))


def _crashing(pod: PodView, around: Around) -> ContainerView | None:
    """The first container that has ended when it should run, and has not run for long since."""
    if not starting(pod):
        return None
    return next((container for container in pod.containers if _has_crashed(container, around)), None)


def _has_crashed(container: ContainerView, around: Around) -> bool:
    if container.waiting in _BACKING_OFF:
        return True
    if (
        container.exit is None
        or container.waiting in BEFORE_A_START
        or (_is_step(container) and container.exit.code == 0)
    ):
        return False
    return container.running_since is None or around.now < container.running_since + stuck_after(around)


def _again(container: ContainerView) -> bool:
    """Whether it has ended more than once: what happened once need not happen again."""
    return container.exits > 1


def how_it_ended(container: ContainerView) -> str:
    """What goes on after `Container server `: how it last ended, in words that do not change unless that does."""
    ended = container.exit
    if ended is None:
        # What the kubelet says in a back-off is how long that takes: it changes each time.
        said_of_it = sentence(last(container.said)) if container.waiting == "RunContainerError" else ""
        return f"does not start: {said_of_it}" if said_of_it else "keeps exiting."
    report = _report(ended)
    if ended.code in _BY_SIGNAL and report is None:
        # The log of a server that was killed says nothing of who did it.
        once, again, signal = _BY_SIGNAL[ended.code]
        return f"{again if _again(container) else once} ({signal}, exit code {ended.code})."
    words = report.message if report else blamed(ended.words)
    told = f" It said: {sentence(words)}" if words else ""
    fault = f" ({_FAULTS[ended.code]})" if ended.code in _FAULTS else ""
    once, again = ("has failed once", "keeps failing") if _is_step(container) else ("has exited once", "keeps exiting")
    return f"{again if _again(container) else once}, with code {ended.code}{fault}.{told}"


def _is_step(container: ContainerView) -> bool:
    """Whether it is to end before the servers begin; a sidecar is an init container that runs on."""
    return container.init and not container.sidecar


def _failed_probe(container: ContainerView, around: Around) -> str:
    """The probe for which the kubelet ends it, when it did not end of itself."""
    if container.exit is None or container.exit.code not in _KILLED:
        return ""
    words = said(around.events, "Unhealthy", "Liveness probe", "Startup probe")
    return f"The kubelet ends it for its probe: {sentence(words)}" if words else ""


def _looping(pod: PodView, container: ContainerView, around: Around, told: _Told) -> Diagnosis:
    since = began(pod)
    hopeless = container.restarts >= min(ENOUGH, around.policy.crashes) and not others_are_ready(pod, around)
    ripe_at = _ripe(since, container, around)
    return Diagnosis(told.kind, told.reason, clip(told.message), told.remedy, since, ripe_at, hopeless=hopeless)


def _ripe(since: datetime, container: ContainerView, around: Around) -> datetime:
    """After enough restarts soon; with fewer, for one that takes long to crash, as for what usually passes."""
    if container.restarts >= around.policy.crashes:
        return since + give_up_after(around)
    return since + max(stuck_after(around), give_up_after(around))


CHECKS = (
    Check(
        "InitFailing",
        "The init step (or the server, before it is ready) left a report: ArtifactNotFound, ChecksumMismatch, "
        "ArtifactTruncated, ArtifactInvalid, ModelMismatch, GoldenRowsFailed, ..., or ArtifactUnreachable.",
        "Ends a candidate's rollout at once; ArtifactUnreachable may heal until `progressDeadline`. An active pod is "
        "only reported.",
        "Do what the report says: correct `spec.model`, upload the artifact again, or make its host reachable.",
        reported,
    ),
    Check(
        "OutOfMemory",
        "A container was ended with the reason OOMKilled. Exit code 137 alone is a kill by somebody, so CrashLoop.",
        "Ends a candidate's rollout as CrashLoop does. An active pod is only reported.",
        "Raise `spec.serving.resources.limits.memory`.",
        out_of_memory,
    ),
    Check(
        "InitFailing",
        "The init step ends with a code other than 0, again and again, and left no report.",
        "Ends a candidate's rollout as CrashLoop does. An active pod is only reported.",
        "Read the log: `kubectl logs -p -c fetch`.",
        init_failing,
    ),
    Check(
        "InitFailing",
        "The init step runs for longer than `stuckAfter`.",
        "Only reported: to begin anew would take longer. A candidate's rollout ends at `progressDeadline`.",
        "Read the log: `kubectl logs -c fetch`. Raise `spec.rollout.progressDeadline` for a large artifact.",
        initializing,
    ),
    Check(
        "CrashLoop",
        "A container ends again and again: CrashLoopBackOff, and what lies between. Exit code, last lines of the log, "
        "and the probe for which the kubelet ended it.",
        "Ends a candidate's rollout after `crashes` restarts, at the earliest `giveUpAfter` after it began; with fewer "
        "(at least two) after `stuckAfter`. Where other pods of the version are ready: evicted.",
        "Read the log: `kubectl logs -p`. Correct image, environment or model.",
        crash_loop,
    ),
)
