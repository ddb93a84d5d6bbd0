"""`spec.rollout`: how a new revision takes over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Rule
from verdigris.api.schema.values import DnsLabel, ObjectName, duration, number
from verdigris.api.spec.gates import (
    MOST_WORDS,
    WORDS_OF_STEPS,
    AnyGate,
    FairnessGate,
    JobGate,
    LoadGate,
    QualityGate,
    SmokeGate,
)
from verdigris.api.spec.resources import StatedResources

MOST_STEPS = 16


class ApprovalStep(ApiModel):
    """The rollout waits here, with the share that it has reached, until a person approves it."""


class ShadowStep(ApiModel):
    """The new version answers copies of what clients ask. Nobody sees its answers; the active pods compare them."""

    lasts: duration("1s", "168h", "10m") = Field(alias="for", description="How long.")  # type: ignore[valid-type]
    share: number(0.01, 100, "it is in percent, so that 10 is one request of ten") = Field(  # type: ignore[valid-type]
        default=100.0, description="Percent of the requests that are copied. Under load copies are dropped first."
    )
    max_disagreement: number(0.0001, 0.5, "it is a share, so that 0.01 means one row of a hundred") = Field(  # type: ignore[valid-type]
        default=0.01,
        description="The share of rows that may come out otherwise: another label, or a value that is too far away. "
        "Above it the version is rejected; it goes on when the share is shown to be below.",
    )


class FromStep(ApiModel):
    """The same bytes have to have served elsewhere first, healthy and for so long. Their owners have to agree."""

    namespace: DnsLabel = Field(description="Where they serve: the namespace of the environment before this one.")
    name: ObjectName | None = Field(
        default=None, description="The ModelDeployment that serves them there. Default: as this one is called."
    )
    healthy_for: duration("0s", "720h", "24h") = Field(  # type: ignore[valid-type]
        default="24h", description="How long they have been active and available there without a break."
    )


_FIELD_OF = {
    kind: kind for kind in ("quality", "fairness", "smoke", "load", "job", "from", "shadow", "weight", "approval")
} | {"from": "source"}
"""The kinds of steps by their names in a manifest, and their names here: Python has its own `from`."""
STEP_KINDS = tuple(_FIELD_OF)


class RolloutStep(ApiModel):
    """One step that a version goes through: a gate, another environment, copies of what clients ask, a weight, or an
    approval."""

    rules = (
        Rule(
            " + ".join(f"(has(self.{kind}) ? 1 : 0)" for kind in STEP_KINDS) + " == 1",
            f"a step is one of {', '.join(STEP_KINDS)}: give each step a list entry of its own",
            lambda step: sum(getattr(step, field) is not None for field in _FIELD_OF.values()) == 1,
        ),
        Rule(
            "!has(self.hold) || has(self.weight)",
            "hold says how long a weight is watched: write it beside weight",
            lambda step: step.hold is None or step.weight is not None,
            field="hold",
        ),
    )
    quality: QualityGate | None = None
    fairness: FairnessGate | None = None
    smoke: SmokeGate | None = None
    load: LoadGate | None = None
    job: JobGate | None = None
    source: FromStep | None = Field(default=None, alias="from")
    shadow: ShadowStep | None = None
    weight: number(0.01, 100, "it is in percent, so that 0.5 is one request of 200") | None = Field(  # type: ignore[valid-type]
        default=None,
        description="Percent of the clients' requests that the new version is asked, in steps of 0.01.",
    )
    hold: duration("0s", "168h", "5m") | None = Field(  # type: ignore[valid-type]
        default=None, description="How long this weight is watched. Default: bake."
    )
    approval: ApprovalStep | None = None

    @property
    def gate(self) -> AnyGate | None:
        """What it asks of the version before clients meet it."""
        return self.quality or self.fairness or self.smoke or self.load or self.job

    @property
    def is_check(self) -> bool:
        """Whether it judges the version by something else than what clients ask it."""
        return self.gate is not None or self.source is not None

    @property
    def is_share(self) -> bool:
        """Whether the active pods have to stand in front for it."""
        return self.weight is not None or self.shadow is not None


def _never_falls(rollout: RolloutSpec) -> bool:
    weights = [step.weight for step in rollout.steps if step.weight is not None]
    return weights == sorted(weights)


def _own(step: RolloutStep) -> Iterator[str]:
    return step.job.words if step.job is not None else iter(())


class RolloutSpec(ApiModel):
    """How a new revision takes over."""

    rules = (
        Rule(
            "self.strategy != 'Recreate' || self.allowDowntime",
            "strategy Recreate ends the active pods before the new ones start, so nobody answers meanwhile: set "
            "allowDowntime: true if that is what you want, or use BlueGreen with onInsufficientCapacity: InPlace",
            lambda rollout: rollout.strategy != "Recreate" or rollout.allow_downtime,
            field="strategy",
        ),
        Rule(
            "!has(self.shield) || !self.shield || self.strategy != 'Recreate'",
            "the shield needs the active pods beside the new ones, and strategy Recreate ends them first: set "
            "shield: false, or use strategy BlueGreen",
            lambda rollout: not rollout.shield or rollout.strategy != "Recreate",
            field="shield",
        ),
        Rule(
            "!has(self.steps) || !self.steps.exists(s, has(s.shadow)) || "
            "(self.strategy != 'Recreate' && (!has(self.shield) || self.shield))",
            "copies for a shadow are sent by the active pods: leave shadow out of steps, or set shield: true (and a "
            "strategy other than Recreate)",
            lambda rollout: rollout.is_shielded or not any(step.shadow is not None for step in rollout.steps),
            field="steps",
        ),
        Rule(
            "!has(self.steps) || self.steps.filter(s, has(s.weight)).map(s, s.weight).isSorted()",
            "the weights of steps must not fall: sort them, or leave those out that come back to a smaller share",
            _never_falls,
            field="steps",
        ),
        Rule(
            f"!has(self.steps) || {WORDS_OF_STEPS} <= {MOST_WORDS}",
            f"commands, arguments, variables and mounts of the gates of one's own (job) have more than {MOST_WORDS} "
            "characters together, and each rollout keeps a copy: put what is long into a ConfigMap and mount it",
            lambda rollout: sum(len(word) for step in rollout.steps for word in _own(step)) <= MOST_WORDS,
            field="steps",
            younger=True,
        ),
    )
    strategy: Literal["BlueGreen", "Canary", "Recreate"] = Field(
        default="BlueGreen",
        description="BlueGreen starts the new pods beside the active ones and gives them all requests at once. Canary "
        "gives them 1, 10, 50 and 100 percent, or what steps says. Recreate ends the active pods first.",
    )
    steps: Annotated[tuple[RolloutStep, ...], Field(max_length=MOST_STEPS)] = Field(
        default=(),
        description="What the new version goes through before it gets the clients' Service: gates, then shares behind "
        "the shield or by a gateway's weights. Where the last weight is not 100, that is watched for bake afterwards.",
    )
    gate_resources: StatedResources | None = Field(
        default=None, description="Of the pods of the gates. Default: serving.resources."
    )
    allow_downtime: bool = Field(default=False, description="Needed for strategy Recreate: nobody answers for a while.")
    on_insufficient_capacity: Literal["Wait", "Abort", "InPlace"] = Field(
        default="Wait",
        description="What to do when the new pods do not fit beside the active ones: wait for room until "
        "progressDeadline, end the rollout, or trade the pods one by one.",
    )
    min_available: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="InPlace never goes below this many ready pods of both colours together. Default: one less than "
        "the size, but at least 1.",
    )
    bake: duration("0s", "24h", "5m") = Field(  # type: ignore[valid-type]
        default="5m", description="Watch this long after the full switch, with the old colour warm."
    )
    shield: bool | None = Field(
        default=None,
        description="Whether the active pods stay in front while the new version is watched: they pass the clients' "
        "requests on to it, and answer themselves whatever does not come back well. Where they cannot, a gateway "
        "gives the shares, or the clients are moved and then watched, as with false: they see its faults until it is "
        "taken back, and requests that it turns away (4xx) are not held against it. Default: true, except with "
        "strategy Recreate.",
    )
    answer_within: duration("10ms", "60s", "1s") | None = Field(  # type: ignore[valid-type]
        default=None,
        description="Behind the shield, an active pod that has waited this long for the new version answers itself. "
        "Default: four times analysis.latency.p95 where that is a duration, else 1s.",
    )
    progress_deadline: duration("10s", "24h", "10m") = Field(  # type: ignore[valid-type]
        default="10m", description="A stage that has not made progress for this long ends the rollout."
    )
    approval: Literal["None", "Required"] = "None"
    on_inconclusive: Literal["Hold", "Promote", "Rollback"] = Field(
        default="Rollback",
        description="What to do when inconclusiveDeadline passes without evidence that is enough for a verdict.",
    )
    inconclusive_deadline: duration("1s", "168h", "1h") = Field(  # type: ignore[valid-type]
        default="1h", description="A step waits this long for evidence; a bake is made longer by it."
    )
    keep_warm: duration("0s", "168h", "30m") = Field(  # type: ignore[valid-type]
        default="30m", description="How long the old colour stays ready for an instant rollback."
    )
    schema_change: bool = Field(
        default=False,
        description="The new version is meant to take other requests than the active one. Else a request that it turns "
        "away (4xx) and the active version answers counts against it.",
    )
    watch_warm: bool = Field(
        default=True,
        description="While the old colour is warm the new version goes on being watched, by the same test, and is "
        "taken back by itself when it fails late. Not where a person promoted it, or bake is 0s.",
    )

    @property
    def is_shielded(self) -> bool:
        """`shield`, or its default."""
        return self.strategy != "Recreate" and self.shield is not False
