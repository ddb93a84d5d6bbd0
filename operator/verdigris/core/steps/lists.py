"""The kinds of steps, and the ready-made lists of them. A new kind: one module, one line here, its name in `api`."""

from __future__ import annotations

from collections.abc import Mapping

from verdigris.api.spec import RolloutSpec, RolloutStep
from verdigris.api.status import Stage, StepKind, StepStatus
from verdigris.core.steps.approval import APPROVAL
from verdigris.core.steps.bake import BAKE
from verdigris.core.steps.end_active import END_ACTIVE
from verdigris.core.steps.gate import GATE_KINDS, GATES, KIND_OF
from verdigris.core.steps.measure import MEASURE
from verdigris.core.steps.passing_on import FULL
from verdigris.core.steps.shadow import SHADOW
from verdigris.core.steps.source import FROM
from verdigris.core.steps.start import START
from verdigris.core.steps.step import Step
from verdigris.core.steps.trade import TRADE
from verdigris.core.steps.trial import TRIAL

STEPS: Mapping[StepKind, Step] = {
    step.kind: step for step in (START, *GATES, FROM, APPROVAL, END_ACTIVE, MEASURE, SHADOW, TRIAL, TRADE, BAKE)
}


CANARY = (1.0, 10.0, 50.0, FULL)
"""The weights of strategy Canary, where the user gives none."""
CHECKS = GATE_KINDS | frozenset[StepKind]({"From"})
"""Steps that judge the version by something else than what clients ask it."""
ON_DATA = frozenset[StepKind]({"Quality", "Fairness"})
"""Gates that need no pod of the version."""


def planned(policy: RolloutSpec, *, replaces: bool, routed: bool = False) -> tuple[StepStatus, ...]:
    """The steps of a rollout by this policy. `replaces`: there is an active version that it takes over from. `routed`:
    a gateway can share clients between the two.

    The very first version has no baseline and nobody to protect: it is active as soon as its pods are ready, its gates
    have passed and people have approved it. Gates that need no pods, and approvals, come before active pods are ended.
    """
    approval = _of("Approval") if policy.approval == "Required" else ()
    asked = tuple((number, _step(number, step)) for number, step in enumerate(policy.steps))
    checks = tuple(step for number, step in asked if not policy.steps[number].is_share)
    if not replaces:
        return (*_of("Start"), *checks, *approval)
    if policy.strategy == "Recreate":
        needs_no_pod = ("Approval", "From", *ON_DATA)
        early = tuple(step for step in checks if step.kind in needs_no_pod)
        on_pods = tuple(step for step in checks if step.kind not in needs_no_pod)
        return (*early, *approval, *_of("EndActive", "Start"), *on_pods, *_of("Measure", "Bake"))
    first = _before_any_share(policy)
    before, behind = (step for _, step in asked[:first]), tuple(step for _, step in asked[first:])
    on_trial = _on_trial(policy, behind, routed=routed)
    return (*_of("Start"), *before, *approval, *_of("Measure"), *on_trial, *_of("Bake"))


def _of(*kinds: StepKind) -> tuple[StepStatus, ...]:
    return tuple(StepStatus(kind=kind) for kind in kinds)


def _before_any_share(policy: RolloutSpec) -> int:
    """How many of the first steps end with a check and give the version no share: they come before the baseline."""
    first = next((number for number, step in enumerate(policy.steps) if step.is_share), len(policy.steps))
    checks = (number for number, step in enumerate(policy.steps[:first]) if step.is_check)
    return max(checks, default=-1) + 1


def _on_trial(policy: RolloutSpec, asked: tuple[StepStatus, ...], *, routed: bool) -> tuple[StepStatus, ...]:
    """What it goes through behind the shield, or with a share by a gateway; at last it answers all requests there, for
    a bake. By a gateway only where shares are asked for: all of its clients at once are what Bake is for."""
    if not any(step.kind in ("Trial", "Shadow") for step in asked) and policy.strategy == "Canary":
        asked += tuple(StepStatus(kind="Trial", weight=weight) for weight in CANARY)
    weights = [step.weight for step in asked if step.kind == "Trial"]
    if not policy.is_shielded and not (routed and weights):
        return tuple(step for step in asked if step.kind not in ("Trial", "Shadow"))
    last = () if weights and weights[-1] == FULL else (StepStatus(kind="Trial", weight=FULL),)
    return (*asked, *last)


def _step(number: int, asked: RolloutStep) -> StepStatus:
    if (gate := asked.gate) is not None:
        return StepStatus(kind=KIND_OF[gate.kind], number=number)
    if asked.source is not None:
        return StepStatus(kind="From", number=number)
    if (shadow := asked.shadow) is not None:
        return StepStatus(
            kind="Shadow", weight=shadow.share, hold=shadow.lasts, max_disagreement=shadow.max_disagreement
        )
    if asked.weight is None:
        return StepStatus(kind="Approval")
    return StepStatus(kind="Trial", weight=asked.weight, hold=asked.hold)


def index_of(steps: tuple[StepStatus, ...], stage: Stage) -> int:
    """The first step whose stage this is; 0 when there is none. For a status that knows its stage only."""
    return next((number for number, step in enumerate(steps) if STEPS[step.kind].stage == stage), 0)
