"""`spec.serving.podTemplate`: what is added to the pods. Nothing here can replace what the operator states itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from verdigris.api.schema.fields import ApiModel, ListMap, Passthrough, Rule, pattern
from verdigris.api.schema.values import (
    NO_NUL,
    Annotations,
    DnsLabel,
    DnsName,
    ImageRef,
    LabelKey,
    Labels,
    TextQuantity,
)
from verdigris.api.spec.environment import EnvVar
from verdigris.api.spec.resources import StatedResources

_DOMAIN = "verdigris.dev/"
_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/managed-by", "pod-template-hash")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_CONTAINERS = ("fetch", "server")
_VOLUMES = ("model", "traffic", "tmp", "artifact")
_FOLDERS = ("/model", "/artifact", "/tmp", "/etc/verdigris", "/opt/app")


def _other_than(names: Iterable[str], message: str) -> Rule:
    reserved = list(names)
    return Rule(f"!(self in {reserved})", message, lambda name: name not in reserved)


def _is_apart(path: str) -> bool:
    """Whether the folder is neither at, nor below, nor above one of the operator's own."""
    return all(
        path != ours and not path.startswith(f"{ours}/") and not ours.startswith(f"{path}/") for ours in _FOLDERS
    )


OwnLabels = Annotated[
    Labels,
    Rule(
        f"self.all(key, !key.startsWith('{_DOMAIN}') && !(key in {list(_LABELS)}))",
        f"labels {_DOMAIN}*, {', '.join(_LABELS)} are set by the operator or by Kubernetes: choose other names",
        lambda entries: not any(key.startswith(_DOMAIN) or key in _LABELS for key in entries),
    ),
]
OwnAnnotations = Annotated[
    Annotations,
    Rule(
        f"self.all(key, !key.startsWith('{_DOMAIN}') && !key.startsWith('{_APPARMOR}'))",
        f"annotations {_DOMAIN}* are set by the operator, and {_APPARMOR}* would take the pods' confinement away: "
        "remove them",
        lambda entries: not any(key.startswith((_DOMAIN, _APPARMOR)) for key in entries),
    ),
]
_PATH = "([.]?[A-Za-z0-9_-][-A-Za-z0-9._]*)"
MountPath = Annotated[
    str,
    Field(max_length=512),
    pattern(
        f"(/{_PATH})+", "must be the path of a folder: write for example /etc/ssl/extra, without .. and without //"
    ),
]
SubPath = Annotated[
    str,
    Field(max_length=512),
    pattern(f"{_PATH}(/{_PATH})*", "must be a path within the volume: write for example models/a, without .."),
]
Word = Annotated[str, Field(max_length=4096), NO_NUL]


class ClaimVolume(ApiModel):
    """A PersistentVolumeClaim of the same namespace."""

    claim_name: DnsName
    read_only: bool = False


class ConfigMapVolume(ApiModel):
    """Every key of a ConfigMap of the same namespace as a file."""

    name: DnsName


class SecretVolume(ApiModel):
    """Every key of a Secret of the same namespace as a file."""

    secret_name: DnsName


class EmptyDirVolume(ApiModel):
    """Room on the node's disk that lasts as long as the pod."""

    size_limit: TextQuantity = Field(description="A pod that writes more is evicted.")


_KINDS = {
    "persistentVolumeClaim": "persistent_volume_claim",
    "configMap": "config_map",
    "secret": "secret",
    "emptyDir": "empty_dir",
}


def _has_one_kind(volume: Volume) -> bool:
    return sum(getattr(volume, field) is not None for field in _KINDS.values()) == 1


class Volume(ApiModel):
    """A volume of the pods, as in a pod. A folder of the node cannot be one."""

    rules = (
        Rule(
            f"[{', '.join(f'has(self.{kind})' for kind in _KINDS)}].exists_one(given, given)",
            f"give one of {', '.join(_KINDS)}: a volume is of one kind",
            _has_one_kind,
            field="name",
        ),
    )
    name: Annotated[
        DnsLabel,
        _other_than(
            _VOLUMES, f"the names {', '.join(_VOLUMES)} belong to volumes of the operator: choose another name"
        ),
    ]
    persistent_volume_claim: ClaimVolume | None = None
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None
    empty_dir: EmptyDirVolume | None = None


