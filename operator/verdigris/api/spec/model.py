"""`spec.model`: the artifact, its version, and what its bytes must hash to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Rule, pattern
from verdigris.api.schema.values import (
    ArtifactUri,
    DnsName,
    ModelName,
    SemVer,
    Sha256,
    duration,
)


class FollowSpec(ApiModel):
    """An alias in the model registry: whichever version it is given to is rolled out, by itself."""

    alias: Annotated[
        str,
        Field(max_length=64),
        pattern("[A-Za-z][-A-Za-z0-9_]*", "must be an alias of the registry: write for example champion"),
    ]
    every: duration("10s", "24h", "5m") = Field(  # type: ignore[valid-type]
        default="5m", description="How often the registry is asked."
    )
    approval: Literal["None", "Required"] = Field(
        default="None", description="Required: a person approves each version that comes so, whatever rollout says."
    )
    report: bool = Field(
        default=False,
        description="Tell the registry who serves: the active version gets a tag verdigris.serving.NAMESPACE.NAME "
        "there (with registry.cluster of the chart: verdigris.serving.CLUSTER.NAMESPACE.NAME), and no other has it. "
        "When uri comes to name another registered model, the versions of the one before lose the tag. The alias stays "
        "where people put it.",
    )


class ModelSpec(ApiModel):
    """The artifact: which model, which version, where its bytes are and what they must hash to."""

    rules = (
        Rule(
            "has(self.sha256) || self.allowUnverified",
            "sha256 is required: put the artifact's SHA-256 here (64 hex digits, printed by verdigris-model pack), "
            "or set allowUnverified: true to run bytes that nobody checked",
            lambda model: model.sha256 is not None or model.allow_unverified,
            field="sha256",
        ),
        Rule(
            "!has(self.follow) || self.uri.startsWith('models:/')",
            "follow asks the registry about the model that uri names: write uri: models:/NAME/VERSION",
            lambda model: model.follow is None or model.uri.startswith("models:/"),
            field="follow",
        ),
    )
    name: ModelName | None = Field(default=None, description="Served as /v2/models/NAME. Default: metadata.name.")
    version: SemVer = Field(description="Semantic version of the model, for example 2.1.0.")
    uri: ArtifactUri = Field(
        description="Where the artifact is: https://, http://, s3://, gs://, az://, oci://, models:/ (MLflow), "
        "pvc://CLAIM/PATH or file:///PATH in the image."
    )
    sha256: Sha256 | None = Field(default=None, description="SHA-256 of the artifact, 64 lower-case hex digits.")
    allow_unverified: bool = Field(
        default=False, description="Run an artifact without a checksum. For experiments only."
    )
    format: Literal["linear", "onnx", "sklearn"] = Field(default="linear", description="How the artifact is served.")
    credentials_secret: DnsName | None = Field(
        default=None, description="Secret whose keys the fetch step gets as environment variables."
    )
    follow: FollowSpec | None = Field(
        default=None,
        description="Roll out whatever the registry gives an alias of this model to. For a first version, until the "
        "registry has answered, and while this is not set, version, uri and sha256 say what is wanted.",
    )
