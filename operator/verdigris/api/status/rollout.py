"""The rollout under way."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from verdigris.api.schema.fields import Passthrough, StatusModel, Text, Time
from verdigris.api.schema.values import UserName
from verdigris.api.status.evidence import EvidenceStatus
from verdigris.api.status.gates import GateStatus
from verdigris.api.status.pods import ContainerExit
from verdigris.api.status.roles import RevisionRef
from verdigris.api.status.source import SourceStatus
from verdigris.api.status.words import Outcome, Reason, Stage, StepKind, Verdict


class Approval(StatusModel):
    """Who let the rollout go on."""

    by: UserName
    reason: Text = ""
    at: Time


class Failure(StatusModel):
    """Why a rollout ended: a reason for machines, a sentence for people."""

    reason: Reason
    message: Text


class CapacityStatus(StatusModel):
    """What the capacity check expects. It is advice: the scheduler decides."""

    needed: int = Field(description="Pods that the candidate still has to get a place for.")
    fits: int = Field(description="How many of them fit now.")
    message: Text = ""


class Sizes(StatusModel):
    """How many pods each side is to have while they are traded one by one."""

    active: int
    candidate: int


class StepStatus(StatusModel):
    """One step of a rollout. It has a verdict once it has ended; the rollout's message is about the running one."""

    kind: StepKind
    weight: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="Percent of the clients' requests that the candidate is asked, or of a Shadow gets copies of.",
    )
    hold: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="How long it is watched at this weight; bake if it does not say."
    )
    max_disagreement: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Of a Shadow: the share of rows that it may answer otherwise than the active version."
    )
    number: Annotated[int, Field(ge=0, le=64)] | None = Field(
        default=None, description="Which of spec.rollout.steps it is, from 0; none of the list has no number."
    )
    gate: GateStatus | None = Field(default=None, description="Of a gate: its Job, and what that has answered.")
    source: SourceStatus | None = Field(default=None, description="Of a step from: what the other environment says.")
    unclear_since: Time | None = Field(
        default=None, description="Since when, without a break, what decides it has given no answer."
    )
    began: Time | None = None
    ended: Time | None = None
    verdict: Verdict | None = None
    reason: Reason = ""
    message: Text = ""

    @property
    def answer(self) -> GateStatus | SourceStatus | None:
        """What decides a step that is not judged by what clients ask: its gate, or the other environment."""
        return self.gate or self.source

    def anew(self) -> StepStatus:
        """The same step as it was before it began. A person's yes stays: the question is the same."""
        if self.kind == "Approval" and self.verdict == "Pass":
            return self
        asked = ("kind", "weight", "hold", "max_disagreement", "number")
        return StepStatus(**{name: getattr(self, name) for name in asked})


class RolloutStatus(RevisionRef):
    """The rollout under way: a list of steps and which of them it is in.

    A step that gives the candidate another share is entered when that share is *seen*: until then the rollout is in
    the step before, and `wanted` says what it is about to do.
    """

    identity = ("revision", "color", "startedAt")
    stage: Stage
    steps: Annotated[tuple[StepStatus, ...], Field(max_length=32)] = ()
    step: int = Field(default=0, description="Which of the steps is under way, from 0.")
    wanted: int = Field(default=0, description="Percent of new connections that are to reach the candidate.")
    weight: int = Field(default=0, description="Percent of new connections that were last seen to reach it.")
    exposed_at: Time | None = Field(default=None, description="When clients were first seen to reach the candidate.")
    passed_on: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0,
        description="Hundredths of a percent of the clients' requests that the active pods are to pass on to the "
        "candidate. They stand behind each answer.",
    )
    routed: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0,
        description="Hundredths of a percent of a gateway's requests that its HTTPRoute is to send to the candidate "
        "while the clients' Service stays on the active colour.",
    )
    shadowed: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0,
        description="Hundredths of a percent of the clients' requests of which the active pods are to send it copies.",
    )
    shadow: EvidenceStatus | None = Field(
        default=None, description="How its answers to copies compare with the active version's. Its requests are rows."
    )
    shielded_at: Time | None = Field(
        default=None, description="When the active pods were first to pass requests on to the candidate."
    )
    wished_at: Time | None = Field(
        default=None, description="Since when the move of clients under way has been wanted."
    )
    withdrawn_at: Time | None = Field(
        default=None,
        description="When a wish for clients was last taken back before any were seen: that move may still come. "
        "The clients' Service is annotated with this time, which makes it fail.",
    )
    policy: Passthrough | None = Field(
        default=None,
        description="spec.rollout and spec.analysis as they were when the rollout began. They hold until it has ended.",
    )
    started_at: Time
    since: Time = Field(description="When this stage began: the share of the clients that it is about was seen then.")
    deadline: Time | None = None
    ready_high_water: int = Field(default=0, description="Most candidate pods ever ready at once.")
    replicas: int = Field(default=1, description="Size the candidate must reach before traffic moves.")
    capacity: CapacityStatus | None = None
    sizes: Sizes | None = Field(default=None, description="Set while pods are traded, or the active ones ended first.")
    lacking_since: Time | None = Field(
        default=None, description="Since when, without a break, there has been no room for a candidate pod."
    )
    retries: int = Field(default=0, description="How often a ReplicaSet that backs off was told to try again.")
    retried_at: Time | None = None
    exits: Annotated[tuple[ContainerExit, ...], Field(max_length=40)] = ()
    again: int = Field(default=0, description="How often it went back to its first step, as its pods were gone.")
    approval: Approval | None = None
    promote_now: bool = False
    trouble: Failure | None = Field(
        default=None, description="What Kubernetes last said against the candidate's pods, since the last progress."
    )
    failure: Failure | None = Field(default=None, description="Set in RollingBack: what went wrong.")
    outcome: Outcome | None = Field(default=None, description="Set in RollingBack: how it will be recorded.")
    evidence: EvidenceStatus = EvidenceStatus()
    message: Text = ""

    def has(self, kind: StepKind) -> bool:
        """Whether a step of this kind is on its list."""
        return any(step.kind == kind for step in self.steps)

    def name_of(self, step: StepStatus) -> str | None:
        """What the user calls the gate of their own that this step is; None for any other step."""
        rollout = (self.policy or {}).get("rollout")
        steps = rollout.get("steps") if isinstance(rollout, dict) else None
        if step.kind != "Job" or step.number is None or not isinstance(steps, list) or step.number >= len(steps):
            return None
        job = steps[step.number].get("job") if isinstance(steps[step.number], dict) else None
        name = job.get("name") if isinstance(job, dict) else None
        return name if isinstance(name, str) else None

    @property
    def kind(self) -> StepKind | None:
        """What the step under way is; None when the list does not say."""
        return self.steps[self.step].kind if 0 <= self.step < len(self.steps) else None

    @property
    def taken_back(self) -> bool:
        """Whether it is ending without a promotion."""
        return self.stage == "RollingBack"
