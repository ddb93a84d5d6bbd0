"""A gate: a Job judges the version before clients meet it, and its answer is the verdict.

What the Job is asked is kept in the status before it is made, so an answer to anything else is none. A gate that
crashes, finds no node or cannot be pulled has no verdict: that is told, and ends as the user declared for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from verdigris.api.spec import AnyGate
from verdigris.api.spec.gates import GateKind
from verdigris.api.status import Failure, GateStatus, Outcome, StepKind, Verdict
from verdigris.children.names import gate_name
from verdigris.core.facts.observed import ContainerView, GateJob, GatePod
from verdigris.core.steps.gate_document import deadline_of, digest, document
from verdigris.core.steps.passing_on import asks, judge_meanwhile, passed_on, routed
from verdigris.core.steps.step import NEXT, STAY, Ruling, Step, end
from verdigris.core.steps.watching import with_answer, without_answer
from verdigris.core.turn import Turn, evolve

_EVENTS: Mapping[Verdict, str] = {"Pass": "GatePassed", "Fail": "GateFailed", "Inconclusive": "GateInconclusive"}
STARTS_WITHIN = timedelta(minutes=5)
"""What the pod of a gate may take to start, beyond the gate's own deadline."""


def gate_of(turn: Turn) -> AnyGate | None:
    """What the step under way asks of the version, by the policy that the rollout began with; None for other steps."""
    step = turn.rollout.steps[turn.rollout.step]
    asked = turn.policy.rollout.steps
    return asked[step.number].gate if step.number is not None and step.number < len(asked) else None


def gate_status(turn: Turn) -> GateStatus | None:
    """What is known of the gate under way."""
    return turn.rollout.steps[turn.rollout.step].gate


def _look(turn: Turn) -> tuple[Turn, Ruling]:
    turn, leave = judge_meanwhile(turn)
    gate = gate_of(turn)
    if leave is not None:
        return turn, leave
    if gate is None:
        return _unknown(turn)
    before = gate_status(turn)
    turn, why_not = _asked(turn, gate)
    turn = _heard(turn)
    found = gate_status(turn)
    if found is not None and found != before:
        # What it is asked, and has answered, is kept before anything follows from it.
        return turn.change_rollout(message=found.message or _under_way(turn, gate)), STAY
    return _ruled(turn, gate, found, why_not)


def _unknown(turn: Turn) -> tuple[Turn, Ruling]:
    """Where nobody knows what to ask, nobody has answered: that is no pass (law 3)."""
    if turn.observed.held:
        return turn, STAY
    if turn.rollout.promote_now:
        return turn, NEXT
    message = (
        "What this gate asks is not in the status any more: look at who else writes it, and whether the CRD is as new "
        "as the operator."
    )
    return without_answer(turn, Failure(reason="GateUnknown", message=message))


def _ruled(turn: Turn, gate: AnyGate, found: GateStatus | None, why_not: Failure | None) -> tuple[Turn, Ruling]:
    verdict = found.verdict if found is not None else None
    if found is not None and verdict == "Fail":
        outcome: Outcome = "RolledBack" if turn.rollout.passed_on or turn.rollout.routed else "Failed"
        return turn, end(outcome, Failure(reason=f"{gate.kind.capitalize()}GateFailed", message=found.message))
    if turn.observed.held:
        return turn, STAY
    if turn.rollout.promote_now or verdict == "Pass":
        return turn, NEXT
    if found is not None and verdict == "Inconclusive":
        why_not = Failure(reason=found.reason or "GateInconclusive", message=found.message)
    why_not = why_not or _trouble(turn, gate)
    if why_not is not None:
        return without_answer(turn, why_not)
    return with_answer(turn).change_rollout(message=_under_way(turn, gate)), STAY


def _asked(turn: Turn, gate: AnyGate) -> tuple[Turn, Failure | None]:
    """With the question kept in the status; what was made of it already stays the question."""
    known, job = gate_status(turn), turn.observed.gate
    if known is not None and (known.verdict is not None or (job is not None and job.name == known.job)):
        return turn, None
    question = document(turn, gate)
    if isinstance(question, Failure):
        return turn, question
    asked = digest(question)
    rollout = turn.rollout
    name = gate_name(
        turn.observed.owner, gate.kind, rollout.revision, rollout.started_at, step=rollout.step, asked=asked
    )
    if known is not None and known.job == name:
        return turn, None
    return turn.change_step(gate=GateStatus(job=name, asked=asked)), None


