"""The kinds of steps, and the ready-made lists of them. A new kind: one module, one line here, its name in `api`."""

from __future__ import annotations

from collections.abc import Mapping

from verdigris.api.spec import RolloutSpec, RolloutStep
from verdigris.api.status import Stage, StepKind, StepStatus
from verdigris.core.steps.approval import APPROVAL
from verdigris.core.steps.bake import BAKE
from verdigris.core.steps.end_active import END_ACTIVE
from verdigris.core.steps.gate import GATES, kind_of
from verdigris.core.steps.measure import MEASURE
from verdigris.core.steps.passing_on import FULL
from verdigris.core.steps.shadow import SHADOW
from verdigris.core.steps.start import START
from verdigris.core.steps.step import Step
from verdigris.core.steps.trade import TRADE
from verdigris.core.steps.trial import TRIAL

STEPS: Mapping[StepKind, Step] = {
    step.kind: step for step in (START, *GATES, APPROVAL, END_ACTIVE, MEASURE, SHADOW, TRIAL, TRADE, BAKE)
}


CANARY = (1.0, 10.0, 50.0, FULL)
"""The weights of strategy Canary, where the user gives none."""
ON_DATA = frozenset[StepKind]({"Quality", "Fairness"})
"""Gates that need no pod of the version."""


def planned(policy: RolloutSpec, *, replaces: bool) -> tuple[StepStatus, ...]:
    """The steps of a rollout by this policy. `replaces`: there is an active version that it takes over from.

    The very first version has no baseline and nobody to protect: it is active as soon as its pods are ready and its
    gates have passed. Gates that need no pods come before the active ones are ended.
    """
    approval = _of("Approval") if policy.approval == "Required" else ()
    asked = tuple((number, _step(number, step)) for number, step in enumerate(policy.steps))
    gates = tuple(step for number, step in asked if policy.steps[number].gate is not None)
    if not replaces:
        return (*_of("Start"), *gates, *approval)
    if policy.strategy == "Recreate":
        on_data = tuple(step for step in gates if step.kind in ON_DATA)
        on_pods = tuple(step for step in gates if step.kind not in ON_DATA)
        return (*on_data, *approval, *_of("EndActive", "Start"), *on_pods, *_of("Measure", "Bake"))
    if not policy.is_shielded:
        return (*_of("Start"), *(step for _, step in asked), *approval, *_of("Measure", "Bake"))
    first = _before_any_share(policy)
    before, behind = (step for _, step in asked[:first]), tuple(step for _, step in asked[first:])
    return (*_of("Start"), *before, *approval, *_of("Measure"), *_on_trial(policy, behind), *_of("Bake"))


def _of(*kinds: StepKind) -> tuple[StepStatus, ...]:
    return tuple(StepStatus(kind=kind) for kind in kinds)


def _before_any_share(policy: RolloutSpec) -> int:
    """How many of the first steps end with a gate and give the version no share: they come before the baseline."""
    first = next((number for number, step in enumerate(policy.steps) if step.is_share), len(policy.steps))
    gates = (number for number, step in enumerate(policy.steps[:first]) if step.gate is not None)
    return max(gates, default=-1) + 1


def _on_trial(policy: RolloutSpec, asked: tuple[StepStatus, ...]) -> tuple[StepStatus, ...]:
    """What it goes through behind the shield; at last it answers all requests there, for a bake."""
    weights = [step.weight for step in asked if step.kind == "Trial"]
    if not weights and policy.strategy == "Canary":
        asked += tuple(StepStatus(kind="Trial", weight=weight) for weight in CANARY)
        weights = list(CANARY)
    last = () if weights and weights[-1] == FULL else (StepStatus(kind="Trial", weight=FULL),)
    return (*asked, *last)


def _step(number: int, asked: RolloutStep) -> StepStatus:
    if (gate := asked.gate) is not None:
        return StepStatus(kind=kind_of(gate), number=number)
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
