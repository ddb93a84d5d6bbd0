"""`spec.serving`: the pods that answer, and the Service that clients know."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, ListMap, Rule
from verdigris.api.schema.values import DnsName, ImageRef, LabelKey, Labels, LabelValue, TextQuantity, duration
from verdigris.api.spec.environment import EnvVar
from verdigris.api.spec.network import NetworkPolicySpec
from verdigris.api.spec.pod import PodTemplateSpec
from verdigris.api.spec.resources import ResourceRequirements
from verdigris.api.spec.service import ServiceSpec


class Toleration(ApiModel):
    """As in a pod."""

    rules = (
        Rule(
            "has(self.key) || self.operator == 'Exists'",
            "key is required when operator is Equal: add it, or set operator: Exists to tolerate every taint",
            lambda toleration: toleration.key is not None or toleration.operator == "Exists",
            field="key",
        ),
        Rule(
            "!has(self.value) || self.operator == 'Equal'",
            "value has no meaning when operator is Exists: remove it, or set operator: Equal",
            lambda toleration: toleration.value is None or toleration.operator == "Equal",
            field="value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerationSeconds needs effect: NoExecute: set that, or remove tolerationSeconds",
            lambda toleration: toleration.toleration_seconds is None or toleration.effect == "NoExecute",
            field="tolerationSeconds",
        ),
    )
    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(ge=0, le=86400)] | None = None


class LocalReference(ApiModel):
    """An object of the same namespace, by name."""

    name: DnsName


_GRPC_PORT = 8081


class ServingSpec(ApiModel):
    """The pods that answer."""

    rules = (
        Rule(
            "!(has(self.grpc) && self.grpc) || has(self.image)",
            "grpc needs an image for it, which the operator's own are not: set serving.image to one whose name ends in "
            "-grpc, or remove grpc",
            lambda serving: not serving.grpc or serving.image is not None,
            field="image",
        ),
        Rule(
            f"!(has(self.grpc) && self.grpc) || self.service.port != {_GRPC_PORT}",
            f"port {_GRPC_PORT} of the Service is gRPC's when grpc is true: choose another service.port",
            lambda serving: not serving.grpc or serving.service.port != _GRPC_PORT,
            field="service",
        ),
    )
    image: ImageRef | None = Field(default=None, description="Serving image. Default: the operator's.")
    image_pull_secrets: Annotated[tuple[LocalReference, ...], Field(max_length=8), ListMap("name")] = ()
    resources: ResourceRequirements = ResourceRequirements()
    concurrency: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=8, description="Requests that one pod works on at once."
    )
    max_body_mib: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=8,
        alias="maxBodyMiB",
        description="Largest body of a request, packed or not, in MiB; larger ones get 413. A pod needs memory for it: "
        "some 50 times as much for rows as JSON.",
    )
    grpc: bool = Field(
        default=False,
        description="Whether the pods answer over gRPC, too: port 8081 of the clients' Service. The image must be one "
        "for gRPC.",
    )
    page: bool = Field(default=False, description="Whether the pods show a page at / to look at the model and ask it.")
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64), ListMap("name")] = ()
    node_selector: Labels = {}
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=16)] = ()
    startup_deadline: duration("10s", "1h", "5m") = Field(  # type: ignore[valid-type]
        default="2m",
        description="How long the server may take to load the fetched artifact and to answer. The kubelet then starts "
        "the container again. Raise rollout.progressDeadline with it.",
    )
    model_size_limit: TextQuantity = Field(
        default="1Gi", description="Room for the fetched artifact, unpacked. A pod that needs more is evicted."
    )
    pod_template: PodTemplateSpec = PodTemplateSpec()
    network_policy: NetworkPolicySpec = NetworkPolicySpec()
    service: ServiceSpec = ServiceSpec()