def _heard(turn: Turn) -> Turn:
    """With the answer taken down, if there is one, and it is to what was asked."""
    known, job = gate_status(turn), turn.observed.gate
    if known is None or known.verdict is not None or job is None or job.name != known.job or job.answer is None:
        return turn
    verdict = job.answer.verdict
    if job.answer.asked != known.asked or verdict is None:
        return turn
    turn = turn.change_step(gate=evolve(job.answer, job=known.job))
    told = f"{known.job}: {job.answer.message}"
    return turn.note("Normal" if verdict == "Pass" else "Warning", _EVENTS[verdict], told)


def _trouble(turn: Turn, gate: AnyGate) -> Failure | None:
    """Why there will be no answer, or hardly one."""
    job, known = turn.observed.gate, gate_status(turn)
    if job is not None and job.foreign:
        message = f"Job {job.name} is somebody else's, and the {gate.title} gate needs that name: delete or rename it."
        return Failure(reason="NameTaken", message=message)
    if job is not None and known is not None and job.answer is not None and job.answer.asked != known.asked:
        message = f"Job {job.name} has answered something else than it was asked: delete it, and it is run again."
        return Failure(reason="OtherAnswer", message=message)
    if job is not None and job.over is not None:
        return Failure(reason="GateCrashed", message=_ended(job, gate))
    late = turn.now >= turn.rollout.since + deadline_of(gate) + STARTS_WITHIN
    if late:
        return Failure(reason="GateNotRun", message=f"The {gate.title} gate has no answer. {_said(job)}".rstrip())
    return None


def _ended(job: GateJob, gate: AnyGate) -> str:
    over = f" ({job.over.reason}: {job.over.message})" if job.over else ""
    return (
        f"The {gate.title} gate ended without an answer{over}, which is no verdict on the version. {_said(job)} "
        f"kubectl logs job/{job.name} tells more; delete the Job to have it run again."
    )


def _under_way(turn: Turn, gate: AnyGate) -> str:
    job = turn.observed.gate
    if job is None:
        return f"The {gate.title} gate begins."
    said = _said(job)
    most = deadline_of(gate).total_seconds()
    return f"The {gate.title} gate runs as Job {job.name}, for at most {most:g} s. {said}".rstrip()


def _said(job: GateJob | None) -> str:
    """What stands in the way of its pod, in Kubernetes' words; nothing when it runs."""
    if job is None:
        return "Its Job was not made: the status of the ModelDeployment says what the API server refused."
    if job.pod is None:
        return "" if job.over else "It has no pod yet."
    return _of_pod(job.pod)


def _of_pod(pod: GatePod) -> str:
    if pod.unscheduled is not None:
        return f"Pod {pod.name} has no node: {pod.unscheduled.message}"
    return next((f"Pod {pod.name}: {words}" for one in pod.containers if (words := _of_container(one))), "")


def _of_container(container: ContainerView) -> str:
    if container.waiting and container.waiting not in ("ContainerCreating", "PodInitializing"):
        return f"{container.waiting}. {container.said}".strip()
    ended = container.exit
    return f"it ended with exit code {ended.code} ({ended.reason})." if ended is not None and ended.code else ""


def _step(kind: StepKind) -> Step:
    return Step(
        kind,
        "AtGate",
        lambda _: f"The {kind.lower()} gate begins.",
        _look,
        asks=asks,
        passed_on=passed_on,
        routed=routed,
    )


KIND_OF: Mapping[GateKind, StepKind] = {
    "quality": "Quality",
    "fairness": "Fairness",
    "smoke": "Smoke",
    "load": "Load",
    "job": "Job",
}
"""What the step of a gate is called."""
GATES = tuple(_step(kind) for kind in KIND_OF.values())
GATE_KINDS = frozenset(KIND_OF.values())
