"""Which version has which colour, and who gets the clients."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from verdigris.api.schema.fields import Passthrough, StatusModel, Time
from verdigris.api.status.evidence import Baseline, EvidenceStatus
from verdigris.api.status.pods import ContainerExit
from verdigris.api.status.words import Color, RevisionName, Version


class RevisionRef(StatusModel):
    """A version of the model as it was rolled out: the user's version and the hash of what defines its pods."""

    identity: ClassVar[tuple[str, ...]] = ("revision", "color")
    version: Version
    revision: RevisionName
    color: Color
    sha256: Annotated[str, Field(max_length=64)] = ""


class ActiveStatus(RevisionRef):
    """The colour that clients get."""

    since: Time
    min_replicas: int | None = Field(
        default=None,
        description="What spec.autoscaling asked for together with this version; it holds until another is promoted.",
    )
    max_replicas: int | None = Field(default=None, description="The same of its upper bound.")
    baseline: Baseline | None = Field(
        default=None, description="What the last rollout that it outlived was held against; the next one may be, too."
    )


class WarmStatus(RevisionRef):
    """The retired colour that an instant rollback can still go to."""

    until: Time
    left: Time | None = Field(default=None, description="When its clients were seen to be sent to the active version.")
    replicas: int = Field(default=1, description="Its size when it retired; kept until then.")
    evidence: EvidenceStatus | None = Field(
        default=None,
        description="What is known of the active version, which goes on being watched; unset where it is not.",
    )
    exits: Annotated[tuple[ContainerExit, ...], Field(max_length=40)] = ()
    policy: Passthrough | None = Field(default=None, description="By which it is watched: that of its rollout.")


class TargetStatus(StatusModel):
    """Which revision a generation of the spec asks for, as the operator decided that saw the generation first."""

    generation: int
    revision: RevisionName
    hash: RevisionName = Field(description="The revision as the operator that wrote this computes it.")
    followed: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="What spec.model.follow had led to then: the alias may move within a generation."
    )
    partial: bool = Field(default=False, description="Set when spec fields about the pods were not known to it.")


class FollowedStatus(StatusModel):
    """The version of a model that an alias of the registry was last seen to have: what the spec asks for by it."""

    identity = ("model", "alias")
    model: Annotated[str, Field(max_length=256)]
    alias: Annotated[str, Field(max_length=64)]
    number: Annotated[str, Field(max_length=16)] = Field(description="The registry's own number of the version.")
    version: Version
    uri: Annotated[str, Field(max_length=2048)]
    sha256: Annotated[str, Field(max_length=64)]
    since: Time = Field(description="When the alias was first seen there.")

    @property
    def mark(self) -> str:
        """What changes when the alias moves."""
        return f"{self.model}@{self.alias}/{self.number}/{self.sha256[:12]}/{self.version}"


class Meaning(StatusModel):
    """What a revision means: the hash that all spellings of its spec share."""

    identity = ("revision",)
    revision: RevisionName
    meaning: RevisionName


class TrafficStatus(StatusModel):
    """The share of new connections that a colour gets, in percent."""

    color: Color
    version: Version
    weight: int = Field(description="As it was seen.")
    wanted: int = Field(default=0, description="As it is to be.")
    shielded: float | None = Field(
        default=None,
        description="Percent of the clients' requests that the pods of the other colour pass on to this one, by what "
        "those pods were seen to be told. They stand behind each answer.",
    )
    routed: float | None = Field(
        default=None, description="Percent of a gateway's requests that its HTTPRoute was seen to send to this colour."
    )


class RouteStatus(StatusModel):
    """The HTTPRoute by which clients of a gateway come."""

    name: Annotated[str, Field(max_length=253)]
    own: bool = Field(default=False, description="Whether the operator made it, and removes it when it is not wanted.")


class ScaleStatus(StatusModel):
    """What the scale subresource tells an external autoscaler: how many pods are wanted, and how to find them."""

    replicas: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(description="Kubernetes counts them in 32 bits.")
    selector: Annotated[str, Field(max_length=256)]


class ServiceAddress(StatusModel):
    """Where clients reach the model's Service: asked for again when somebody deletes it, because DNS is cached."""

    address: Annotated[str, Field(max_length=64)] = ""
    node_port: int = Field(default=0, description="0 when it has none.")
