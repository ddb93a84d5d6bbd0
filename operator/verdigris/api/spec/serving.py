"""`spec.serving`: the pods that answer, and the Service that clients know."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, ListMap, Rule
from verdigris.api.schema.quantity import amount_of
from verdigris.api.schema.values import (
    NO_NUL,
    Annotations,
    DnsName,
    EnvName,
    ImageRef,
    LabelKey,
    Labels,
    LabelValue,
    ResourceList,
)

# Named, because API servers before 1.34 find a comparison of six quantities of unknown length too dear.
_COMPARED = ("cpu", "memory", "ephemeral-storage")


def _is_within_its_limit(resources: ResourceRequirements, name: str) -> bool:
    wanted, limit = resources.requests.get(name), resources.limits.get(name)
    return wanted is None or limit is None or amount_of(wanted) <= amount_of(limit)


_WHOLE = re.compile("[0-9]+([kMGTP]i?)?")


def _is_whole(amount: int | str) -> bool:
    return isinstance(amount, int) or _WHOLE.fullmatch(amount) is not None


class ResourceRequirements(ApiModel):
    """Requests and limits of the serving container."""

    rules = (
        Rule(
            f"{list(_COMPARED)}.all(name, !(name in self.requests) || !(name in self.limits) || "
            "!isQuantity(string(self.requests[name])) || !isQuantity(string(self.limits[name])) || "
            "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
            "a request must not be above the limit of the same name (limits.memory is 192Mi when you give no limits): "
            "raise the limit or lower the request",
            lambda resources: all(_is_within_its_limit(resources, name) for name in _COMPARED),
            field="requests",
        ),
        Rule(
            "self.requests.all(name, !name.contains('/') || (name in self.limits && "
            "self.requests[name] == self.limits[name]))",
            "a device such as example.com/gpu cannot be shared: give it the same limit, written in the same way",
            lambda resources: all(
                resources.limits.get(name) == wanted for name, wanted in resources.requests.items() if "/" in name
            ),
            field="limits",
        ),
        Rule(
            "self.limits.all(name, !name.contains('/') || type(self.limits[name]) == int || "
            "self.limits[name].matches('^[0-9]+([kMGTP]i?)?$'))",
            "a device such as example.com/gpu is counted in whole ones: write a number without a fraction",
            lambda resources: all(_is_whole(amount) for name, amount in resources.limits.items() if "/" in name),
            field="limits",
        ),
    )
    requests: ResourceList = {"cpu": "100m", "memory": "64Mi"}
    limits: ResourceList = {"memory": "192Mi"}


class EnvVar(ApiModel):
    """An environment variable of the serving container."""

    name: EnvName
    value: Annotated[str, Field(max_length=4096), NO_NUL] = ""


class ServiceSpec(ApiModel):
    """The clients' Service. Its name and its IP never change."""

    type: Literal["ClusterIP", "LoadBalancer", "NodePort"] = "ClusterIP"
    port: Annotated[int, Field(ge=1, le=65535)] = 80
    annotations: Annotations = {}


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
    service: ServiceSpec = ServiceSpec()
