"""`status` of a ModelDeployment: what the operator has decided and seen, enough to go on after a restart."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.fields import ListMap, Name, StatusModel, Text, Time
from verdigris.api.values import UserName

Color = Literal["blue", "green"]
Verdict = Literal["Pass", "Fail", "Inconclusive"]
Stage = Literal["Starting", "AwaitingApproval", "Measuring", "Trading", "Baking", "RollingBack"]
Way = Literal["Beside", "InPlace", "Recreate"]
"""How a rollout goes: new pods beside the active ones, traded for them one by one, or after them."""
StuckKind = Literal[
    "Unschedulable",
    "QuotaExceeded",
    "InvalidImageName",
    "ImagePull",
    "ConfigError",
    "InitFailing",
    "CrashLoop",
    "OutOfMemory",
    "Creating",
    "NeverReady",
    "Flapping",
    "NodeLost",
    "Terminating",
    "NodeGone",
    "Leftover",
    "Orphan",
]
Remedy = Literal["None", "Evict", "Delete", "Force"]
"""What helps a stuck pod: nothing that the operator may do; a fresh start or another node (Eviction API, so PDBs hold);
to delete what has ended already; to delete by force what no kubelet will ever end."""
Outcome = Literal["Promoted", "RolledBack", "Failed", "Aborted", "Superseded"]

Version = Annotated[str, Field(max_length=64)]
Reason = Annotated[str, Field(max_length=128)]
RevisionName = Annotated[str, Field(max_length=64)]


def other(color: Color) -> Color:
    """The other of the two colours."""
    return "green" if color == "blue" else "blue"


class Condition(StatusModel):
    """metav1.Condition."""

    type: Annotated[str, Field(max_length=64)]
    status: Literal["True", "False", "Unknown"]
    reason: Reason
    message: Text = ""
    last_transition_time: Time
    observed_generation: int = 0


class RevisionRef(StatusModel):
    """A version of the model as it was rolled out: the user's version and the hash of what defines its pods."""

    version: Version
    revision: RevisionName
    color: Color
    sha256: Annotated[str, Field(max_length=64)] = ""


class ActiveStatus(RevisionRef):
    """The colour that clients get."""

    since: Time


class WarmStatus(RevisionRef):
    """The retired colour that an instant rollback can still go to."""

    until: Time
    replicas: int = Field(default=1, description="Its size when it retired; kept until then.")


class Counts(StatusModel):
    """Requests and errors (5xx). The callers' own faults (4xx) are in neither."""

    requests: int = 0
    errors: int = 0


class Baseline(Counts):
    """What the candidate is held against."""

    rate: float = 0.0
    limit: float = Field(default=0.0, description="Upper 95 % limit of the rate, never below the floor.")
    dispersion: float = Field(
        default=1.0, description="How much more its errors scatter than independent ones would; 1 is not at all."
    )
    source: Literal["None", "Frozen", "Concurrent"] = "None"
    at: Time | None = None


class Breaches(StatusModel):
    """How many fresh looks in a row a latency limit or a user's metric has been out of bounds."""

    name: Annotated[str, Field(max_length=63)]
    count: int


class EvidenceStatus(StatusModel):
    """What the judge knows, folded so that a restarted operator goes on with it."""

    verdict: Verdict = "Inconclusive"
    reason: Reason = "NoEvidence"
    message: Text = ""
    candidate: Counts = Counts()
    baseline: Baseline = Baseline()
    score: float = Field(default=0.0, description="ln(1 + R) of the weighted Shiryaev-Roberts sums R.")
    scores: Annotated[tuple[float, ...], Field(max_length=8)] = Field(
        default=(), description="ln(1 + R) of each alternative error rate, from the factor asked for to a half."
    )
    threshold: float = 0.0
    looks: int = 0
    at: Time | None = Field(default=None, description="Time of the newest sample that has been counted.")
    sealed: Counts = Field(
        default=Counts(), description="The candidate's counts up to sealedAt, no longer asked for again."
    )
    sealed_at: Time | None = None
    inconclusive_since: Time | None = None
    breaches: Annotated[tuple[Breaches, ...], Field(max_length=17), ListMap("name")] = ()


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


