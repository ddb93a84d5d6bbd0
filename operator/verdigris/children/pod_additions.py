"""What `spec.serving.podTemplate` adds to the pods: volumes, sidecars, placement. It replaces nothing of ours.

Only what was given is written: the API server keeps neither empty lists nor a `readOnly` that is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from verdigris.api.schema.quantity import canonical, resource_list
from verdigris.api.spec import EnvVar, PodTemplateSpec, ResourceRequirements
from verdigris.api.spec.pod import Mount, Sidecar, Volume
from verdigris.api.spec.resources import StatedResources
from verdigris.children.meta import Manifest
from verdigris.children.names import COLOR_LABEL, MODEL_LABEL, REVISION_LABEL, Owner

HOSTNAME = "kubernetes.io/hostname"
CONFINED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""The security context of every container: the restricted level, and nothing to write to but volumes."""


def environment(ours: Mapping[str, str], users: Iterable[EnvVar]) -> list[Manifest]:
    """Ours, then the user's; the API keeps the user from naming one of ours, or one twice.

    The API server drops an empty value, so none is given: the variable is then set to nothing.
    """
    stated: list[Manifest] = [{"name": name, "value": value} for name, value in ours.items()]
    for variable in users:
        source = {"valueFrom": variable.value_from.dump()} if variable.value_from else {"value": variable.value}
        stated.append({"name": variable.name, **source})
    return [_given(variable) for variable in stated]


def resources(stated: ResourceRequirements | StatedResources) -> Manifest:
    """Requests and limits as the API server spells them."""
    amounts = {"requests": resource_list(stated.requests), "limits": resource_list(stated.limits)}
    return {kind: values for kind, values in amounts.items() if values}


def mounts(stated: Iterable[Mount]) -> list[Manifest]:
    """The mounts of a container."""
    return [_given(mount.dump()) for mount in stated]


def volumes(stated: Iterable[Volume]) -> list[Manifest]:
    """The volumes of the pods."""
    return [_volume(volume) for volume in stated]


def sidecars(stated: Iterable[Sidecar]) -> list[Manifest]:
    """Init steps that stay (KEP-753): up before the artifact is fetched, ended after the server has answered all."""
    return [_sidecar(sidecar) for sidecar in stated]


def placement(owner: Owner, added: PodTemplateSpec) -> Manifest:
    """Where the pods go, and before whom."""
    affinity = {"affinity": dict(added.affinity)} if added.affinity else {}
    priority = {"priorityClassName": added.priority_class_name} if added.priority_class_name else {}
    return {"topologySpreadConstraints": _spread(owner, added), **affinity, **priority}


def _volume(volume: Volume) -> Manifest:
    if volume.empty_dir is not None:
        return {"name": volume.name, "emptyDir": {"sizeLimit": canonical(volume.empty_dir.size_limit)}}
    return {key: _given(value) if isinstance(value, dict) else value for key, value in volume.dump().items()}


def _sidecar(sidecar: Sidecar) -> Manifest:
    made = {
        "command": list(sidecar.command),
        "args": list(sidecar.args),
        "env": environment({}, sidecar.env),
        "volumeMounts": mounts(sidecar.volume_mounts),
    }
    return {
        "name": sidecar.name,
        "image": sidecar.image,
        "restartPolicy": "Always",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": dict(CONFINED),
        "resources": resources(sidecar.resources),
        **_given(made),
    }


def _spread(owner: Owner, added: PodTemplateSpec) -> list[Manifest]:
    """Over the nodes by itself, where the user says nothing else of them."""
    wished = [(one.topology_key, one.max_skew, one.when_unsatisfiable) for one in added.topology_spread_constraints]
    ours = [] if any(key == HOSTNAME for key, *_ in wished) else [(HOSTNAME, 1, "ScheduleAnyway")]
    return [_constraint(owner, *constraint) for constraint in (*ours, *wished)]


def _constraint(owner: Owner, key: str, skew: int, otherwise: str) -> Manifest:
    """Each colour and revision by itself: the template does not know its colour, the pod does."""
    return {
        "maxSkew": skew,
        "topologyKey": key,
        "whenUnsatisfiable": otherwise,
        "labelSelector": {"matchLabels": {MODEL_LABEL: owner.name}},
        "matchLabelKeys": [COLOR_LABEL, REVISION_LABEL],
    }


def _given(fields: Manifest) -> Manifest:
    return {name: value for name, value in fields.items() if value not in (None, "", False, [], {})}
