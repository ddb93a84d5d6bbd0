"""The kinds of steps, and the ready-made lists of them. A new kind: one module, one line here, its name in `api`."""

from __future__ import annotations

from collections.abc import Mapping

from verdigris.api.spec import RolloutSpec, RolloutStep
from verdigris.api.status import Stage, StepKind, StepStatus
from verdigris.core.steps.approval import APPROVAL
from verdigris.core.steps.bake import BAKE
from verdigris.core.steps.end_active import END_ACTIVE
from verdigris.core.steps.measure import MEASURE
from verdigris.core.steps.passing_on import FULL
from verdigris.core.steps.shadow import SHADOW
from verdigris.core.steps.start import START
from verdigris.core.steps.step import Step
from verdigris.core.steps.trade import TRADE
from verdigris.core.steps.trial import TRIAL

STEPS: Mapping[StepKind, Step] = {
    step.kind: step for step in (START, APPROVAL, END_ACTIVE, MEASURE, SHADOW, TRIAL, TRADE, BAKE)
}


CANARY = tuple(RolloutStep(weight=weight) for weight in (1.0, 10.0, 50.0, 100.0))
"""The weights of strategy Canary, where the user gives none."""


def planned(policy: RolloutSpec, *, replaces: bool, routed: bool = False) -> tuple[StepStatus, ...]:
    """The steps of a rollout by this policy. `replaces`: there is an active version that it takes over from. `routed`:
    a gateway can share clients between the two.

    The very first version has no baseline and nobody to protect: it is active as soon as its pods are ready.
    """
    approval = _of("Approval") if policy.approval == "Required" else ()
    if not replaces:
        return (*_of("Start"), *approval)
    if policy.strategy == "Recreate":
        return (*approval, *_of("EndActive", "Start", "Measure", "Bake"))
    return (*_of("Start"), *approval, *_of("Measure"), *_on_trial(policy, routed=routed), *_of("Bake"))


def _of(*kinds: StepKind) -> tuple[StepStatus, ...]:
    return tuple(StepStatus(kind=kind) for kind in kinds)


def _on_trial(policy: RolloutSpec, *, routed: bool) -> tuple[StepStatus, ...]:
    """What it goes through behind the shield, or with a share by a gateway; at last it answers all requests there, for
    a bake. By a gateway only where shares are asked for: all of its clients at once are what Bake is for."""
    asked = policy.steps or (CANARY if policy.strategy == "Canary" else ())
    if not policy.is_shielded and not (routed and asked):
        return ()
    weights = [step.weight for step in asked if step.weight is not None]
    last = () if weights and weights[-1] == FULL else (StepStatus(kind="Trial", weight=FULL),)
    return (*(_step(step) for step in asked), *last)


def _step(asked: RolloutStep) -> StepStatus:
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