class RolloutStatus(RevisionRef):
    """The rollout under way."""

    stage: Stage
    weight: int = Field(default=0, description="Percent of new connections that reach the candidate.")
    started_at: Time
    since: Time = Field(description="When this stage began, or the present step of a trade.")
    deadline: Time | None = None
    ready_high_water: int = Field(default=0, description="Most candidate pods ever ready at once.")
    replicas: int = Field(default=1, description="Size the candidate must reach before traffic moves.")
    way: Way = "Beside"
    capacity: CapacityStatus | None = None
    sizes: Sizes | None = Field(default=None, description="Set unless the way is Beside.")
    lacking_since: Time | None = Field(
        default=None, description="Since when, without a break, there has been no room for a candidate pod."
    )
    retries: int = Field(default=0, description="How often a ReplicaSet that backs off was told to try again.")
    retried_at: Time | None = None
    restarts: int = Field(default=0, description="Restarts that the candidate's pods had when clients moved to it.")
    approval: Approval | None = None
    promote_now: bool = False
    trouble: Failure | None = Field(
        default=None, description="What Kubernetes last said against the candidate's pods, since the last progress."
    )
    failure: Failure | None = Field(default=None, description="Set in RollingBack: what went wrong.")
    outcome: Outcome | None = Field(default=None, description="Set in RollingBack: how it will be recorded.")
    evidence: EvidenceStatus = EvidenceStatus()
    message: Text = ""


class TrafficStatus(StatusModel):
    """The share of new connections that a colour gets, in percent."""

    color: Color
    version: Version
    weight: int


class LastRollback(StatusModel):
    """The latest time traffic was taken back."""

    from_version: Version
    to_version: Version
    reason: Reason
    message: Text
    decided_at: Time
    traffic_restored_at: Time | None = None
    evidence: EvidenceStatus | None = None


class Rejected(StatusModel):
    """A revision that is not tried again until the spec changes or somebody asks for a retry."""

    revision: RevisionName
    version: Version
    reason: Reason
    message: Text
    at: Time


class HistoryEntry(StatusModel):
    """A rollout that has ended."""

    revision: RevisionName
    version: Version
    outcome: Outcome
    reason: Reason
    started_at: Time
    ended_at: Time


class DecisionRecord(StatusModel):
    """A RolloutDecision that has been dealt with."""

    uid: Annotated[str, Field(max_length=64)]
    name: Name
    verb: Annotated[str, Field(max_length=16)]
    by: UserName
    reason: Text
    outcome: Literal["Accepted", "Refused"]
    message: Text
    at: Time


class StuckPod(StatusModel):
    """A pod that is stuck now, and what is, or would be, done about it."""

    pod: Name
    kind: StuckKind
    reason: Reason
    message: Text
    remedy: Remedy = "None"
    held: Text = Field(default="", description="Why the remedy is not used (yet), for example an exhausted budget.")
    since: Time


class RemovedPod(StatusModel):
    """A stuck pod that the operator has removed: the memory of budget and backoff."""

    pod: Name
    uid: Annotated[str, Field(max_length=64)]
    color: Color
    node: Annotated[str, Field(max_length=253)] = ""
    kind: StuckKind
    remedy: Remedy
    message: Text
    at: Time


class Unsteady(StatusModel):
    """A pod that has ceased to be ready, though its containers run: the memory of flapping."""

    uid: Annotated[str, Field(max_length=64)]
    losses: Annotated[tuple[Time, ...], Field(max_length=100)] = ()


class Recommendation(StatusModel):
    """Requests for the serving container that its own use suggests. Never applied by itself."""

    cpu: Annotated[str, Field(max_length=32)]
    memory: Annotated[str, Field(max_length=32)]
    message: Text = Field(
        default="", description="The evidence: percentile, window, samples, and what is asked for now."
    )
    percentile: float
    window: Annotated[str, Field(max_length=32)]
    samples: int
    at: Time


class ModelDeploymentStatus(StatusModel):
    """The whole status; written by one patch at the end of a reconcile, only when it differs."""

    observed_generation: int = 0
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), ListMap("type")] = ()
    active: ActiveStatus | None = None
    warm: WarmStatus | None = None
    rollout: RolloutStatus | None = None
    traffic: Annotated[tuple[TrafficStatus, ...], Field(max_length=2), ListMap("color")] = ()
    last_rollback: LastRollback | None = None
    rejected: Annotated[tuple[Rejected, ...], Field(max_length=20)] = ()
    history: Annotated[tuple[HistoryEntry, ...], Field(max_length=20)] = ()
    decisions: Annotated[tuple[DecisionRecord, ...], Field(max_length=20)] = ()
    stuck: Annotated[tuple[StuckPod, ...], Field(max_length=20)] = ()
    removed: Annotated[tuple[RemovedPod, ...], Field(max_length=100)] = ()
    unsteady: Annotated[tuple[Unsteady, ...], Field(max_length=100)] = ()
    recommendation: Recommendation | None = None
