"""Environment variables of containers: by value, or from a key of a Secret or a ConfigMap."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, Rule
from verdigris.api.schema.values import NO_NUL, DataKey, DnsName, EnvName


class KeyReference(ApiModel):
    """One key of an object of the same namespace. Without the object or the key the pod does not start."""

    name: DnsName
    key: DataKey


class EnvSource(ApiModel):
    """Where the value of a variable is."""

    rules = (
        Rule(
            "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "give one source: secretKeyRef for a key of a Secret, or configMapKeyRef for a key of a ConfigMap",
            lambda source: (source.secret_key_ref is None) != (source.config_map_key_ref is None),
            field="secretKeyRef",
        ),
    )
    secret_key_ref: KeyReference | None = None
    config_map_key_ref: KeyReference | None = None


class EnvVar(ApiModel):
    """An environment variable of a container."""

    rules = (
        Rule(
            "!has(self.valueFrom) || !has(self.value) || self.value == ''",
            "give value or valueFrom, not both: remove one of them",
            lambda variable: variable.value_from is None or not variable.value,
            field="value",
        ),
    )
    name: EnvName
    value: Annotated[str, Field(max_length=4096), NO_NUL] = ""
    value_from: EnvSource | None = None