class Mount(ApiModel):
    """Where one of `podTemplate.volumes` is seen in a sidecar."""

    name: DnsLabel
    mount_path: MountPath
    sub_path: SubPath | None = None
    read_only: bool = False


class ServerMount(Mount):
    """Where one of `podTemplate.volumes` is seen in the fetch step and in the server."""

    rules = (
        Rule(
            f"{list(_FOLDERS)}.all(ours, self.mountPath != ours && !self.mountPath.startsWith(ours + '/') && "
            "!ours.startsWith(self.mountPath + '/'))",
            f"{', '.join(_FOLDERS)} and what is above them are the operator's: choose a mountPath elsewhere, for "
            "example /etc/ssl/extra",
            lambda mount: _is_apart(mount.mount_path),
            field="mountPath",
        ),
    )


class Sidecar(ApiModel):
    """A container beside the server: it starts before the artifact is fetched and ends after the server has."""

    name: Annotated[
        DnsLabel,
        _other_than(_CONTAINERS, "fetch and server are the operator's own containers: choose another name"),
    ]
    image: ImageRef
    command: Annotated[tuple[Word, ...], Field(max_length=32)] = ()
    args: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    env: Annotated[tuple[EnvVar, ...], Field(max_length=32), ListMap("name")] = ()
    resources: StatedResources = Field(
        description="Requests and limits; both have to be stated, for quotas and for the scheduler."
    )
    volume_mounts: Annotated[tuple[Mount, ...], Field(max_length=8), ListMap("mount_path")] = Field(
        default=(), description="Its root file system is read-only: mount a volume where it writes."
    )


class SpreadConstraint(ApiModel):
    """How the pods of one colour and revision are spread; which pods count is the operator's to say."""

    topology_key: LabelKey
    max_skew: Annotated[int, Field(ge=1, le=100)] = 1
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]


def _are_mounts_of_volumes(template: PodTemplateSpec) -> bool:
    names = {volume.name for volume in template.volumes}
    mounts: tuple[Any, ...] = (*template.volume_mounts, *(m for s in template.sidecars for m in s.volume_mounts))
    return all(mount.name in names for mount in mounts)


class PodTemplateSpec(ApiModel):
    """What is added to the pods. A change of it is a new version of the pods, rolled out like any other."""

    rules = (
        Rule(
            "(!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) && "
            "self.volumes.exists(v, v.name == m.name))) && (!has(self.sidecars) || self.sidecars.all(s, "
            "!has(s.volumeMounts) || s.volumeMounts.all(m, has(self.volumes) && "
            "self.volumes.exists(v, v.name == m.name))))",
            "each mount must name one of podTemplate.volumes: add the volume there, or correct the name",
            _are_mounts_of_volumes,
            field="volumes",
        ),
    )
    labels: OwnLabels = {}
    annotations: OwnAnnotations = {}
    affinity: Passthrough | None = Field(default=None, description="As in a pod, handed on as it is.")
    topology_spread_constraints: Annotated[
        tuple[SpreadConstraint, ...], Field(max_length=4), ListMap("topology_key")
    ] = Field(
        default=(),
        description="Beside the operator's own over kubernetes.io/hostname, which one for that key replaces.",
    )
    priority_class_name: DnsName | None = None
    service_account_name: DnsName | None = Field(
        default=None,
        description="ServiceAccount of the pods, for the identity that a cloud gives it. No token of Kubernetes is "
        "mounted. Default: one of the model's own.",
    )
    fs_group: Annotated[int, Field(ge=1, le=2147483647)] | None = Field(
        default=None, description="Group that may write what persistentVolumeClaims hold."
    )
    volumes: Annotated[tuple[Volume, ...], Field(max_length=16), ListMap("name")] = ()
    volume_mounts: Annotated[tuple[ServerMount, ...], Field(max_length=16), ListMap("mount_path")] = Field(
        default=(), description="Where the volumes are seen in the fetch step and in the server."
    )
    sidecars: Annotated[tuple[Sidecar, ...], Field(max_length=4), ListMap("name")] = ()
