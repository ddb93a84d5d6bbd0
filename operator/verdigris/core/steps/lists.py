"""The kinds of steps, and the ready-made lists of them. A new kind: one module, one line here, its name in `api`."""

from __future__ import annotations

from collections.abc import Mapping

from verdigris.api.spec import RolloutSpec
from verdigris.api.status import Stage, StepKind, StepStatus
from verdigris.core.steps.approval import APPROVAL
from verdigris.core.steps.bake import BAKE
from verdigris.core.steps.end_active import END_ACTIVE
from verdigris.core.steps.measure import MEASURE
from verdigris.core.steps.start import START
from verdigris.core.steps.step import Step
from verdigris.core.steps.trade import TRADE
from verdigris.core.steps.trial import TRIAL

STEPS: Mapping[StepKind, Step] = {
    step.kind: step for step in (START, APPROVAL, END_ACTIVE, MEASURE, TRIAL, TRADE, BAKE)
}


def planned(policy: RolloutSpec, *, replaces: bool) -> tuple[StepStatus, ...]:
    """The steps of a rollout by this policy. `replaces`: there is an active version that it takes over from.

    The very first version has no baseline and nobody to protect: it is active as soon as its pods are ready.
    """
    approval: tuple[StepKind, ...] = ("Approval",) if policy.approval == "Required" else ()
    trial: tuple[StepKind, ...] = ("Trial",) if policy.shield else ()
    if not replaces:
        kinds: tuple[StepKind, ...] = ("Start", *approval)
    elif policy.strategy == "Recreate":
        kinds = (*approval, "EndActive", "Start", "Measure", "Bake")
    else:
        kinds = ("Start", *approval, "Measure", *trial, "Bake")
    return tuple(StepStatus(kind=kind) for kind in kinds)


def index_of(steps: tuple[StepStatus, ...], stage: Stage) -> int:
    """The first step whose stage this is; 0 when there is none. For a status that knows its stage only."""
    return next((number for number, step in enumerate(steps) if STEPS[step.kind].stage == stage), 0)
